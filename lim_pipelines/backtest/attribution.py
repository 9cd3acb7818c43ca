"""Who earned it: profits and exposures by instrument, by exchange, by side.

Profits are before costs, fractions of the capital that the book started with, means over an arm's seeds: they
add up over instruments, exchanges, sides and sessions alike.

What does not belong here: costs (`metrics.py`), periods (`periods.py`).
"""

from __future__ import annotations

import math

import polars as pl

from lim_pipelines.backtest.metrics import DUST, sharpe_per_day
from lim_pipelines.backtest.result import Result
from lim_pipelines.finetune.labels import SESSIONS_PER_YEAR

SIDES = {1: "long", -1: "short", 0: "not held overnight"}


def holdings(result: Result, arm: str, bars: pl.DataFrame) -> pl.DataFrame:
    """Lay out what an arm held and earned.

    Parameters
    ----------
    result
        Of the backtest, recorded.
    arm
        The arm.
    bars
        Bars of its instruments, which say where each is traded.

    Returns
    -------
    pl.DataFrame
        One row an instrument, session and side: exchange, instrument_id, date, side (of what was held
        overnight into the session), pnl, weight (held overnight, fraction of equity, negative for short).
    """
    seeds = result.daily.filter(pl.col("arm") == arm)["seed"].n_unique()
    dates = result.daily["date"].unique().sort()
    after = pl.DataFrame({"date": dates, "next": dates.shift(-1)})
    key = ["seed", "date", "instrument_id"]
    # Names as numbers: joins and sorts of millions of rows take a third of the time.
    where = bars.select("instrument_id", "exchange").unique("instrument_id").sort("instrument_id")
    names = pl.col("instrument_id").cast(pl.Enum(where["instrument_id"]))
    # What is held after a close is what the next session begins with.
    overnight = (
        result.positions.filter((pl.col("arm") == arm) & (pl.col("weight").abs() > DUST))
        .join(after, on="date")
        .select("seed", names, "weight", date="next")
        .drop_nulls("date")
    )
    earned = result.pnl.filter(pl.col("arm") == arm).select("seed", "date", names, "pnl")
    return (
        earned.join(overnight, on=key, how="full", coalesce=True)
        .with_columns(pl.col("pnl", "weight").fill_null(0.0))
        .with_columns(
            side=pl.col("weight").sign().cast(pl.Int64).replace_strict(SIDES, return_dtype=pl.String)
        )
        .group_by("date", "instrument_id", "side")
        .agg(pl.col("pnl", "weight").sum() / seeds)
        .join(where.with_columns(names), on="instrument_id", how="left")
        .sort("date", "instrument_id", "side")
    )


def contributions(held: pl.DataFrame, by: str, sessions: int) -> pl.DataFrame:
    """Sum up profits and exposures.

    Parameters
    ----------
    held
        As from `holdings`.
    by
        Its column to group by: instrument_id, exchange or side.
    sessions
        Sessions of the record.

    Returns
    -------
    pl.DataFrame
        One row a group, the largest profit first: the column `by`, pnl, sharpe (annualised, of its daily
        profits before costs), average_gross, average_net (fractions of equity, over all sessions),
        instruments.
    """
    days = held.group_by(by, "date").agg(pl.col("pnl").sum()).sort(by, "date")
    whole = pl.Series([0.0]).new_from_index(0, sessions)
    ratios = {
        name: sharpe_per_day(part["pnl"].extend(whole[part.height :]).to_numpy())
        for (name,), part in days.group_by([by])
    }
    return (
        held.group_by(by)
        .agg(
            pl.col("pnl").sum(),
            sharpe=pl.lit(math.nan),
            average_gross=pl.col("weight").abs().sum() / sessions,
            average_net=pl.col("weight").sum() / sessions,
            instruments=pl.col("instrument_id").n_unique().cast(pl.Int64),
        )
        .with_columns(
            sharpe=pl.col(by).replace_strict(ratios, return_dtype=pl.Float64) * math.sqrt(SESSIONS_PER_YEAR)
        )
        .sort("pnl", by, descending=[True, False])
    )
