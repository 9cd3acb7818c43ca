"""The short table of a backtest: a line an arm.

What does not belong here: the metrics themselves (`metrics.py`), printing.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

SHOWN = ("sharpe", "gross_sharpe", "cagr", "volatility", "max_drawdown", "turnover_per_year", "rank_ic")
"""Metrics of the short table, by their names in `SCORES`."""


def summary(scores: pl.DataFrame, arms: Sequence[str]) -> pl.DataFrame:
    """Summarise rows of `SCORES` of one strategy.

    Parameters
    ----------
    scores
        Rows of one strategy.
    arms
        Its arms, in the order wanted.

    Returns
    -------
    pl.DataFrame
        One row an arm: seeds, the metrics of `SHOWN` as means over seeds, the lowest and highest net Sharpe
        ratio.
    """
    value = pl.col("value")
    means = [value.filter(pl.col("metric") == metric).mean().alias(metric) for metric in SHOWN]
    sharpe = value.filter(pl.col("metric") == "sharpe")
    table = scores.group_by("arm").agg(
        pl.col("seed").n_unique().alias("seeds"),
        *means,
        sharpe.min().alias("sharpe_min"),
        sharpe.max().alias("sharpe_max"),
    )
    order = pl.DataFrame({"arm": list(arms)}).with_row_index("order")
    return table.join(order, on="arm").sort("order").drop("order")
