"""Every read of models, decisions and backtests goes through the lake and says as of when.

Training and decisions are handed a `Past`, in which nothing later exists. What is left are side doors: a lake
opened anew, a file, a vector store. The code of the rooms is searched for these, and for mentions of all
revisions or the latest state but in the functions of `ALLOWED`. Of a run: on a past, which remembers its
reads, no read asks for a row that became known after the moment. What is allowed is shown to be harmless by
doing it again on truncated history (`tables.py`, `targets.py`). What does not belong here: that
recomputation.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from lim_pipelines.audit.verdict import Verdict
from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.lake.past import Past, Read

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
    "lim_pipelines.strategies.industries.read_links": "as walkforward.decide; a decision asks as of itself",
    "lim_pipelines.walkforward.decide_each": "filtered by known_at up to the period's end; every decision"
    " takes its own view of it as of itself, which deciding again at that moment shows",
    "lim_pipelines.walkforward._sorted": "a backtest looks back: bars that fill and value what was decided,"
    " and stored results. The engine again on bars cut at a session shows that no fill looks ahead",
    "lim_pipelines.inputs.texts._vectors": "vectors by the keys of texts that were known by then; a text's"
    " vector depends on nothing but the text (`audit_vectors`)",
    "lim_pipelines.foundation.store.changes.since": "finds which instruments' bars became known since the"
    " cutoff before, of a past of this one; values are read as of its moment, and `audit_checkpoint` makes"
    " the series again without the store",
    **dict.fromkeys(
        (f"lim_pipelines.foundation.store.changes.{name}" for name in ("_dated_back", "_committed")),
        "finds instruments of which rows known by the cutoff before were committed since; no value is read",
    ),
    **dict.fromkeys(
        (f"lim_pipelines.strategies.check.{name}" for name in ("check", "_history")),
        "tells a person whether what the lake holds today can bear a strategy; no model or decision reads it",
    ),
    **dict.fromkeys(
        (f"lim_pipelines.backtest.facts.{name}" for name in ("read_facts", "read_rates")),
        "a backtest looks back: what instruments are and paid, and exchange rates, which the engine uses from"
        " the moment at which each was known; no decision reads them",
    ),
    "lim_pipelines.reference.known_listings": "listings hold by their own dates, see `lake.past.DATED`",
}
"""Functions that read all revisions, or what is known today, and why that is right."""

FILES_ALLOWED: Final[dict[str, str]] = {
    **dict.fromkeys(
        (
            *(
                f"lim_pipelines.foundation.checkpoint.{name}"
                for name in ("resolve", "set_current", "read_meta")
            ),
            *(f"lim_pipelines.foundation.checkpoint.{name}" for name in ("sha256_of_weights", "load")),
            *("lim_pipelines.finetune.store.read_meta", "lim_pipelines.finetune.store.load"),
        ),
        "checkpoints, whose parents the windows' audit walks",
    ),
    "lim_pipelines.foundation.registry.events": "the log of champions, which no training reads",
    "lim_pipelines.foundation.registry._locked": "writes that log",
    "lim_pipelines.foundation.folders.sync": "writes",
    **dict.fromkeys(
        (
            *(f"lim_pipelines.foundation.store.shelf.Shelf.{name}" for name in ("grow", "_map")),
            *(f"lim_pipelines.foundation.store.index.{name}" for name in ("read", "extents", "abandoned")),
            "lim_pipelines.foundation.store.updating._alone",
        ),
        "the window store; `audit_checkpoint` finds what it showed again in the lake, read as of the cutoff",
    ),
    "lim_pipelines.foundation.folders._lock": "locks the folder that a training works in",
    "lim_pipelines.foundation.run.selected": "what a training of the same input digest has chosen",
    **dict.fromkeys(
        (f"lim_pipelines.foundation.metrics_file.{name}" for name in ("read_metrics", "MetricsFile.add")),
        "losses of a training by step",
    ),
    **dict.fromkeys(
        (f"lim_pipelines.foundation.resume.Snapshots.{name}" for name in ("state", "tensors")),
        "where a killed training of the same input digest stopped",
    ),
    "lim_pipelines.foundation.train.main": "reads the job",
    "lim_pipelines.finetune.train.main": "reads the job",
    "lim_pipelines.finetune.champions.event_at": "decisions on models; `audit_models` judges new models again"
    " where nothing later exists",
    "lim_pipelines.finetune.shared._read": "embeddings by the hash of all that they depend on; audits embed"
    " again without them",
    "lim_pipelines.finetune.methods.peft.load": "weights that a person names; no training calls it",
    "lim_pipelines.strategies.document.Document.__init__": "reads a strategy's YAML",
    "lim_pipelines.strategies.template.template": "reads the package's own template",
    "lim_pipelines.foundation.train.train_cutoffs": "opens the lake, for a past of each cutoff",
    "lim_pipelines.finetune.plan.plan": "opens the lake, for the past of the cutoff",
    "lim_pipelines.finetune.plan.Plan.rows": "opens the lake, for the past of the cutoff",
}
"""Functions that open files, or the lake, and why that is right."""

_MODULES: Final = frozenset(
    (
        *("csv", "duckdb", "deltalake", "pyarrow", "pandas", "sqlite3", "pickle", "shelve", "lancedb"),
        *("fsspec", "boto3", "requests", "urllib", "http", "socket", "subprocess", "importlib", "ctypes"),
    )
)
"""Modules that read files and networks; `importlib.resources` reads the package's own."""

