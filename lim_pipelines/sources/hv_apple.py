"""AAPL, daily, 2019-2024, from hvsampledata.

What does not belong here: instrument ids (`instruments.py`).

The prices before 2020-08-31 are already divided by 4 for that day's split: returns are right, levels are not
those that were traded, and there is no split factor. Dividends come from the adjusted close, which has two
decimals only: a change of its ratio to the close counts as an event only beyond what rounding can make.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from lim_pipelines.sources.base import Parsed, SourceFile
from lim_pipelines.sources.daily import daily_rows, number
from lim_pipelines.sources.packages import package_file, read_text_table

PATH = "package://hvsampledata/_data/apple_stocks.csv"
HALF_CENT = 0.005


class HvApple:
    """Daily bars of AAPL, 2019-01-02 to 2024-12-30."""

    name = "hv_apple"
    exchanges = frozenset({"XNAS"})

    def files(self, landing: Path) -> list[SourceFile]:
        """List the one packaged file; the landing folder plays no part."""
        return [package_file(self.name, PATH, self.exchanges)]

    def read(self, file: SourceFile, landing: Path) -> Iterator[Parsed]:
        """Parse the file."""
        table = read_text_table(file.path).rename({"date": "Date"}).sort("Date")
        table = table.with_columns(symbol=pl.lit("AAPL"), exchange=pl.lit("XNAS"))
        ratio = number("adj_close") / number("close")
        noise = HALF_CENT / number("adj_close") + HALF_CENT / number("close")
        change = ratio.shift(1) / ratio
        event = (change - 1).abs() > noise + noise.shift(1)
        columns = {name: number(name) for name in ("open", "high", "low", "close", "volume")}
        columns["ex_factor"] = pl.when(event).then(change).otherwise(1.0)
        yield daily_rows(file, table, columns, date_format="%Y-%m-%d")
