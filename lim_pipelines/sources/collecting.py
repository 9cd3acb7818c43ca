"""What the sources hold for some exchanges and dates, each file read once.

What does not belong here: the list of sources (`__init__.py`), corrections against what the lake already
holds (`align/revisions.py`, `align/withdrawals.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from lim_pipelines.schemas import LISTINGS, QUARANTINE, RAW_QUOTES
from lim_pipelines.sources.base import QUARANTINE_AS, Parsed, QuoteSource, RejectedFileError, SourceFile
from lim_pipelines.sources.duplicates import VALUES, split_duplicates
from lim_pipelines.sources.quarantine import quarantine
from lim_pipelines.sources.reading import READER_FAILED, in_order, read_blocks


@dataclass(frozen=True)
class Collected:
    """What the sources hold for some exchanges and dates.

    Parameters
    ----------
    rows
        Frame of `RAW_QUOTES`, sorted by its key.
    rejected
        Rows held back while parsing, frame of `QUARANTINE`.
    listings
        Instruments that the files speak of, frame of `LISTINGS`.
    files
        Files that were read, refused ones included.
    refused
        One error for each file refused as a whole; nothing of it is in `rows` or `rejected`.
    accounted
        Paths whose present content is wholly accounted for: all that they hold here is in `rows` or
        `rejected`. A bar that came from one of them and is in neither is no longer in the file.
    """

    rows: pl.DataFrame
    rejected: pl.DataFrame
    listings: pl.DataFrame
    files: list[SourceFile]
    refused: list[RejectedFileError]
    accounted: frozenset[str]


def collect(
    sources: Iterable[QuoteSource],
    exchanges: Iterable[str],
    start: date,
    end: date,
    landing: Path,
    ledger: pl.DataFrame | None = None,
) -> Collected:
    """Read everything the sources hold for some exchanges and session dates, each file once, in parallel.

    Parameters
    ----------
    sources
        The sources to ask.
    exchanges
        Market identifiers.
    start, end
        Session dates, both included.
    landing
        The landing folder; it need not exist.
    ledger
        Frame of `LANDING_FILES`. A file that lies there as the ledger knows it, by size and time, is read
        only if it holds something here. Without a ledger, what path and source tell must do.

    Returns
    -------
    Collected
        The same whatever thread was first. A bar that several files of one source give is settled as
        `split_duplicates` says; one that a later file repeats unchanged is a `duplicate_bar` too.
    """
    wanted = frozenset(exchanges)
    here = pl.col("exchange").is_in(sorted(wanted)) & pl.col("date").is_between(start, end)
    known = _Ledger(ledger, wanted, start, end) if ledger is not None else None
    accounted: set[str] = set()

    def to_read() -> Iterator[tuple[QuoteSource, SourceFile]]:
        for source in sources:
            if not source.exchanges & wanted:
                continue
            for file in source.files(landing):
                if not may_hold(file, wanted, start, end):
                    continue
                if known is not None and known.rules_out(file):
                    if known.accepted(file):
                        accounted.add(file.path)
                    continue
                yield source, file

    def read(
        job: tuple[QuoteSource, SourceFile],
    ) -> tuple[SourceFile, list[Parsed], RejectedFileError | None]:
        source, file = job
        try:
            blocks = [
                Parsed(block.rows.filter(here), block.rejected.filter(here), block.listings)
                for block in read_blocks(source, file, landing)
            ]
        except RejectedFileError as error:
            return file, [], error
        return file, blocks, None

    rows, rejected, listings = [RAW_QUOTES.empty()], [QUARANTINE.empty()], [LISTINGS.empty()]
    files: list[SourceFile] = []
    refused: list[RejectedFileError] = []
    for file, blocks, error in in_order(read, to_read()):
        files.append(file)
        if error is not None:
            refused.append(error)
            continue
        accounted.add(file.path)
        rows += [block.rows for block in blocks if block.rows.height]
        rejected += [block.rejected for block in blocks if block.rejected.height]
        listings += [block.listings for block in blocks if block.listings.height]
    kept, repeated = settle(pl.concat(rows))
    return Collected(
        rows=kept,
        rejected=pl.concat([*rejected, repeated]).sort(QUARANTINE.row_key),
        listings=pl.concat(listings).filter(pl.col("exchange").is_in(sorted(wanted))),
        files=files,
        refused=refused,
        accounted=frozenset(accounted),
    )


_Read = tuple[SourceFile, list[Parsed], RejectedFileError | None]
"""A file, its blocks, and why it is refused."""


class _Ledger:
    """What the ledger tells of files before they are read."""

    def __init__(self, ledger: pl.DataFrame, exchanges: frozenset[str], start: date, end: date) -> None:
        present = ledger.filter(pl.col("state") == "present", pl.col("exchange") != QUARANTINE_AS)
        columns = ("path", "bytes", "modified_at", "rule")
        self._files = {row[0]: row[1:] for row in present.select(columns).unique().iter_rows()}
        here = present.filter(
            pl.col("exchange").is_in(sorted(exchanges)),
            pl.col("first_date") <= end,
            pl.col("last_date") >= start,
        )
        self._holding = set(here["path"])

    def rules_out(self, file: SourceFile) -> bool:
        """Whether the file is as the ledger knows it and gives nothing here."""
        size, modified_at, rule = self._files.get(file.path, (None, None, None))
        if (file.bytes, file.arrived_at) != (size, modified_at) or rule == READER_FAILED:
            return False
        return file.path not in self._holding

    def accepted(self, file: SourceFile) -> bool:
        """Whether the file was read and not refused."""
        return bool(self._files[file.path][2] == "")


def may_hold(file: SourceFile, exchanges: frozenset[str], start: date, end: date) -> bool:
    """Whether a file may hold something here, as far as its path and its source tell."""
    return (
        bool(file.exchanges & exchanges)
        and (file.first is None or file.first <= end)
        and (file.last is None or file.last >= start)
    )


def settle(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Settle bars that several files of one source give; within a file the source has done so.

    Returns
    -------
    tuple
        Rows to keep, sorted by row key; and what is held back, frame of `QUARANTINE`.
    """
    rows = rows.sort([*RAW_QUOTES.row_key, "file", "line"])
    again = _same_as_above(RAW_QUOTES.key)
    if not rows.select(again.any()).item():
        return rows, QUARANTINE.empty()
    kept, contested = split_duplicates(rows, RAW_QUOTES.row_key, ["file", "line"])
    kept = kept.sort(RAW_QUOTES.row_key)
    # A later file that repeats a bar revises nothing: which of the two came first must not matter.
    repeats = _same_as_above((*RAW_QUOTES.key, *VALUES))
    repeated = kept.filter(repeats).with_columns(
        rule=pl.lit("duplicate_bar"),
        reason=pl.lit("an earlier file gave the same bar with the same values; the first one was kept"),
    )
    held = pl.concat([contested, repeated.select(contested.columns)])
    return kept.filter(~repeats), quarantine("parse", held, list(RAW_QUOTES.columns))


def _same_as_above(columns: Iterable[str]) -> pl.Expr:
    """Whether a row has the same values as the one before it."""
    return pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift(1)) for name in columns) & (
        pl.int_range(pl.len()) > 0
    )
