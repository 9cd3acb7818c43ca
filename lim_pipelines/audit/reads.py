"""Every read of models, decisions and backtests goes through the lake and says as of when.

Two proofs. Of the code: no function of their rooms reads tables other than through `Lake`, none reads all
revisions or the latest state but those of `ALLOWED`. Of a run: on a lake that remembers its reads, no read
can give a row that became known after the moment. What is allowed is shown to be harmless by doing it again
on truncated history (`tables.py`, `targets.py`). What does not belong here: that recomputation.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from lim_pipelines.audit.past import Past, Read
from lim_pipelines.audit.verdict import Verdict
from lim_pipelines.lake import LATEST, Lake

ROOMS: Final = (
    *("foundation", "finetune", "strategies", "portfolio", "backtest", "inputs"),
    "walkforward.py",
)
"""Rooms of `lim_pipelines` whose reads must say as of when."""

ALLOWED: Final[dict[str, str]] = {
    "lim_pipelines.inputs.blocks.Reads.known_by": "filtered by known_at up to the last decision asked about;"
    " each row is then joined as of its own decision, which making it again at that decision shows",
    "lim_pipelines.inputs.build._periods": "counts rows to cut a build into periods; no value is read",
    "lim_pipelines.inputs.decisions.decisions": "which instruments a session has; one whose bar comes late is"
    " known at the decision after it came, which making it again shows",
    "lim_pipelines.inputs.news._exchanges": "finds sessions that are to be built again; no value is read",
    "lim_pipelines.inputs.news._news": "as _exchanges",
    "lim_pipelines.inputs.news._concerned": "as _exchanges",
    "lim_pipelines.finetune.features.read_features": "filtered by known_at, the decision's own moment",
    "lim_pipelines.finetune.features._refuse_missing": "as read_features",
    "lim_pipelines.walkforward.decide": "filtered by known_at up to the period's end; every decision takes"
    " its own view of it as of itself, which deciding again at that moment shows",
    "lim_pipelines.walkforward._sorted": "a backtest looks back: bars that fill and value what was decided,"
    " and stored results. The engine again on bars cut at a session shows that no fill looks ahead",
    "lim_pipelines.reference.known_listings": "listings hold by their own dates, see `past.DATED`",
}
"""Functions that read all revisions, or what is known today, and why that is right."""

_FILES: Final = frozenset(
    f"{verb}_{what}"
    for verb in ("read", "scan")
    for what in ("parquet", "csv", "delta", "ipc", "ndjson", "json", "database", "iceberg", "excel")
) | {"DeltaTable", "connect", "file_uris", "content_of"}
"""Calls that read tables round the lake."""


def unsafe_reads(library: Path) -> list[str]:
    """Find reads in the code of `ROOMS` that neither say as of when nor are allowed.

    Parameters
    ----------
    library
        Folder of the package `lim_pipelines`.

    Returns
    -------
    list of str
        One a call: file, line, function, what is wrong, what to do.
    """
    found = []
    for room in ROOMS:
        top = library / room
        for path in sorted(top.rglob("*.py")) if top.is_dir() else [top]:
            module = ".".join(("lim_pipelines", *path.relative_to(library).with_suffix("").parts))
            tree = ast.parse(path.read_text(), str(path))
            for function, call in _calls(tree, module):
                wrong = _wrong(call, function)
                if wrong:
                    found.append(
                        f"{path.relative_to(library.parent)} line {call.lineno}, {function}: {wrong}"
                    )
    return found


def audit_reads(past: Past, asset: str, partition: str) -> Verdict:
    """Judge what a function read of a past that it was run on.

    Parameters
    ----------
    past
        The past, after the run; its moment is the one that no read may go beyond.
    asset, partition
        Of the verdict.
    """
    wrong = [
        read
        for read in past.reads
        if read.reader not in ALLOWED and not _bounded(read, past.lake, past.moment)
    ]
    finding = ""
    if wrong:
        asked = "all revisions" if wrong[0].asked is None else f"as of {wrong[0].asked}"
        finding = (
            f"{wrong[0].reader} reads {wrong[0].table.name}, {asked}, and can see what became known after"
            f" {past.moment}: read as of the moment, or name the function in ALLOWED of"
            " lim_pipelines/audit/reads.py with the reason and the audit that shows it"
        )
    return Verdict(asset, partition, "reads", past.moment, len(past.reads), len(wrong), finding)


def _bounded(read: Read, lake: Lake, moment: datetime) -> bool:
    """Whether a read can give no row that became known after a moment."""
    if isinstance(read.asked, datetime):
        return read.asked <= moment
    if not read.table.has_revisions:
        return True
    if read.asked is LATEST or read.where is None:
        return False
    # A row that it gives, as if it had become known a moment later: does the filter keep it out?
    row = lake.revisions(read.table, read.where).head(1).collect()
    later = row.with_columns(
        known_at=pl.lit(moment + timedelta(microseconds=1), read.table.schema["known_at"])
    )
    return later.filter(read.where).is_empty()


def _wrong(call: ast.Call, function: str) -> str:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name in _FILES:
        return f"{name} reads round the lake; use Lake.read with as_of"
    if function in ALLOWED:
        return ""
    if name == "revisions":
        return "reads all revisions; use Lake.read with as_of, or say in ALLOWED why it is right"
    as_of = next((keyword.value for keyword in call.keywords if keyword.arg == "as_of"), None)
    if as_of is not None and ast.unparse(as_of).endswith("LATEST") and not _of_vectors(call):
        return "reads what is known today; name the moment, or say in ALLOWED why it is right"
    return ""


def _of_vectors(call: ast.Call) -> bool:
    """Whether a call reads vectors by their keys: the keys are of rows known by then (`audit_vectors`)."""
    where = next((keyword.value for keyword in call.keywords if keyword.arg == "where"), None)
    return where is not None and "key IN" in ast.unparse(where)


def _calls(tree: ast.Module, module: str) -> Iterator[tuple[str, ast.Call]]:
    """Yield calls with the name of the function that they stand in."""

    def inside(node: ast.AST, name: str) -> Iterator[tuple[str, ast.Call]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Call):
                yield name, child
            named = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
            yield from inside(child, f"{name}.{child.name}" if named else name)  # type: ignore[attr-defined]

    yield from inside(tree, module)
