"""What a backtest gives, as frames.

What does not belong here: metrics (`metrics.py`), pages (`reports/`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from lim_pipelines.backtest.costs import TRADE_PARTS
from lim_pipelines.backtest.daily import Totals
from lim_pipelines.backtest.market import Market
from lim_pipelines.backtest.recorder import OTHER_REASONS, Recorder
from lim_pipelines.schemas import BACKTEST_DAILY

_KEY = {"arm": pl.String, "seed": pl.Int64, "date": pl.Date, "instrument_id": pl.String}
_TRADE = dict.fromkeys(("quantity", "price", "value", *TRADE_PARTS), pl.Float64)


@dataclass(frozen=True)
class Result:
    """What a backtest gives.

    Parameters
    ----------
    daily
        Rows of `BACKTEST_DAILY`: returns and costs are fractions of the equity at the previous close,
        turnover of the equity it is sized with, exposures those held over the session.
    positions
        Columns arm, seed, date, instrument_id, weight: held after that close, zero weights left out.
    pnl
        Columns arm, seed, date, instrument_id, pnl (before costs, fraction of the capital), zeros left out.
    trades
        Columns arm, seed, date, instrument_id, quantity (units), price (of the bar, instrument's currency),
        value, commission, spread, tax, impact (base currency) and reason: why it is less than wanted, or what
        it was besides an order; empty if nothing was cut.
    stale
        Instruments whose bars stop although their listing does not end: they keep their last price.
    """

    daily: pl.DataFrame
    positions: pl.DataFrame
    pnl: pl.DataFrame
    trades: pl.DataFrame
    stale: tuple[str, ...]


def result(
    strategy: str,
    books: pl.DataFrame,
    market: Market,
    totals: Totals,
    recorders: Sequence[Recorder | None],
    capital: float,
) -> Result:
    """Make frames of what a run collected.

    Parameters
    ----------
    strategy
        Its name.
    books
        Columns arm, seed; B rows.
    market
        Sessions and instruments.
    totals
        Money by session and book.
    recorders
        Of each block of books; None where nothing was recorded.
    capital
        What a book started with.
    """
    daily = totals.daily(market.dates, books, capital).with_columns(strategy=pl.lit(strategy))
    kept = [recorder for recorder in recorders if recorder is not None]
    positions = _named([f for r in kept for f in r.positions], books, market, {"weight": pl.Float64})
    pnl = _named([f for r in kept for f in r.profits], books, market, {"pnl": pl.Float64})
    trades = _named([f for r in kept for f in r.trades], books, market, {**_TRADE, "reason": pl.Int64})
    names = pl.Series(OTHER_REASONS, dtype=pl.String)
    return Result(
        daily.select(pl.col(name).cast(dtype) for name, dtype in BACKTEST_DAILY.schema.items()),
        positions,
        pnl.with_columns(pl.col("pnl") / capital),
        trades.with_columns(reason=names.gather(trades["reason"])),
        market.stale,
    )


def _named(
    frames: list[pl.DataFrame], books: pl.DataFrame, market: Market, columns: dict[str, type[pl.DataType]]
) -> pl.DataFrame:
    """Rows of (book, t, column) by their names, in the order of books and time."""
    if not frames:
        return pl.DataFrame(schema={**_KEY, **columns})
    rows = pl.concat(frames).sort("book", "t", "column", maintain_order=True)
    return rows.select(
        books["arm"].gather(rows["book"]).alias("arm"),
        books["seed"].gather(rows["book"]).alias("seed"),
        market.dates.gather(rows["t"]).alias("date"),
        market.terms["instrument_id"].gather(rows["column"]).alias("instrument_id"),
        *columns,
    )
