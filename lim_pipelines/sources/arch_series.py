"""S&P 500 and NASDAQ Composite (daily bars, 1999-2018) and WTI crude spot (closes, 1986-2019) from arch.

What does not belong here: arch's macro series (`macro.py`).

WTI is FRED's DCOILWTICO: one price a day, no open, high, low or volume; days without a quote hold a dot
and are rejected as `missing_value`. The price counts as known at the session's close plus the feed's lag, as
those in the market saw it; FRED itself publishes it days later. The indices are price indices, without
dividends, so the ex factor is 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from lim_pipelines.sources.base import Parsed, SourceFile
from lim_pipelines.sources.daily import daily_rows, number
from lim_pipelines.sources.packages import package_file, read_text_table

SERIES = {
    "package://arch/data/nasdaq/nasdaq.csv.gz": ("nasdaq", "XNAS"),
    "package://arch/data/sp500/sp500.csv.gz": ("sp500", "XNYS"),
    "package://arch/data/wti/wti.csv.gz": ("wti", "XNYM"),
}


class ArchSeries:
    """Daily index bars and WTI closes; a file a series."""

    name = "arch_series"
    exchanges = frozenset(mic for _, mic in SERIES.values())

    def files(self, landing: Path) -> list[SourceFile]:
        """List the packaged files; the landing folder plays no part."""
        return [package_file(self.name, path, frozenset({mic})) for path, (_, mic) in SERIES.items()]

    def read(self, file: SourceFile, landing: Path) -> Iterator[Parsed]:
        """Parse one series."""
        symbol, mic = SERIES[file.path]
        table = read_text_table(file.path).with_columns(symbol=pl.lit(symbol), exchange=pl.lit(mic))
        if symbol == "wti":
            columns = {"close": number("DCOILWTICO")}
        else:
            columns = {name.lower(): number(name) for name in ("Open", "High", "Low", "Close", "Volume")}
        yield daily_rows(file, table, columns, date_format="%m/%d/%Y")
