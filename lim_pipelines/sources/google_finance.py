"""Daily US shares of Google Finance, as collected for Relational Stock Ranking (RSR) in December 2017.

`landing/google_finance/`: zips of the vendor's csv files (`NASDAQ_AAPL_30Y.csv`: a column without a name with
the moment of the close, Open, High, Low, Close, Volume), such files alone, and `ohlcv_daily.parquet`, the
collection's one table (exchange, ticker, date, close_time_local, open ... volume).

What does not belong here: the collection's relations and industries (issue of graphs).

Prices are split-adjusted to December 2017 and not dividend-adjusted: LEVELS ARE NOT POINT IN TIME, a price of
2008 knows the splits up to 2017. Returns are, but for dividends, which are missing (ex_factor is 1). A series
in shares of 2017 must never be joined to one in shares of the day, so the instruments are their own:
`XNAS:AAPL@2017`. Tickers were picked with hindsight (traded on 98 % of days of 2013-2017, never below 5 USD).

The vendor writes 0 for what it does not have: open, high and low (8,694 rows), the close of CVCY on
2010-11-08, and volumes (11,021 rows, in 4,339 of which the price moved, so they are no days without trade).
All become missing; a row without a close is held back as `missing_close`. Where high and low contradict open
or close, the row goes on as it is and validation holds it back (`ohlc_order`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import polars as pl

from lim_pipelines.sources.base import Parsed, RejectedFileError, SourceFile
from lim_pipelines.sources.landed import entries
from lim_pipelines.sources.table_files import listed, read_table
from lim_pipelines.sources.tabular import ListedAs, Origin, TableFormat, TimeFormat, parse

MICS = {"NASDAQ": "XNAS", "NYSE": "XNYS"}
SHARES_OF = 2017
"""Year in whose shares prices are counted."""
NAME = re.compile(r"^(NASDAQ|NYSE)_(.+)_30Y\.csv$")
CSV = TableFormat(
    time=TimeFormat(columns=("",)),
    columns={"open": "Open", "high": "High", "low": "Low", "close": "Close", "volume": "Volume"},
    symbol_from_path=r"(?:NASDAQ|NYSE)_([^/]+)_30Y\.csv$",
    freq="1d",
    zero_is_missing=("open", "high", "low", "close", "volume"),
    listed_as=ListedAs(asset_class="equity", currency="USD"),
)
COLLECTION = TableFormat(
    time=TimeFormat(columns=("date",)),
    columns={
        **{"open": "open", "high": "high", "low": "low", "close": "close", "volume": "volume"},
        **{"symbol": "ticker", "exchange": "exchange"},
    },
    values={"exchange": MICS},
    freq="1d",
    zero_is_missing=CSV.zero_is_missing,
    listed_as=CSV.listed_as,
)


class GoogleFinance:
    """Daily bars in shares of 2017."""

    name = "google_finance"
    exchanges = frozenset(MICS.values())

    def files(self, landing: Path) -> list[SourceFile]:
        """List the vendor's files."""
        return listed(landing, self.name, self.exchanges)

    def read(self, file: SourceFile, landing: Path) -> Iterator[Parsed]:
        """Parse a zip, a csv, or the collection's table."""
        for block in self._blocks(file, landing):
            name = pl.col("symbol") + f", split-adjusted to December {SHARES_OF}"
            identity = pl.col("instrument_id") + f"@{SHARES_OF}"
            yield replace(block, listings=block.listings.with_columns(name=name, instrument_id=identity))

    def _blocks(self, file: SourceFile, landing: Path) -> Iterator[Parsed]:
        name = PurePosixPath(file.path).name
        if name.endswith(".parquet"):
            yield from read_table(file, landing, COLLECTION)
        elif name.endswith(".zip"):
            for member, stream in entries(landing, file.path):
                mic = _exchange(file, PurePosixPath(member).name)
                origin = Origin(file.path, mic, file.arrived_at, file.history, self.name, member)
                yield from parse(stream, CSV, origin)
        else:
            yield from read_table(file, landing, CSV, exchange=_exchange(file, name))


def _exchange(file: SourceFile, name: str) -> str:
    found = NAME.match(name)
    if found is None:
        raise RejectedFileError(
            file.path,
            "file_name",
            f"{name} says no exchange and ticker",
            "name it <NASDAQ or NYSE>_<ticker>_30Y.csv",
        )
    return MICS[found.group(1)]
