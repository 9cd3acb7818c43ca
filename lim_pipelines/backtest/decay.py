"""How long a forecast is worth something: rank IC over horizons.

What does not belong here: the rank IC at the strategy's own horizon (`metrics.py`).
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.finetune.labels import daily_returns
from lim_pipelines.finetune.spec import RELATIVE_TASKS, Task

HORIZONS = tuple(range(1, 21))

MOST_DECISIONS = 250
"""Decisions looked at, evenly spaced: a year's worth says what ten years' say, and is there at once."""

COLUMNS = {"horizon": pl.Int64, "ic": pl.Float64, "rank_ic": pl.Float64}


def ic_decay(task: Task, arm: str, targets: pl.DataFrame, bars: pl.DataFrame) -> pl.DataFrame:
    """Compare one arm's forecasts with what came of them after 1, 2, ... 20 sessions.

    Parameters
    ----------
    task
        Says what is correlated, as for `metrics.correlations`.
    arm
        The arm; forecasts are the mean over its seeds.
    targets, bars
        Rows of `TARGETS`, and bars as far as they reach.

    Returns
    -------
    pl.DataFrame
        Columns horizon (sessions h: returns from the close of d+1 to that of d+1+h, as labels are), ic,
        rank_ic (means over decisions, or over instruments); no rows without forecasts.
    """
    own = targets.filter(pl.col("arm") == arm).drop_nulls("forecast")
    days = own["date"].unique().sort()
    days = days.gather_every(max(1, -(-len(days) // MOST_DECISIONS)))
    forecasts = (
        own.filter(pl.col("date").is_in(days.implode()))
        .group_by("instrument_id", "date")
        .agg(pl.col("forecast").mean())
    )
    here = bars.filter(pl.col("instrument_id").is_in(forecasts["instrument_id"].unique().implode()))
    returns = daily_returns(here).with_row_index("row")
    returns = returns.select(
        "instrument_id",
        "date",
        grown=pl.col("log_return").fill_null(0.0).cum_sum(),
        row=pl.col("row").cast(pl.Int64),
        last=pl.col("row").max().over("instrument_id").cast(pl.Int64),
    )
    grown = returns["grown"].to_numpy()
    judged = forecasts.join(returns.drop("grown"), on=["instrument_id", "date"]).sort("row")
    filled, last = judged["row"].to_numpy() + 1, judged["last"].to_numpy()
    unit = "date" if task in RELATIVE_TASKS else "instrument_id"
    rows = []
    for h in HORIZONS:
        known = filled + h <= last
        came = grown[filled[known] + h] - grown[filled[known]]
        found = (
            judged.filter(pl.Series(known))
            .with_columns(came=pl.Series(came))
            .group_by(unit, maintain_order=True)
            .agg(ic=pl.corr("forecast", "came"), rank_ic=pl.corr("forecast", "came", method="spearman"))
            .drop_nans()
            .drop_nulls()
        )
        if found.height:
            rows.append((h, found["ic"].mean(), found["rank_ic"].mean()))
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")
