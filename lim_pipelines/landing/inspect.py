"""What is in one landed file: hash, exchanges, sessions, rows; or why it is refused as a whole.

What does not belong here: the ledger (`register.py`). Nothing here raises on bad input.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from lim_pipelines.schemas import LANDING_FILES
from lim_pipelines.sources import QUOTE_SOURCES, REFERENCE_SOURCES
from lim_pipelines.sources.base import Parsed, QuoteSource, RejectedFileError, SourceFile
from lim_pipelines.sources.folder import Entry, well_named
from lim_pipelines.sources.landed import inside
from lim_pipelines.sources.reading import read_blocks


@dataclass(frozen=True)
class Claims:
    """Which source reads which file of the landing folder.

    Parameters
    ----------
    files
        Path to the source that reads it and what it says of it.
    folders
        Names of all sources that read landed files.
    reference
        Those that read facts about instruments, too: not every file of theirs holds bars.
    """

    files: dict[str, tuple[QuoteSource, SourceFile]]
    folders: frozenset[str]
    reference: frozenset[str]

    @classmethod
    def of(cls, landing: Path) -> Claims:
        """Ask every source what it lists now."""
        claimed: dict[str, tuple[QuoteSource, SourceFile]] = {}
        folders = set()
        for source in QUOTE_SOURCES:
            listed = source.files(landing)
            # A source that reads packages or simulates has no folder.
            if not any("://" in file.path for file in listed):
                folders.add(source.name)
                claimed |= {file.path: (source, file) for file in listed}
        reference = frozenset(source.name for source in REFERENCE_SOURCES)
        return cls(claimed, frozenset(folders) | reference, reference)


def inspect(entry: Entry, claims: Claims, landing: Path) -> pl.DataFrame:
    """Read a file, block by block, and say what it holds.

    Returns
    -------
    pl.DataFrame
        A row an exchange, sorted: exchange, first_date, last_date, rows, rows_rejected, rule, reason.
        Rejected rows count for the dates, because their quarantine belongs to a partition too. One row
        without an exchange for a file that holds no bars or is refused.
    """
    try:
        claim = claims.files.get(entry.path)
        if claim is None:
            _refuse_stranger(entry, claims, landing)
            return _one_line()
        source, file = claim
        spans = [_EMPTY, *(_spans(block) for block in read_blocks(source, file, landing))]
    except RejectedFileError as error:
        return _one_line(error.rule, f"{error.reason}; {error.remedy}")
    held = pl.concat(spans)
    if held.is_empty():
        return _one_line()
    return (
        held.group_by("exchange")
        .agg(pl.col("first_date").min(), pl.col("last_date").max(), pl.col("rows", "rows_rejected").sum())
        .sort("exchange")
        .with_columns(rule=pl.lit(""), reason=pl.lit(""))
    )


_SCHEMA = {name: LANDING_FILES.schema[name] for name in ("exchange", "first_date", "last_date")} | {
    "rows": pl.Int64,
    "rows_rejected": pl.Int64,
}
_EMPTY = pl.DataFrame(schema=_SCHEMA)


def _spans(block: Parsed) -> pl.DataFrame:
    dates = [
        frame.select("exchange", "date", rows=pl.lit(accepted), rows_rejected=pl.lit(1 - accepted))
        for frame, accepted in ((block.rows, 1), (block.rejected, 0))
    ]
    return (
        pl.concat(dates)
        .group_by("exchange")
        .agg(
            first_date=pl.col("date").min(),
            last_date=pl.col("date").max(),
            rows=pl.col("rows").sum(),
            rows_rejected=pl.col("rows_rejected").sum(),
        )
        .cast(_SCHEMA)  # type: ignore[arg-type]
    )


def _one_line(rule: str = "", reason: str = "") -> pl.DataFrame:
    row = {"exchange": "", "first_date": None, "last_date": None, "rows": 0, "rows_rejected": 0}
    return pl.DataFrame([row], schema=_SCHEMA).with_columns(rule=pl.lit(rule), reason=pl.lit(reason))


def _refuse_stranger(entry: Entry, claims: Claims, landing: Path) -> None:
    """Refuse a file that no source reads, unless it may hold facts about instruments instead of bars."""
    if well_named(entry.path):
        inside(landing, entry.path)
    if entry.source not in claims.folders:
        raise RejectedFileError(
            entry.path,
            "unknown_source",
            f"{entry.source or 'the landing folder itself'} is no source's folder",
            f"drop it under one of {', '.join(sorted(claims.folders))}",
        )
    if entry.source not in claims.reference:
        raise RejectedFileError(
            entry.path,
            "unknown_file",
            f"the source {entry.source} reads no file of that name or in that place",
            "see the source's documentation for the vendor's layout, or remove the file",
        )
