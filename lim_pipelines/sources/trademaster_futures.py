"""TradeMaster's 5-minute bars of Chinese futures: `landing/trademaster_futures/*.csv` or `.parquet`.

What does not belong here: trading hours (`exchanges/`).

Columns datetime (Beijing, the bar's END), open, high, low, close (CNY), volume (lots), hold (open interest
when the bar ends, known with it), symbol (root and delivery month, FU2305). Bars of the night belong to the
next trading day: a bar is filed under the session in whose hours it lies. The vendor gives the last 1,023
bars of each contract, so they begin on different days. The exchange is not stated; it follows from the root.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl

from lim_pipelines.sources.base import Parsed, SourceFile
from lim_pipelines.sources.table_files import listed, read_table
from lim_pipelines.sources.tabular import ListedAs, TableFormat, TimeFormat

# Root to exchange, name, lots of how many units, smallest step of price.
ROOTS: dict[str, tuple[str, str, float, float]] = {
    "AG": ("XSGE", "Silver", 15, 1),
    "AU": ("XSGE", "Gold", 1000, 0.02),
    "BU": ("XSGE", "Bitumen", 10, 1),
    "FU": ("XSGE", "Fuel oil", 10, 1),
    "RB": ("XSGE", "Rebar", 10, 1),
    "SP": ("XSGE", "Wood pulp", 10, 2),
    "WR": ("XSGE", "Wire rod", 10, 1),
    "LU": ("XINE", "Low-sulphur fuel oil", 10, 1),
    "NR": ("XINE", "TSR 20 rubber", 10, 5),
    "SC": ("XINE", "Crude oil", 1000, 0.1),
}
FORMAT = TableFormat(
    time=TimeFormat(columns=("datetime",), stamp="end", timezone="Asia/Shanghai"),
    columns={
        "open": "open",
        "high": "high",
        "low": "low",
        "close": "close",
        "volume": "volume",
        "open_interest": "hold",
        "symbol": "symbol",
        "exchange": "exchange",
    },
    freq="5m",
    listed_as=ListedAs(asset_class="future", currency="CNY"),
)


class TrademasterFutures:
    """5-minute bars of contracts of SHFE and INE."""

    name = "trademaster_futures"
    exchanges = frozenset(mic for mic, *_ in ROOTS.values())

    def files(self, landing: Path) -> list[SourceFile]:
        """List the vendor's files."""
        return listed(landing, self.name, self.exchanges)

    def read(self, file: SourceFile, landing: Path) -> Iterator[Parsed]:
        """Parse one file; rows of a root that `ROOTS` does not have are held back as `unknown_exchange`."""
        for block in read_table(file, landing, FORMAT, prepare=_with_exchange):
            yield replace(block, listings=_contracts(block.listings))


def _root() -> pl.Expr:
    return pl.col("symbol").str.extract(r"^([A-Z]+)\d{4}$")


def _with_exchange(table: pl.DataFrame) -> pl.DataFrame:
    if "symbol" not in table.columns:
        return table
    exchanges = {root: mic for root, (mic, *_) in ROOTS.items()}
    return table.with_columns(exchange=_root().replace_strict(exchanges, default="", return_dtype=pl.String))


def _contracts(listings: pl.DataFrame) -> pl.DataFrame:
    if listings.is_empty():
        return listings
    facts = pl.DataFrame(
        [(root, name, float(size), float(tick)) for root, (_, name, size, tick) in ROOTS.items()],
        schema=["_root", "_name", "_size", "_tick"],
        orient="row",
    )
    month = pl.lit("20") + pl.col("symbol").str.tail(4)
    root = pl.col("exchange") + ":" + pl.col("_root")
    return (
        listings.with_columns(_root=_root())
        .join(facts, on="_root", maintain_order="left")
        .with_columns(
            instrument_id=root + "." + month,
            root=root,
            name=pl.col("_name") + " " + month,
            multiplier="_size",
            tick_size="_tick",
        )
        .select(listings.columns)
    )
