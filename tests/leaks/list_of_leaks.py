"""The table of planted leaks in docs/look-ahead.md: `python tests/leaks/list_of_leaks.py` writes it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
DOC = HERE.parents[1] / "docs" / "look-ahead.md"
_BETWEEN = re.compile(r"(<!-- leaks: [^\n]*-->\n).*(<!-- /leaks -->)", re.DOTALL)


def rows() -> list[tuple[str, str, str]]:
    """Name, place and audit of every leak, those in data first."""
    from execution_leaks import LEAKS as IN_EXECUTION
    from model_leaks import LEAKS as IN_MODELS
    from test_data_leaks import LEAKS as IN_DATA

    in_data = [(leak.name, leak.where, leak.caught_by) for leak in IN_DATA]
    return in_data + [(leak.name, leak.where, leak.audit) for leak in (*IN_MODELS, *IN_EXECUTION)]


def written() -> str:
    """The document with the table as it should be."""
    lines = [f"| {name} | `{where}` | `{audit}` |" for name, where, audit in rows()]
    table = "\n".join(["| Leak | planted in | found by |", "| --- | --- | --- |", *lines])
    return _BETWEEN.sub(lambda found: f"{found[1]}{table}\n{found[2]}", DOC.read_text())


if __name__ == "__main__":
    sys.path[:0] = [str(HERE), str(HERE.parent / "unit")]
    DOC.write_text(written())
