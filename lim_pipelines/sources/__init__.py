"""Sources of quotes: a file each, listed here, read through `collect`.

What does not belong here: instrument ids and session membership (`align/`), whether values make sense
(`validate/`). To add a source, copy `template.py` and name it in `QUOTE_SOURCES`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from lim_pipelines.schemas import LISTINGS, QUARANTINE, RAW_QUOTES
from lim_pipelines.sources.arch_series import ArchSeries
from lim_pipelines.sources.base import Parsed, QuoteSource, RejectedFileError, SourceFile
from lim_pipelines.sources.bokeh_stocks import BokehStocks
from lim_pipelines.sources.csv_drop import CsvDrop
from lim_pipelines.sources.duplicates import split_duplicates
from lim_pipelines.sources.hv_apple import HvApple
from lim_pipelines.sources.quarantine import quarantine
from lim_pipelines.sources.xsim import XSim

QUOTE_SOURCES: tuple[QuoteSource, ...] = (BokehStocks(), ArchSeries(), HvApple(), XSim(), CsvDrop())
"""All sources, in the order in which they are read."""


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
    """

    rows: pl.DataFrame
    rejected: pl.DataFrame
    listings: pl.DataFrame
    files: list[SourceFile]
    refused: list[RejectedFileError]


def collect(exchanges: Iterable[str], start: date, end: date, landing: Path) -> Collected:
    """Read everything the sources hold for some exchanges and session dates, each file once.

    Parameters
    ----------
    exchanges
        Market identifiers.
    start, end
        Session dates, both included.
    landing
        The landing folder; it need not exist.

    Returns
    -------
    Collected
        A bar that several files of one source give is settled as `split_duplicates` says.
    """
    wanted = frozenset(exchanges)
    here = pl.col("exchange").is_in(list(wanted)) & pl.col("date").is_between(start, end)
    rows, rejected, listings = [RAW_QUOTES.empty()], [QUARANTINE.empty()], [LISTINGS.empty()]
    files: list[SourceFile] = []
    refused: list[RejectedFileError] = []
    for source in QUOTE_SOURCES:
        if not source.exchanges & wanted:
            continue
        given = []
        for file in source.files(landing):
            if not _may_hold(file, wanted, start, end):
                continue
            files.append(file)
            try:
                blocks = [
                    Parsed(block.rows.filter(here), block.rejected.filter(here), block.listings)
                    for block in source.read(file, landing)
                ]
            except RejectedFileError as error:
                refused.append(error)
                continue
            given += [block.rows for block in blocks if block.rows.height]
            rejected += [block.rejected for block in blocks]
            listings += [block.listings for block in blocks]
        settled = _settle(given)
        rows.append(settled.rows)
        rejected.append(settled.rejected)
    return Collected(
        rows=pl.concat(rows).sort(RAW_QUOTES.row_key),
        rejected=pl.concat(rejected).sort(QUARANTINE.row_key),
        listings=pl.concat(listings).filter(pl.col("exchange").is_in(list(wanted))),
        files=files,
        refused=refused,
    )


def _may_hold(file: SourceFile, exchanges: frozenset[str], start: date, end: date) -> bool:
    return (
        bool(file.exchanges & exchanges)
        and (file.first is None or file.first <= end)
        and (file.last is None or file.last >= start)
    )


def _settle(frames: list[pl.DataFrame]) -> Parsed:
    """Settle bars that several files of one source give; within a file the source has done so."""
    if len(frames) < 2:
        return Parsed(frames[0] if frames else RAW_QUOTES.empty(), QUARANTINE.empty())
    kept, held = split_duplicates(pl.concat(frames), RAW_QUOTES.row_key, ["file", "line"])
    return Parsed(kept, quarantine("parse", held, list(RAW_QUOTES.columns)))


__all__ = [
    "QUOTE_SOURCES",
    "Collected",
    "Parsed",
    "QuoteSource",
    "RejectedFileError",
    "SourceFile",
    "collect",
]
