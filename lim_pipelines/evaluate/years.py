"""A record year by year: what each calendar year of each arm amounts to, and in how many of them it won.

What does not belong here: what a record is as a whole (`backtest/metrics.py`), verdicts on it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import polars as pl

from lim_pipelines.backtest.metrics import correlations, performance, pooled, skill
from lim_pipelines.evaluate.intervals import sharpe_interval
from lim_pipelines.evaluate.verdict import SHORTEST_RECORD
from lim_pipelines.finetune.spec import Task

ALL = "all"
"""The period that is the whole record."""

FIGURES = ("sharpe", "cagr", "max_drawdown", "hit_rate", "turnover_per_year", "days")
"""Of `performance`, those that are kept of each year."""


def records(daily: pl.DataFrame, arm: str) -> dict[str, dict[str, float]]:
    """Figures of an arm's record, seeds pooled: of each calendar year and of all of it.

    Parameters
    ----------
    daily
        Rows of `BACKTEST_DAILY` of one strategy.
    arm
        The arm.

    Returns
    -------
    dict
        By period: sharpe (net) with sharpe_low and sharpe_high, cagr, max_drawdown, hit_rate,
        turnover_per_year, days; of less than `SHORTEST_RECORD` sessions days only.
    """
    record = pooled(daily, arm)
    parts = {
        str(year): part for (year,), part in record.group_by(pl.col("date").dt.year(), maintain_order=True)
    }
    out = {}
    for period, part in {**parts, ALL: record}.items():
        if part.height < SHORTEST_RECORD:
            out[period] = {"days": float(part.height)}
            continue
        figures = performance(part)
        low, high = sharpe_interval(part["net_return"].to_numpy())
        out[period] = {name: figures[name] for name in FIGURES}
        out[period] |= {"sharpe_low": low, "sharpe_high": high}
    return out


def yearly_rank_ic(task: Task, came: pl.DataFrame) -> dict[tuple[str, str], float]:
    """Rank IC by arm and year as `SCORES` has it of the whole record: mean over seeds.

    Parameters
    ----------
    task
        As for `metrics.correlations`.
    came
        As from `metrics.realised`.
    """
    out = {}
    for (year,), part in came.group_by(pl.col("date").dt.year(), maintain_order=True):
        found = correlations(task, part)
        for (arm,), own in found.group_by(["arm"], maintain_order=True):
            seeds = [skill(task, book)["rank_ic"] for _, book in own.group_by("seed")]
            out[str(arm), str(year)] = sum(seeds) / len(seeds)
    return out


def years_won(
    own: Mapping[str, Mapping[str, float]], control: Mapping[str, Mapping[str, float]]
) -> dict[str, float]:
    """Share of the years with a net Sharpe ratio above zero, and above that of the best control.

    Parameters
    ----------
    own, control
        As from `records`, of the method and of the control; the control's may be empty.

    Returns
    -------
    dict
        years (those of `SHORTEST_RECORD` sessions at least), share_of_years_above_zero,
        share_of_years_above_control. A year in which it never traded is not above anything.
    """
    years = [year for year, values in own.items() if year != ALL and "sharpe" in values]
    found = {"years": float(len(years))}
    if years:
        found["share_of_years_above_zero"] = sum(own[y]["sharpe"] > 0 for y in years) / len(years)
    if years and control:
        # A control that never traded has no Sharpe ratio; it earned nothing.
        beaten = [own[y]["sharpe"] > _or_zero(control.get(y, {}).get("sharpe")) for y in years]
        found["share_of_years_above_control"] = sum(beaten) / len(years)
    return found


def _or_zero(value: float | None) -> float:
    return 0.0 if value is None or math.isnan(value) else value
