"""Which session fills a decision, and at which price, as far as the bars reach.

What does not belong here: what is filled of an order, and what it costs (`backtest/`, which finds the same
sessions for all orders at once).
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.strategies.execution import Execution


def fills(decided: pl.DataFrame, bars: pl.DataFrame, execution: Execution) -> pl.DataFrame:
    """Find the fill of each decision.

    An order is due `execution.delay` sessions after the decision, of those on which anything has a close, and
    waits until its instrument can be traded.

    Parameters
    ----------
    decided
        Columns instrument_id and date (the decision's session), n rows; others are kept.
    bars
        Bars of all instruments that are decided on together, one revision a bar; only freq 1d is used.
    execution
        Delay, price, and what counts as a halt.

    Returns
    -------
    pl.DataFrame
        n rows, in the order given, with columns filled (session), price (that fills), close and ts (of that
        session); null where the bars end before.
    """
    # What came before fills nothing, and is most of what a book is shown at each rebalance.
    later = pl.col("date") > pl.lit(decided["date"].min(), pl.Date)
    daily = bars.filter(later & (pl.col("freq") == "1d") & (pl.col("close") > 0))
    dates = daily["date"].unique().sort()
    due = dates.search_sorted(decided["date"], side="right").cast(pl.Int64) + (execution.delay - 1)
    orders = decided.with_row_index("order").with_columns(
        due=dates.extend_constant(None, 1).gather(due.clip(upper_bound=len(dates)))
    )
    tradable = daily.filter(_tradable(execution)).select(
        "instrument_id", "close", "ts", filled="date", price=execution.fill
    )
    found = (
        orders.drop_nulls("due")
        .sort("due")
        .join_asof(
            tradable.sort("filled"),
            left_on="due",
            right_on="filled",
            by="instrument_id",
            strategy="forward",
            check_sortedness=False,
        )
        .select("order", "filled", "price", "close", "ts")
    )
    return orders.join(found, on="order", how="left", maintain_order="left").drop("order", "due")


def _tradable(execution: Execution) -> pl.Expr:
    priced = pl.col(execution.fill) > 0
    if execution.exchange_rules:
        halted = (pl.col("volume") == 0) & (pl.col("price_type") == "trade")
        priced &= ~halted.fill_null(False)
    if execution.participation is not None:
        priced &= pl.col("volume").is_not_null()
    return priced
