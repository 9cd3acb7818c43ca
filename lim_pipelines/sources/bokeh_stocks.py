"""Five US stocks, daily, 2000-2013, from bokeh-sampledata: prices as traded, with Yahoo's adjusted close.

What does not belong here: instrument ids (`instruments.py`).

The ex factor is the change of the ratio adjusted / unadjusted close from one session to the next. The
level of that ratio depends on every later dividend and split, so it is hindsight; its change on a day
depends only on what went ex that day, and that was public before the open. Only the change is kept, so the
rows are point-in-time.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from lim_pipelines.sources.base import Parsed, SourceFile
from lim_pipelines.sources.daily import daily_rows, number
from lim_pipelines.sources.packages import package_file, read_text_table

PATH = "package://bokeh_sampledata/_data/stocks.csv.gz"
LISTED_ON = {"AAPL": "XNAS", "FB": "XNAS", "GOOG": "XNAS", "IBM": "XNYS", "MSFT": "XNAS"}
EX_FACTOR_DIGITS = 9
"""The adjusted close has 12 digits; a change of the ratio that survives rounding to 9 is a real event."""


class BokehStocks:
    """Daily bars of AAPL, FB, GOOG, IBM and MSFT, 2000-03-01 to 2013-03-01."""

    name = "bokeh_stocks"
    exchanges = frozenset(LISTED_ON.values())

    def files(self, landing: Path) -> list[SourceFile]:
        """List the one packaged file; the landing folder plays no part."""
        return [package_file(self.name, PATH, self.exchanges)]

    def read(self, file: SourceFile, landing: Path) -> Iterator[Parsed]:
        """Parse the file."""
        table = read_text_table(file.path).rename({"Ticker": "symbol"})
        table = table.with_columns(pl.col("symbol").replace_strict(LISTED_ON).alias("exchange"))
        ratio = number("Adj Close") / number("Close")
        change = (ratio.shift(1) / ratio).over("symbol", order_by="Date")
        columns = {name.lower(): number(name) for name in ("Open", "High", "Low", "Close", "Volume")}
        columns["ex_factor"] = change.round(EX_FACTOR_DIGITS).fill_null(1.0)
        yield daily_rows(file, table, columns, date_format="%Y-%m-%d")
