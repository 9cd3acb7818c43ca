"""Write `dbt_project/manifest.json`: the part of dbt's manifest that the assets are made from.

Run by `make manifest` after a change in `dbt_project/`. dbt's own manifest is 20 times as large (it holds
dbt's macros) and names the machine; a test compares this one with the models. Two things are added, from
the compiled SQL: a digest of each model, which changes with its macros too, and where its columns come from.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lim_pipelines.lake.point_in_time import stored_schema
from lim_pipelines.schemas import TABLES

PROJECT = Path(__file__).resolve().parent.parent / "dbt_project"
NODE_FIELDS = """
name resource_type unique_id description columns depends_on config tags meta fqn package_name
schema original_file_path alias attached_node source_name refs identifier
"""
CONFIG = ("enabled", "materialized", "severity", "meta", "tags")
SQL = "duckdb"


def slim(manifest: dict[str, Any]) -> dict[str, Any]:
    """Keep what `assets/marts.py` and dagster-dbt read."""

    def node(fields: dict[str, Any]) -> dict[str, Any]:
        kept = {name: value for name, value in fields.items() if name in NODE_FIELDS.split()}
        # dbt lists a model's sources in another order each time.
        for name in ("depends_on", "sources", "refs"):
            if name in kept:
                kept[name] = _ordered(kept[name])
        kept.get("depends_on", {}).pop("macros", None)
        # dbt writes out every default of a config and of a column.
        kept["config"] = {name: value for name, value in kept["config"].items() if name in CONFIG}
        kept["columns"] = {
            name: {"name": name, "description": column["description"]}
            for name, column in kept["columns"].items()
        }
        return kept

    return {
        "metadata": {
            name: manifest["metadata"][name]
            for name in ("dbt_schema_version", "dbt_version", "project_name", "adapter_type")
        },
        "nodes": {key: node(value) for key, value in sorted(manifest["nodes"].items())},
        "sources": {key: node(value) for key, value in sorted(manifest["sources"].items())},
        "parent_map": _ordered(manifest["parent_map"]),
        "child_map": _ordered(manifest["child_map"]),
        "code_versions": code_versions(manifest),
        "column_lineage": column_lineage(manifest),
        **{
            name: {} for name in ("macros", "docs", "exposures", "metrics", "groups", "selectors", "disabled")
        },
        **{name: {} for name in ("group_map", "saved_queries", "semantic_models", "unit_tests")},
    }


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _ordered(item) for key, item in value.items()}
    return sorted(value, key=str) if isinstance(value, list) else value


def _models(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {key: node for key, node in manifest["nodes"].items() if node["resource_type"] == "model"}


def code_versions(manifest: dict[str, Any]) -> dict[str, str]:
    """Digest of each model's compiled SQL, by model name."""
    return {
        node["name"]: hashlib.sha256(node["compiled_code"].encode()).hexdigest()[:12]
        for node in _models(manifest).values()
    }


def column_lineage(manifest: dict[str, Any]) -> dict[str, dict[str, list[list[str]]]]:
    """Columns that each column of each model is computed from, by its compiled SQL.

    Returns
    -------
    dict
        Model name to column to [unique id of a source or model, its column]. Columns that only decide which
        rows there are (joins, filters, windows' order) do not count.

    Raises
    ------
    ValueError
        A column in the yml is none of the model's SQL, or the other way round.
    """
    from sqlglot import exp, parse_one
    from sqlglot.lineage import lineage
    from sqlglot.optimizer.qualify import qualify

    parents = {**manifest["sources"], **_models(manifest)}
    by_relation = {_parts(node["relation_name"]): key for key, node in parents.items()}
    schema: dict[str, Any] = {}
    for node in parents.values():
        database, folder, table = _parts(node["relation_name"])
        stored = stored_schema(TABLES[table]) if table in TABLES else node["columns"]
        schema.setdefault(database, {}).setdefault(folder, {})[table] = dict.fromkeys(stored, "VARCHAR")
    found: dict[str, dict[str, list[list[str]]]] = {}
    for node in _models(manifest).values():
        # Qualified once: `lineage` would do it again for each column.
        query = qualify(parse_one(node["compiled_code"], dialect=SQL), schema=schema, dialect=SQL)
        columns = list(query.named_selects)
        if set(columns) != set(node["columns"]):
            differing = sorted(set(columns) ^ set(node["columns"]))
            raise ValueError(f"{node['original_file_path']} and its yml differ in the columns {differing}")
        found[node["name"]] = {}
        for column in columns:
            origins = set()
            for leaf in lineage(column, query.sql(SQL), schema=schema, dialect=SQL).walk():
                table = leaf.expression.find(exp.Table)
                if leaf.downstream or table is None:
                    continue
                origins.add(
                    (by_relation[table.catalog, table.db, table.name], leaf.name.split(".")[-1].strip('"'))
                )
            found[node["name"]][column] = sorted(map(list, origins))
    return found


def _parts(relation: str) -> tuple[str, str, str]:
    database, schema, table = relation.replace('"', "").split(".")
    return database, schema, table


def compiled() -> dict[str, Any]:
    """Let dbt compile the project and return its manifest."""
    with tempfile.TemporaryDirectory() as target:
        dbt = Path(sys.executable).parent / "dbt"
        command = [
            dbt,
            "--quiet",
            "compile",
            "--no-partial-parse",
            "--project-dir",
            PROJECT,
            "--profiles-dir",
            PROJECT,
        ]
        subprocess.run([*map(str, command), "--target-path", target, "--log-path", target], check=True)
        manifest: dict[str, Any] = json.loads((Path(target) / "manifest.json").read_text())
    return manifest


if __name__ == "__main__":
    (PROJECT / "manifest.json").write_text(json.dumps(slim(compiled()), indent=0, sort_keys=True) + "\n")
