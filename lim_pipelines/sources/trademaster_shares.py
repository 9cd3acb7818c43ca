"""TradeMaster's hourly bars of Shanghai shares: `landing/trademaster_shares/*.csv` or `.parquet`.

What does not belong here: trading hours (`exchanges/`).

Columns ticker, bar_time_cst (Beijing), open, high, low, close (CNY). Five rows a day: 10:30, 11:30, 14:00 and
15:00 are the ENDS of the four hours of trading. The one of 09:30 is no bar but the print of the opening
auction (open, high, low and close are the same): it is held back as `auction_print`, because its hour is the
next row's and because no bar can end when the session opens.

Neither volume (a constant in the source) nor whether prices are adjusted is known; nothing here adjusts them,
so ex_factor is 1. Members are those of a later list (survivorship).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import time
from pathlib import Path

import polars as pl

from lim_pipelines.schemas import QUARANTINE
from lim_pipelines.sources.base import Parsed, SourceFile
from lim_pipelines.sources.quarantine import quarantine
from lim_pipelines.sources.table_files import listed, read_table
from lim_pipelines.sources.tabular import ListedAs, TableFormat, TimeFormat

AUCTION = time(9, 30)
FORMAT = TableFormat(
    time=TimeFormat(columns=("bar_time_cst",), stamp="end", timezone="Asia/Shanghai"),
    columns={"open": "open", "high": "high", "low": "low", "close": "close", "symbol": "ticker"},
    exchange="XSHG",
    freq="1h",
    listed_as=ListedAs(asset_class="equity", currency="CNY", lot_size=100, tick_size=0.01),
)


class TrademasterShares:
    """Hourly bars of Shanghai shares."""

    name = "trademaster_shares"
    exchanges = frozenset({"XSHG"})

    def files(self, landing: Path) -> list[SourceFile]:
        """List the vendor's files."""
        return listed(landing, self.name, self.exchanges)

    def read(self, file: SourceFile, landing: Path) -> Iterator[Parsed]:
        """Parse one file; prints of the auction are held back."""
        at = pl.col("ts").dt.convert_time_zone("Asia/Shanghai").dt.time()
        for block in read_table(file, landing, FORMAT):
            auction = block.rows.filter(at == AUCTION).with_columns(
                rule=pl.lit("auction_print"),
                reason=pl.lit("the print of the opening auction is no bar; nothing to do"),
            )
            held = quarantine("parse", auction, block.rows.columns)
            yield replace(
                block,
                rows=block.rows.filter(at != AUCTION),
                rejected=QUARANTINE.conform(pl.concat([block.rejected, held])),
            )
