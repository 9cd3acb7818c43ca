"""What is in one landed file: hash, exchanges, sessions, rows; or why it is refused as a whole.

What does not belong here: the ledger (`register.py`). Nothing here raises on bad input.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from lim_pipelines.sources import (
    ALTERNATIVE_SOURCES,
    QUOTE_SOURCES,
    REFERENCE_SOURCES,
    frbny_vintages,
    link_decisions,
    macro_series,
)
from lim_pipelines.sources.alternative import AlternativeFile, alternative_files, read_whole
from lim_pipelines.sources.base import QUARANTINE_AS, QuoteSource, RejectedFileError, SourceFile
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
    alternative
        Path to the file of alternative data; a file may hold quotes, too.
    folders
        Names of all sources that read landed files.
    reference
        Those that read macro series, facts about instruments or people's decisions, too: not every file of
        theirs holds bars.
    """

    files: dict[str, tuple[QuoteSource, SourceFile]]
    alternative: dict[str, AlternativeFile]
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
        alternative = {job.file.path: job for job in alternative_files(landing)}
        macro = {macro_series.NAME, frbny_vintages.NAME}
        reference = frozenset(source.name for source in REFERENCE_SOURCES) | macro | {link_decisions.SOURCE}
        others = frozenset(source.name for source in ALTERNATIVE_SOURCES)
        return cls(claimed, alternative, frozenset(folders) | reference | others, reference)


def inspect(entry: Entry, claims: Claims, landing: Path) -> list[Line]:
    """Read a file, block by block, and say what it holds.

    Returns
    -------
    list of dict
        One for each exchange, sorted: exchange, first_date, last_date, rows, rows_rejected, rule, reason.
        Rejected rows count for the dates, because their quarantine belongs to a partition too. One without
        an exchange for a file of quotes that holds no bars or is refused; one of exchange `QUARANTINE_AS` for
        what a file holds of alternative data, or for why that is refused, and for a file of macro series or
        facts about instruments, which the same load reads and says what it refuses.
    """
    lines = []
    if entry.path in claims.alternative:
        lines.append(_alternative(claims.alternative[entry.path], landing))
    if lines and entry.path not in claims.files:
        return lines
    return [*lines, *_bars(entry, claims, landing)]


def _bars(entry: Entry, claims: Claims, landing: Path) -> list[Line]:
    held: dict[str, Line] = {}
    try:
        claim = claims.files.get(entry.path)
        if claim is None:
            _refuse_stranger(entry, claims, landing)
            return [_line(QUARANTINE_AS)]
        source, file = claim
        for block in read_blocks(source, file, landing):
            _count(held, block.rows, "rows")
            _count(held, block.rejected, "rows_rejected")
    except RejectedFileError as error:
        return [_line("", rule=error.rule, reason=f"{error.reason}; {error.remedy}")]
    return [held[exchange] for exchange in sorted(held)] or [_line("")]


def _alternative(file: AlternativeFile, landing: Path) -> Line:
    try:
        content = read_whole(file, landing)
    except RejectedFileError as error:
        return _line(QUARANTINE_AS, rule=error.rule, reason=f"{error.reason}; {error.remedy}")
    line = _line(QUARANTINE_AS)
    for frame in content.rows.values():
        line["rows"] += frame.height
        if "ts" in frame.columns:
            first, last = frame.select(
                first=pl.col("ts").min().dt.date(), last=pl.col("ts").max().dt.date()
            ).row(0)
            line["first_date"] = min(first, line["first_date"] or first)
            line["last_date"] = max(last, line["last_date"] or last)
    line["rows_rejected"] = content.rejected.height
    return line


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
