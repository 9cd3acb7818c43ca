"""Write `dbt_project/manifest.json`: the part of dbt's manifest that the assets are made from.

Run by `make manifest` after a change in `dbt_project/`. dbt's own manifest is 20 times as large (it holds
dbt's macros) and names the machine; a test compares this one with the models.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent / "dbt_project"
NODE_FIELDS = """
name resource_type unique_id description columns checksum depends_on config tags meta fqn package_name path
schema original_file_path alias test_metadata attached_node source_name refs sources database
identifier relation_name
"""


def slim(manifest: dict[str, Any]) -> dict[str, Any]:
    """Keep what `assets/marts.py` and dagster-dbt read."""

    def node(fields: dict[str, Any]) -> dict[str, Any]:
        kept = {name: value for name, value in fields.items() if name in NODE_FIELDS.split()}
        # dbt lists a model's sources in another order each time.
        for name, value in kept.items():
            if name in ("depends_on", "sources", "refs"):
                kept[name] = _ordered(value)
        return kept

    return {
        "metadata": {
            name: manifest["metadata"][name]
            for name in ("dbt_schema_version", "dbt_version", "project_name", "adapter_type")
        },
        "nodes": {key: node(value) for key, value in sorted(manifest["nodes"].items())},
        "sources": {key: node(value) for key, value in sorted(manifest["sources"].items())},
        "parent_map": manifest["parent_map"],
        "child_map": manifest["child_map"],
        **{
            name: {} for name in ("macros", "docs", "exposures", "metrics", "groups", "selectors", "disabled")
        },
        **{name: {} for name in ("group_map", "saved_queries", "semantic_models", "unit_tests")},
    }


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _ordered(item) for key, item in value.items()}
    return sorted(value, key=str) if isinstance(value, list) else value


def parse() -> dict[str, Any]:
    """Let dbt parse the project and return its slim manifest."""
    with tempfile.TemporaryDirectory() as target:
        dbt = Path(sys.executable).parent / "dbt"
        command = [
            dbt,
            "--quiet",
            "parse",
            "--no-partial-parse",
            "--project-dir",
            PROJECT,
            "--profiles-dir",
            PROJECT,
        ]
        subprocess.run([*map(str, command), "--target-path", target, "--log-path", target], check=True)
        manifest: dict[str, Any] = json.loads((Path(target) / "manifest.json").read_text())
    return slim(manifest)


if __name__ == "__main__":
    (PROJECT / "manifest.json").write_text(json.dumps(parse(), indent=1, sort_keys=True) + "\n")
