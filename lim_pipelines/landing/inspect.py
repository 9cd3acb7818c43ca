"""What is in one landed file: hash, exchanges, sessions, rows; or why it is refused as a whole.

What does not belong here: the ledger (`register.py`). Nothing here raises on bad input.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from lim_pipelines.sources import QUOTE_SOURCES, REFERENCE_SOURCES, macro_series
from lim_pipelines.sources.base import QuoteSource, RejectedFileError, SourceFile
from lim_pipelines.sources.folder import Entry, well_named
from lim_pipelines.sources.landed import inside
from lim_pipelines.sources.reading import read_blocks

Line = dict[str, Any]
"""A row of the ledger, or a part of it."""


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
        Those that read macro series, or facts about instruments, too: not every file of theirs holds bars.
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
        reference = frozenset(source.name for source in REFERENCE_SOURCES) | {macro_series.NAME}
        return cls(claimed, frozenset(folders) | reference, reference)


def inspect(entry: Entry, claims: Claims, landing: Path) -> list[Line]:
    """Read a file, block by block, and say what it holds.

    Returns
    -------
    list of dict
        One for each exchange, sorted: exchange, first_date, last_date, rows, rows_rejected, rule, reason.
        Rejected rows count for the dates, because their quarantine belongs to a partition too. One without
        an exchange for a file that holds no bars or is refused.
    """
    held: dict[str, Line] = {}
    try:
        claim = claims.files.get(entry.path)
        if claim is None:
            _refuse_stranger(entry, claims, landing)
            return [_line("")]
        source, file = claim
        for block in read_blocks(source, file, landing):
            _count(held, block.rows, "rows")
            _count(held, block.rejected, "rows_rejected")
    except RejectedFileError as error:
        return [_line("", rule=error.rule, reason=f"{error.reason}; {error.remedy}")]
    return [held[exchange] for exchange in sorted(held)] or [_line("")]


def _line(exchange: str, rule: str = "", reason: str = "") -> Line:
    counts = {"first_date": None, "last_date": None, "rows": 0, "rows_rejected": 0}
    return {"exchange": exchange, **counts, "rule": rule, "reason": reason}


def _count(held: dict[str, Line], frame: pl.DataFrame, column: str) -> None:
    """Add the rows of a frame to the lines of their exchanges."""
    if frame.is_empty():
        return
    date = pl.col("date")
    found = frame.group_by("exchange").agg(date.min().alias("first"), date.max().alias("last"), pl.len())
    for exchange, first, last, rows in found.iter_rows():
        line = held.setdefault(exchange, _line(exchange))
        line["first_date"] = min(first, line["first_date"] or first)
        line["last_date"] = max(last, line["last_date"] or last)
        line[column] += rows


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
