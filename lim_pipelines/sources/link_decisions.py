"""What people decided about names and tickers: `landing/link_decisions/.../<any name>.csv`.

Columns: source, name, entity_id (an entity, or an instrument), decision (accepted or rejected), decided_by. A
file counts from its arrival; below `history/` it counts for every day: who drops it there vouches that anyone
could have decided so on the day itself.

What does not belong here: what follows from a decision (`entities/decided.py`).

A list of decisions is taken whole or not at all: a line that is wrong may be the one that takes another back.
"""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from lim_pipelines.schemas import UTC_TIME
from lim_pipelines.sources.base import RejectedFileError, SourceFile
from lim_pipelines.sources.folder import vendor_files
from lim_pipelines.sources.landed import read_file

SOURCE = "link_decisions"
COLUMNS = ["source", "name", "entity_id", "decision", "decided_by"]
ACCEPTED, REJECTED = "accepted", "rejected"
DECISIONS = pl.Schema(
    {
        **{name: pl.String() for name in ("source", "name", "target", "decision", "decided_by")},
        "known_at": UTC_TIME,
    }
)
"""`target` is an entity id, or the id of an instrument."""
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
_TARGET = (
    "write the id of an entity (table entities) or instrument (table listings); one that comes with quotes"
    " still to be loaded is known after them: the list is tried again with every load"
)


def read_decisions(landing: Path, targets: pl.Series) -> tuple[pl.DataFrame, tuple[RejectedFileError, ...]]:
    """Read all lists of decisions.

    Parameters
    ----------
    landing
        The landing folder.
    targets
        Ids of the entities and instruments that there are.

    Returns
    -------
    frame
        Frame of `DECISIONS`; of decisions known at one moment about the same name and target the last in
        order of path holds.
    refused
        One error for each list that cannot be trusted: unknown_file_type, wrong_columns, missing_value,
        unknown_decision, unknown_target, contradiction, or a rule of `landed.py`. The others go on.
    """
    found, refused = [DECISIONS.to_frame()], []
    for file in vendor_files(landing, SOURCE):
        try:
            found.append(_read(file, landing, targets))
        except RejectedFileError as error:
            refused.append(error)
    every = pl.concat(found).unique(
        ["source", "name", "target", "known_at"], keep="last", maintain_order=True
    )
    return every.sort("known_at", "source", "name", "target"), tuple(refused)


def _read(file: SourceFile, landing: Path, targets: pl.Series) -> pl.DataFrame:
    if not file.path.endswith(".csv"):
        raise RejectedFileError(file.path, "unknown_file_type", "it is no .csv", "name it <any name>.csv")
    header = f"write lines of {','.join(COLUMNS)} below that header"
    try:
        table = pl.read_csv(io.BytesIO(read_file(landing, file.path)), infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise RejectedFileError(
            file.path, "wrong_columns", str(error).split("\n")[0][:200], header
        ) from error
    if table.columns != COLUMNS:
        raise RejectedFileError(file.path, "wrong_columns", f"it has {table.columns}", header)
    lines = table.with_row_index("line", offset=2)
    target = pl.col("entity_id")
    yes = pl.col("decision") == ACCEPTED
    several = (target.filter(yes).n_unique() > 1).over("source", "name") & yes
    both = pl.col("decision").n_unique().over("source", "name", "entity_id") > 1
    for rule, bad, remedy in (
        ("missing_value", pl.any_horizontal(pl.col(COLUMNS).is_null()), "fill every column"),
        ("unknown_decision", ~pl.col("decision").is_in([ACCEPTED, REJECTED]), "write accepted or rejected"),
        ("unknown_target", ~target.is_in(targets.implode()), _TARGET),
        ("contradiction", several | both, "accept one entity for a name, and do not reject the same"),
    ):
        failing = lines.filter(bad)
        if failing.height:
            first = failing.row(0, named=True)
            what = ",".join(str(first[name] or "") for name in COLUMNS)
            raise RejectedFileError(
                file.path, rule, f"line {first['line']}: {what}", f"{remedy}; no part of the list is used"
            )
    known_at = ALWAYS if file.history else file.arrived_at
    return lines.select(
        "source",
        "name",
        pl.col("entity_id").alias("target"),
        "decision",
        "decided_by",
        pl.lit(known_at, UTC_TIME).alias("known_at"),
    )
