"""How far two records lie apart in their Sharpe ratios, and how sure that is.

What does not belong here: what the records are of.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from lim_pipelines.backtest.metrics import sharpe_per_day
from lim_pipelines.bootstrap import resampled_rows, times_drawn
from lim_pipelines.evaluate.ablation import FEWEST_DAYS
from lim_pipelines.evaluate.intervals import LEVEL, MEAN_BLOCK, RESAMPLES, SEED
from lim_pipelines.evaluate.seeds import Estimate, Floats, SeededSharpes
from lim_pipelines.finetune.labels import SESSIONS_PER_YEAR

_YEAR = math.sqrt(SESSIONS_PER_YEAR)


def paired(one: Floats, other: Floats) -> Estimate:
    """By how much one record's Sharpe ratio is above another's of the same days.

    Parameters
    ----------
    one, other
        Net daily returns, shape (T,); days are drawn for both alike.

    Returns
    -------
    Estimate
        Annualised, with a 95 % interval; without one for fewer than `ablation.FEWEST_DAYS` days.
    """
    value = (sharpe_per_day(one) - sharpe_per_day(other)) * _YEAR
    if np.array_equal(one, other):
        return Estimate(0.0, 0.0, 0.0) if math.isfinite(value) else Estimate(value, value, value)
    if len(one) < FEWEST_DAYS or not math.isfinite(value):
        return Estimate(value, math.nan, math.nan)
    return _sharpes(len(one)).gain((one[None], other[None]))


def alone(returns: Floats) -> Estimate:
    """Annualised Sharpe ratio of one record, shape (T,), with its 95 % interval where it is long enough."""
    value = sharpe_per_day(returns) * _YEAR
    if len(returns) < FEWEST_DAYS or not math.isfinite(value):
        return Estimate(value, math.nan, math.nan)
    return _sharpes(len(returns)).of(returns[None])


def inside(returns: Floats, days: npt.NDArray[np.bool_]) -> Estimate:
    """By how much the Sharpe ratio of some days is above that of all others.

    Parameters
    ----------
    returns
        Net daily returns of the record, shape (T,).
    days
        Which of them, shape (T,).

    Returns
    -------
    Estimate
        As from `paired`; in samples of the bootstrap a day stays what it is.
    """
    value = (sharpe_per_day(returns[days]) - sharpe_per_day(returns[~days])) * _YEAR
    if min(days.sum(), (~days).sum()) < FEWEST_DAYS or not math.isfinite(value):
        return Estimate(value, math.nan, math.nan)
    times = _times(len(returns))
    samples = _drawn_sharpes(times, returns, days) - _drawn_sharpes(times, returns, ~days)
    low, high = np.nanquantile(samples, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value, float(low), float(high))


def _drawn_sharpes(times: Floats, returns: Floats, days: npt.NDArray[np.bool_]) -> Floats:
    """Annualised Sharpe ratio of some days in each sample, (R,)."""
    own, drawn = returns[days], times[:, days]
    with np.errstate(divide="ignore", invalid="ignore"):
        count = drawn.sum(axis=1)
        mean = drawn @ own / count
        variance = np.maximum(drawn @ own**2 / count - mean**2, 0.0)
        return np.asarray(mean / np.sqrt(variance * count / (count - 1)) * _YEAR)


@lru_cache(maxsize=1)
def _times(days: int) -> Floats:
    """How often each sample has each day, (R, T)."""
    return times_drawn(resampled_rows(days, RESAMPLES, MEAN_BLOCK, np.random.default_rng(SEED)))


@lru_cache(maxsize=2)
def _sharpes(days: int) -> SeededSharpes:
    return SeededSharpes(days)