_FILES: Final = frozenset(
    (
        *("DeltaTable", "Lake", "Log", "connect", "file_uris", "content_of", "open", "fdopen", "urlopen"),
        *("read_text", "read_bytes", "read_table", "load_file", "safe_open", "memmap", "fromfile"),
        *("loadtxt", "genfromtxt", "exec", "__import__", "import_module"),
    )
)
"""Names that read round the lake that is handed over, or open another."""

_HISTORY: Final = frozenset({"revisions", "changed_since", "has_version"})


def unsafe_reads(library: Path) -> list[str]:
    """Find reads in the code of `ROOMS` that neither say as of when nor are allowed.

    Parameters
    ----------
    library
        Folder of the package `lim_pipelines`.

    Returns
    -------
    list of str
        One a place: file, line, function, what is wrong, what to do.
    """
    found = []
    for room in ROOMS:
        top = library / room
        for path in sorted(top.rglob("*.py")) if top.is_dir() else [top]:
            module = ".".join(("lim_pipelines", *path.relative_to(library).with_suffix("").parts))
            tree = ast.parse(path.read_text(), str(path))
            for function, node in _nodes(tree, module):
                wrong = _wrong(node, function)
                if wrong:
                    line = getattr(node, "lineno", 0)
                    found.append(f"{path.relative_to(library.parent)} line {line}, {function}: {wrong}")
    return list(dict.fromkeys(found))


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


def _wrong(node: ast.AST, function: str) -> str:
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return _wrong_import(node)
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    if (name in _FILES or _reads_files(node)) and function not in FILES_ALLOWED:
        return f"{name} reads round the lake; use Lake.read with as_of of the lake that is handed over"
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("getattr", "vars"):
        of_itself = getattr(node.args[0], "id", "") == "self"
        return "" if of_itself else "takes a method by a name that nobody can check; call it"
    if function in ALLOWED:
        return ""
    if name in _HISTORY and isinstance(node, ast.Attribute):
        return "reads all revisions; use Lake.read with as_of, or say in ALLOWED why it is right"
    if name == "LATEST":
        return "reads what is known today; name the moment, or say in ALLOWED why it is right"
    return ""


def _wrong_import(node: ast.Import | ast.ImportFrom) -> str:
    if isinstance(node, ast.ImportFrom):
        modules = [node.module or ""]
        if any(one.name == "*" for one in node.names):
            return "imports names that nobody can check; name them"
        if any(one.asname and one.name in (*_FILES, "LATEST") for one in node.names):
            return "imports what is known today, or a way round the lake, under another name"
    else:
        modules = [one.name for one in node.names]
    wrong = [one for one in modules if one.split(".")[0] in _MODULES and one != "importlib.resources"]
    return f"{wrong[0]} reads round the lake; use Lake.read with as_of" if wrong else ""


def _reads_files(node: ast.AST) -> bool:
    """Whether a node is a reader of polars, numpy's `load`, or the lake behind a past."""
    if not isinstance(node, ast.Attribute):
        return False
    of = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
    polars = of in ("pl", "polars") and node.attr.startswith(("read_", "scan_"))
    return polars or (of in ("np", "numpy") and node.attr == "load") or (of, node.attr) == ("lake", "lake")


def _nodes(tree: ast.Module, module: str) -> Iterator[tuple[str, ast.AST]]:
    """Yield everything but annotations, with the name of the function that it stands in."""

    def inside(node: ast.AST, name: str) -> Iterator[tuple[str, ast.AST]]:
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield name, child
                    named = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
                    yield from inside(child, f"{name}.{child.name}" if named else name)  # type: ignore[attr-defined]

    yield from inside(tree, module)
