"""Bars of n instruments as matrices over sessions.

What does not belong here: what prices amount to for who holds them (`market.py`), orders (`orders.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

from lim_pipelines.backtest.errors import BacktestError

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


READ = (
    *("exchange", "instrument_id", "date", "ts", "price_type", "asset_class", "contract", "ex_factor"),
    *("open", "close", "vwap", "volume", "turnover"),
)
"""Columns of bars that a backtest reads; `contract` where there is one."""


@dataclass(frozen=True)
class Grid:
    """Daily bars by session and instrument.

    Parameters
    ----------
    dates
        Sessions: days on which at least one instrument has a close, from the first one of the bars; (T0,).
    start
        Index of the first session after the first decision: the book begins there.
    instruments
        Columns exchange, instrument_id; n rows.
    bars
        The bars, with columns row (of `dates`) and column (of `instruments`), in any order. Bars between
        sessions (without a price) count for the session that follows.
    """

    dates: pl.Series
    start: int
    instruments: pl.DataFrame
    bars: pl.DataFrame

    def in_time(self) -> pl.DataFrame:
        """Return the bars by instrument and date."""
        return self.bars.sort("column", "date")

    def scatter(self, value: pl.Expr, empty: float = np.nan) -> Floats:
        """Lay a value of the bars out, shape (T0, n); nulls and missing bars are `empty`."""
        out = np.full((len(self.dates), self.instruments.height), empty)
        rows = self.bars.select("row", "column", value=value.cast(pl.Float64)).drop_nulls()
        out[rows["row"].to_numpy(), rows["column"].to_numpy()] = rows["value"].to_numpy()
        return out


def build_grid(targets: pl.DataFrame, bars: pl.DataFrame, through: date | None) -> Grid:
    """Arrange the bars of the instruments that targets name; parameters and errors as in `engine.run`."""
    if not targets.height:
        raise BacktestError(
            "there are no targets; materialize the strategy's targets of at least one cutoff first"
        )
    if targets["strategy"].n_unique() > 1:
        raise BacktestError(f"targets of several strategies: {targets['strategy'].unique().sort().to_list()}")
    instruments = targets.select("exchange", "instrument_id").unique().sort("instrument_id")
    columns = instruments.with_columns(column=pl.int_range(pl.len(), dtype=pl.Int64))
    daily = pl.col("freq") == "1d"
    if through is not None:
        daily &= pl.col("date") <= through
    read = [name for name in READ if name in bars.columns]
    own = (
        bars.lazy()
        .filter(daily)
        .select(read)
        .join(columns.lazy(), on=["exchange", "instrument_id"])
        .collect()
    )
    priced = own.filter(pl.col("close") > 0)
    absent = columns.join(priced.select("column").unique(), on="column", how="anti")[
        "instrument_id"
    ].to_list()
    if absent:
        raise BacktestError(f"no daily bars of {absent}; materialize validated_bars of their exchange")
    dates = priced["date"].unique().sort()
    start = int((dates <= targets["date"].min()).sum())
    row = dates.search_sorted(own["date"], side="left").cast(pl.Int64)
    placed = own.with_columns(row=row).filter(pl.col("row") < len(dates))
    return Grid(dates, start, instruments, placed)
