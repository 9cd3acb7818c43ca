"""The JSON schema of a strategy's YAML, for editors; `python -m lim_pipelines.strategies.schema` writes it.

What does not belong here: rules over several fields and over the data (`spec.py`, `check.py`), which no
editor can know.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lim_pipelines.strategies.spec import StrategySpec

PATH = Path(__file__).parent / "defs.schema.json"
COMPONENT = "assets.strategies.StrategyComponent"
LINE = "# yaml-language-server: $schema=../../strategies/defs.schema.json"
"""First line of every strategy's YAML: editors complete and check it by the schema."""


def schema() -> dict[str, Any]:
    """Return the JSON schema of a whole `defs.yaml`."""
    attributes = StrategySpec.model_json_schema(ref_template="#/$defs/{model}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Strategy",
        "type": "object",
        "required": ["type", "attributes"],
        "additionalProperties": False,
        "properties": {"type": {"const": COMPONENT}, "attributes": {"$ref": "#/$defs/StrategySpec"}},
        "$defs": attributes.pop("$defs") | {"StrategySpec": attributes},
    }


def text() -> str:
    """Return it as it lies in the repository."""
    return json.dumps(schema(), indent=2) + "\n"


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
    print(f"wrote {PATH}")
