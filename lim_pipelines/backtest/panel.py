"""Targets and bars of one strategy as matrices, the form that the engine steps through.

What does not belong here: positions, money (`engine.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

from lim_pipelines.finetune.labels import daily_returns

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


class BacktestError(ValueError):
    """Targets and prices do not fit together; the message says what is missing and what to do."""


@dataclass(frozen=True)
class Orders:
    """Orders that become due on one session, one entry an order.

    Parameters
    ----------
    book, instrument
        Row and column of the book and the instrument.
    weight
        Target weight.
    """

    book: Indices
    instrument: Indices
    weight: Floats


@dataclass(frozen=True)
class Panel:
    """Prices and orders of T sessions, n instruments, B books.

    Parameters
    ----------
    dates
        Sessions on which at least one instrument has a close, shape (T,).
    days
        Calendar days since the session before, shape (T,).
    ratio
        Close over the previous close, total return, shape (T, n); 1 where there is no close.
    traded
        Whether there is a close, shape (T, n).
    books
        Columns arm, seed; B rows.
    instruments
        Columns exchange, instrument_id; n rows.
    orders
        Session index to the orders that are due from then on.
    """

    dates: pl.Series
    days: Floats
    ratio: Floats
    traded: npt.NDArray[np.bool_]
    books: pl.DataFrame
    instruments: pl.DataFrame
    orders: dict[int, Orders]


def build_panel(targets: pl.DataFrame, bars: pl.DataFrame, through: date | None) -> Panel:
    """Arrange targets and bars; parameters and errors as in `engine.run`."""
    if not targets.height:
        raise BacktestError(
            "there are no targets; materialize the strategy's targets of at least one cutoff first"
        )
    if targets["strategy"].n_unique() > 1:
        raise BacktestError(f"targets of several strategies: {targets['strategy'].unique().sort().to_list()}")
    instruments = targets.select("exchange", "instrument_id").unique().sort("instrument_id")
    returns = daily_returns(bars.join(instruments, on=["exchange", "instrument_id"], how="semi"))
    missing = sorted(set(instruments["instrument_id"]) - set(returns["instrument_id"]))
    if missing:
        raise BacktestError(f"no daily bars of {missing}; materialize validated_bars of their exchange")
    first = targets["date"].min()
    dates = returns.filter(pl.col("date") > first)["date"].unique().sort()
    if through is not None:
        dates = dates.filter(dates <= through)
    rows = {instrument: i for i, instrument in enumerate(instruments["instrument_id"])}
    books = targets.select("arm", "seed").unique().sort("arm", "seed")
    ratio = np.ones((len(dates), instruments.height))
    traded = np.zeros(ratio.shape, dtype=bool)
    held = returns.filter(pl.col("date").is_in(dates.implode()))
    at = dates.search_sorted(held["date"]).to_numpy()
    column = held["instrument_id"].replace_strict(rows, return_dtype=pl.Int64).to_numpy()
    ratio[at, column] = held["log_return"].fill_null(0.0).exp().to_numpy()
    traded[at, column] = True
    all_days = pl.concat([pl.Series([first], dtype=pl.Date), dates])
    days = all_days.diff().dt.total_days().drop_nulls().to_numpy().astype(np.float64)
    return Panel(dates, days, ratio, traded, books, instruments, _orders(targets, dates, books, rows))


def _orders(
    targets: pl.DataFrame, dates: pl.Series, books: pl.DataFrame, columns: dict[str, int]
) -> dict[int, Orders]:
    """Orders by the first session after their decision; the later of two decisions counts."""
    rows = (
        targets.join(books.with_row_index("book"), on=["arm", "seed"])
        .with_columns(
            session=pl.Series(dates.search_sorted(targets["date"], side="right"), dtype=pl.Int64),
            instrument=pl.col("instrument_id").replace_strict(columns, return_dtype=pl.Int64),
        )
        .sort("date")
        .unique(["session", "book", "instrument"], keep="last", maintain_order=True)
        .filter(pl.col("session") < len(dates))
    )
    return {
        int(session): Orders(
            group["book"].to_numpy().astype(np.int64),
            group["instrument"].to_numpy(),
            group["weight"].to_numpy(),
        )
        for (session,), group in rows.group_by("session", maintain_order=True)
    }
