"""One table over all strategies, and a verdict on each that a committee can read.

What does not belong here: backtests (`backtest/`), statistics (`luck.py`), words (`verdict.py`), storage.

Simulated strategies stand in a section of their own and are judged against simulated trials only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from lim_pipelines.backtest.metrics import performance, pooled, sharpe_per_day
from lim_pipelines.evaluate.intervals import sharpe_interval
from lim_pipelines.evaluate.ledger import Ledger
from lim_pipelines.evaluate.luck import Luck, luck
from lim_pipelines.evaluate.verdict import Control, verdict
from lim_pipelines.finetune.labels import SESSIONS_PER_YEAR
from lim_pipelines.finetune.spec import ModelSpec

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
    luck
        How much of it may be luck, against the trials of the same world, real or simulated.
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
    luck: Luck
    verdict: str


def judge(spec: ModelSpec, daily: pl.DataFrame, ledger: Ledger) -> Judgement:
    """Judge one strategy.

    Parameters
    ----------
    spec
        The strategy.
    daily
        Rows of `BACKTEST_DAILY` of the strategy.
    ledger
        Trials of all strategies of the same world, real or simulated, this one's among them.
    """
    record = pooled(daily, spec.method)
    net = record["net_return"].to_numpy()
    figures = performance(record)
    sharpe = figures["sharpe"]
    low, high = sharpe_interval(net)
    best = _best(daily, spec.controls)
    beside = pooled(daily, best.arm) if best is not None else None
    found = luck(record, spec.name, beside, ledger)
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
        best_control=best.arm if best is not None else "",
        best_control_sharpe=best.sharpe if best is not None else math.nan,
        luck=found,
        verdict=verdict(len(net), sharpe, best, found, spec.simulated),
    )


def _best(daily: pl.DataFrame, controls: Sequence[str]) -> Control | None:
    """Return the control with the highest net Sharpe ratio; None if none has one."""
    year = math.sqrt(SESSIONS_PER_YEAR)
    found = [
        Control(arm, sharpe_per_day(pooled(daily, arm)["net_return"].to_numpy()) * year) for arm in controls
    ]
    return max((one for one in found if not math.isnan(one.sharpe)), key=lambda one: one.sharpe, default=None)


def leaderboard(judgements: list[Judgement]) -> pl.DataFrame:
    """All judgements as one table.

    Returns
    -------
    pl.DataFrame
        One row a strategy: section (real before SIMULATED), then the fields of `Judgement`, for luck those of
        `Luck`, and pbo for what it has of overfitting; within a section by deflated Sharpe ratio, highest
        first. Undefined figures are null.
    """
    if not judgements:
        return pl.DataFrame(schema={"section": pl.String, "strategy": pl.String, "verdict": pl.String})
    # Of records that are too short nobody knows it: a type does not hang on values.
    known = {"may_be_best": pl.Boolean}
    rows = [_row(one) for one in judgements]
    frame = pl.DataFrame(rows, schema_overrides=known, infer_schema_length=None)
    frame = frame.with_columns(pl.col(pl.Float64).fill_nan(None))
    return frame.sort("simulated", "deflated", "strategy", descending=[False, True, False], nulls_last=True)


def _row(one: Judgement) -> dict[str, Any]:
    own, of = dict(vars(one)), dict(vars(one.luck))
    words = own.pop("verdict")
    del own["luck"]
    choosing = of.pop("overfitting")
    pbo = math.nan if choosing is None else choosing.probability
    return {"section": SECTIONS[one.simulated], **own, **of, "pbo": pbo, "verdict": words}
