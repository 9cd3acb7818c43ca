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
    # What is held after a close is what the next session begins with.
    overnight = (
        result.positions.filter((pl.col("arm") == arm) & (pl.col("weight").abs() > DUST))
        .join(after, on="date")
        .select("seed", "instrument_id", "weight", date="next")
        .drop_nulls("date")
    )
    earned = result.pnl.filter(pl.col("arm") == arm).select(*key, "pnl")
    where = bars.select("instrument_id", "exchange").unique("instrument_id")
    return (
        earned.join(overnight, on=key, how="full", coalesce=True)
        .with_columns(pl.col("pnl", "weight").fill_null(0.0))
        .with_columns(
            side=pl.col("weight").sign().cast(pl.Int64).replace_strict(SIDES, return_dtype=pl.String)
        )
        .group_by("date", "instrument_id", "side")
        .agg(pl.col("pnl", "weight").sum() / seeds)
        .join(where, on="instrument_id", how="left")
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
    rows = []
    for (name,), part in held.group_by([by], maintain_order=True):
        days = part.group_by("date").agg(pl.col("pnl").sum()).sort("date")["pnl"].to_numpy()
        padded = pl.Series(days).extend_constant(0.0, max(0, sessions - len(days))).to_numpy()
        rows.append(
            {
                by: name,
                "pnl": float(days.sum()),
                "sharpe": sharpe_per_day(padded) * math.sqrt(SESSIONS_PER_YEAR),
                "average_gross": float(part["weight"].abs().sum()) / sessions,
                "average_net": float(part["weight"].sum()) / sessions,
                "instruments": part["instrument_id"].n_unique(),
            }
        )
    figures = ("pnl", "sharpe", "average_gross", "average_net")
    schema = {by: pl.String(), **dict.fromkeys(figures, pl.Float64()), "instruments": pl.Int64()}
    return pl.DataFrame(rows, schema=schema).sort("pnl", by, descending=[True, False])
