"""One table over all strategies, and a verdict on each that a committee can read.

What does not belong here: backtests (`backtest/`), storage.

Simulated strategies stand in a section of their own and are judged against simulated trials only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import polars as pl

from lim_pipelines.backtest.metrics import performance, pooled, sharpe_per_day
from lim_pipelines.evaluate.deflated_sharpe import deflated_sharpe
from lim_pipelines.evaluate.intervals import sharpe_interval
from lim_pipelines.finetune.labels import SESSIONS_PER_YEAR
from lim_pipelines.finetune.spec import ModelSpec

CONFIDENT = 0.95
SHORTEST_RECORD = 60
"""Sessions below which nothing is said about skill."""

SECTIONS = ("real data", "SIMULATED data")


@dataclass(frozen=True)
class Judgement:
    """What is to be said of one strategy.

    Parameters
    ----------
    strategy, simulated
        Name, and whether its market is simulated.
    arm, seeds
        The method and the number of its seeds; figures are of the fund that splits its capital over them.
    days
        Sessions of the out-of-sample record.
    net_sharpe, gross_sharpe, low, high
        Annualised Sharpe ratio after and before costs; bootstrap interval of the former.
    cagr, max_drawdown, turnover_per_year
        After costs.
    best_control, best_control_sharpe
        Control with the highest net Sharpe ratio, and that ratio; empty and NaN without controls.
    trials
        Trials in the ledger of the same world, real or simulated.
    deflated
        Probability that the record is better than the best of as many trials without skill; NaN if undefined.
    verdict
        All of it in plain words.
    """

    strategy: str
    simulated: bool
    arm: str
    seeds: int
    days: int
    net_sharpe: float
    gross_sharpe: float
    low: float
    high: float
    cagr: float
    max_drawdown: float
    turnover_per_year: float
    best_control: str
    best_control_sharpe: float
    trials: int
    deflated: float
    verdict: str


def judge(spec: ModelSpec, daily: pl.DataFrame, trials: pl.DataFrame) -> Judgement:
    """Judge one strategy.

    Parameters
    ----------
    spec
        The strategy.
    daily
        Rows of `BACKTEST_DAILY` of the strategy.
    trials
        Rows of `TRIALS` of all strategies of the same world, real or simulated, this one's among them.
    """
    record = pooled(daily, spec.method)
    net = record["net_return"].to_numpy()
    figures = performance(record)
    controls = {str(arm): _sharpe(daily, arm) for arm in spec.controls}
    known = {arm: value for arm, value in controls.items() if not math.isnan(value)}
    best = max(known, key=known.__getitem__) if known else ""
    sharpe = figures["sharpe"]
    low, high = sharpe_interval(net)
    deflated = math.nan if math.isnan(sharpe) else deflated_sharpe(net, trials["sharpe_per_day"].to_numpy())
    return Judgement(
        strategy=spec.name,
        simulated=spec.simulated,
        arm=spec.method,
        seeds=len(spec.arm_seeds(spec.method)),
        days=len(net),
        net_sharpe=sharpe,
        gross_sharpe=figures["gross_sharpe"],
        low=low,
        high=high,
        cagr=figures["cagr"],
        max_drawdown=figures["max_drawdown"],
        turnover_per_year=figures["turnover_per_year"],
        best_control=best,
        best_control_sharpe=known.get(best, math.nan),
        trials=trials.height,
        deflated=deflated,
        verdict=_verdict(spec, len(net), sharpe, deflated, trials.height, best, known.get(best, math.nan)),
    )


def _sharpe(daily: pl.DataFrame, arm: str) -> float:
    return sharpe_per_day(pooled(daily, arm)["net_return"].to_numpy()) * math.sqrt(SESSIONS_PER_YEAR)


def _verdict(
    spec: ModelSpec, days: int, sharpe: float, deflated: float, trials: int, best: str, control: float
) -> str:
    after = f"after {trials} trial{'s' if trials != 1 else ''}"
    if days < SHORTEST_RECORD:
        words = f"Too short to judge: {days} sessions"
    elif math.isnan(sharpe):
        words = "Never traded"
    elif sharpe <= 0:
        words = f"Loses money after costs (Sharpe {sharpe:.2f})"
    elif deflated >= CONFIDENT:
        words = f"Better than luck {after}, with probability {deflated:.0%} (Sharpe {sharpe:.2f})"
    else:
        words = f"Not distinguishable from luck {after} (Sharpe {sharpe:.2f}, deflated {deflated:.0%})"
    if best and not math.isnan(sharpe):
        words += f"; {'no better than' if control >= sharpe else 'ahead of'} {best} ({control:.2f})"
    return f"SIMULATED market, no real result. {words}." if spec.simulated else f"{words}."


def leaderboard(judgements: list[Judgement]) -> pl.DataFrame:
    """All judgements as one table.

    Returns
    -------
    pl.DataFrame
        One row a strategy: section (real before SIMULATED), then the fields of `Judgement`; within a
        section by deflated Sharpe ratio, highest first.
    """
    rows = [{"section": SECTIONS[one.simulated], **one.__dict__} for one in judgements]
    if not rows:
        return pl.DataFrame(schema={"section": pl.String, "strategy": pl.String, "verdict": pl.String})
    frame = pl.DataFrame(rows, infer_schema_length=None).with_columns(pl.col(pl.Float64).fill_nan(None))
    return frame.sort("simulated", "deflated", "strategy", descending=[False, True, False], nulls_last=True)
