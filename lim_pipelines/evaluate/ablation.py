"""What each modality is worth to a strategy: the method against itself without it, on the same days.

What does not belong here: how a modality is taken away (`finetune/modalities.py`), the page
(`reports/strategy.py`).

Worth is measured by fitting without, not by hiding a modality from a fitted model: a model that leans on text
does worse without it than one that never had any, and the difference is no worth.
"""

from __future__ import annotations

import math
from statistics import fmean

import numpy as np
import polars as pl

from lim_pipelines.evaluate.seeds import Estimate, Floats, SeededSharpes
from lim_pipelines.finetune.spec import WITHOUT
from lim_pipelines.inputs.registry import OWNER
from lim_pipelines.strategies.spec import StrategySpec

FEWEST_DAYS = 20
SCHEMA = {
    "modality": pl.String(),
    "features": pl.String(),
    **dict.fromkeys(("sharpe", "sharpe_without", "gain", "low", "high"), pl.Float64()),
    **dict.fromkeys(("rank_ic", "rank_ic_without"), pl.Float64()),
}


def by_modality(spec: StrategySpec, daily: pl.DataFrame, scores: pl.DataFrame) -> pl.DataFrame:
    """Compare a strategy's method with its controls `without_X`.

    Parameters
    ----------
    spec
        The strategy.
    daily, scores
        Rows of `BACKTEST_DAILY` and `SCORES` of the strategy.

    Returns
    -------
    pl.DataFrame
        One row a control `without_X`: modality, features (its own, in words), net Sharpe ratio with and
        without (means over seeds), gain with its 95 % interval over days and seeds (NaN for fewer than 20
        days), rank IC with and without. Empty if there is no such control.
    """
    rows = []
    for arm in (one for one in spec.controls if one.startswith(WITHOUT)):
        block = arm.removeprefix(WITHOUT)
        gain = _gain(_record(daily, spec.method), _record(daily, arm))
        sharpe, ic = (
            [_mean(scores, one, name) for one in (spec.method, arm)] for name in ("sharpe", "rank_ic")
        )
        names = ", ".join(name for name in spec.features if OWNER[name].name == block)
        rows.append((block, names, *sharpe, gain.value, gain.low, gain.high, *ic))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _record(daily: pl.DataFrame, arm: str) -> Floats:
    """Net daily returns of an arm, (S, T)."""
    wide = daily.filter(pl.col("arm") == arm).sort("date").pivot("seed", index="date", values="net_return")
    return np.asarray(wide.drop("date").to_numpy().T)


def _gain(one: Floats, other: Floats) -> Estimate:
    if one.shape[1] < FEWEST_DAYS:
        return Estimate(math.nan, math.nan, math.nan)
    return SeededSharpes(one.shape[1]).gain((one, other))


def _mean(scores: pl.DataFrame, arm: str, metric: str) -> float:
    own = scores.filter((pl.col("arm") == arm) & (pl.col("metric") == metric))["value"].drop_nulls()
    return fmean(own.to_list()) if len(own) else math.nan
