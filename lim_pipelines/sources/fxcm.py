"""FXCM's minute bars of FX pairs: `landing/fxcm/<pair>-m1-<bid or ask>-<year>.csv[.gz]`.

What does not belong here: mid prices, which alignment makes of bid and ask.

Columns timestamp (with its offset), open, high, low, close; no volume. A file holds one side of the quote, so
a minute is a row of each of two files. Minutes without quotes and weekends are absent.

A bar is stamped with its START: the first stamp after a weekend is 22:00 UTC, the moment at which the week
opens (17:00 in New York), and the last before it 21:59; a bar that ended at 22:00 would lie before the open.
The vendor carries the last price over, so each open is the close before. Quotes may be crossed for a minute
(347 of 30,117 in February 2012): they are what was quoted, and stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl

from lim_pipelines.sources.base import Parsed, RejectedFileError, SourceFile
from lim_pipelines.sources.table_files import listed, read_table
from lim_pipelines.sources.tabular import ListedAs, TableFormat, TimeFormat

NAME = re.compile(r"([a-z]{3})([a-z]{3})-m1-(bid|ask)-\d{4}\.csv(\.gz)?$")
FORMAT = TableFormat(
    time=TimeFormat(columns=("timestamp",), stamp="start", timezone="UTC"),
    columns={"open": "open", "high": "high", "low": "low", "close": "close"},
    exchange="FXCM",
    symbol_from_path=r"([a-z]{6})-m1-",
    freq="1m",
    listed_as=ListedAs(asset_class="fx", currency="USD"),
)


class Fxcm:
    """Minute bars of bids and asks."""

    name = "fxcm"
    exchanges = frozenset({"FXCM"})

    def files(self, landing: Path) -> list[SourceFile]:
        """List the vendor's files."""
        return listed(landing, self.name, self.exchanges)

    def read(self, file: SourceFile, landing: Path) -> Iterator[Parsed]:
        """Parse one side of a pair."""
        found = NAME.search(file.path)
        if found is None:
            raise RejectedFileError(
                file.path,
                "file_name",
                "it says no pair and side",
                "name it <pair>-m1-<bid or ask>-<year>.csv",
            )
        base, quote, side = found.group(1).upper(), found.group(2).upper(), found.group(3)
        for block in read_table(file, landing, FORMAT.model_copy(update={"price_type": side})):
            listings = block.listings.with_columns(
                instrument_id=pl.lit(f"FXCM:{base}{quote}"),
                name=pl.lit(f"{base}/{quote} at FXCM"),
                currency=pl.lit(quote),
            )
            yield replace(block, listings=listings)
