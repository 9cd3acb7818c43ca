r"""The Sharpe ratio of a method, which is luck twice: in its seeds, and in the days it was judged on.

The estimate is the mean over seeds of their annualised net Sharpe ratios: what one run may expect. In each
sample of the bootstrap, days are drawn in blocks, the same ones for all that is compared, and seeds with
replacement:

.. math:: s^* = \frac1S \sum_{k=1}^{S} \frac{\bar r^*_{i_k}}{\sigma^*(r_{i_k})} \sqrt{252}

A gain of one method over another is the difference within each sample. Methods with as many seeds are drawn
with the same ones, because they share their batches and new weights.

What does not belong here: the multiple-trial correction (`deflated_sharpe.py`), one record alone
(`intervals.py`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lim_pipelines.bootstrap import resampled_rows, times_drawn
from lim_pipelines.evaluate.intervals import LEVEL, MEAN_BLOCK, RESAMPLES, SEED
from lim_pipelines.finetune.labels import SESSIONS_PER_YEAR

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A figure and its percentile interval.

    Parameters
    ----------
    value, low, high
        Annualised; NaN where a record does not vary.
    """

    value: float
    low: float
    high: float


class SeededSharpes:
    """Sharpe ratios of methods that were judged on the same days.

    Parameters
    ----------
    days
        T, number of days, at least 20.
    resamples
        Samples of the bootstrap.
    """

    def __init__(self, days: int, resamples: int = RESAMPLES) -> None:
        if days < 20:
            raise ValueError(f"an interval from {days} days says nothing; at least 20 are needed")
        rows = resampled_rows(days, resamples, MEAN_BLOCK, np.random.default_rng(SEED))
        self._times = times_drawn(rows) / days

    def of(self, returns: Floats) -> Estimate:
        """Estimate the Sharpe ratio of one method from net daily returns, shape (S, T)."""
        return _estimate(_annual(returns).mean(), self._samples(returns))

    def gain(self, *pairs: tuple[Floats, Floats]) -> Estimate:
        """Estimate by how much one method's ratio is above another's, as a mean over pairs of methods.

        Parameters
        ----------
        pairs
            Net daily returns of the one, shape (S, T), and of the other, (S', T). Several pairs make one
            comparison of what they have in common, in which no pair was chosen.
        """
        value = np.mean([_annual(one).mean() - _annual(other).mean() for one, other in pairs])
        samples = np.mean([self._samples(one) - self._samples(other) for one, other in pairs], axis=0)
        return _estimate(float(value), np.asarray(samples))

    def _samples(self, returns: Floats) -> Floats:
        """Means over drawn seeds in each sample, (R,)."""
        mean = self._times @ returns.T
        variance = np.maximum(self._times @ (returns**2).T - mean**2, 0.0)
        days = returns.shape[1]
        with np.errstate(divide="ignore", invalid="ignore"):
            sharpes = mean / np.sqrt(variance * days / (days - 1)) * math.sqrt(SESSIONS_PER_YEAR)
        seeds = len(returns)
        drawn = np.random.default_rng(SEED + 1).integers(seeds, size=(len(sharpes), seeds))
        return np.asarray(np.take_along_axis(sharpes, drawn, axis=1).mean(axis=1))


def _annual(returns: Floats) -> Floats:
    """Sharpe ratio of each record, (S,); NaN where it does not vary."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = returns.mean(axis=1) / returns.std(axis=1, ddof=1) * math.sqrt(SESSIONS_PER_YEAR)
    return np.asarray(np.where(np.ptp(returns, axis=1) > 0, ratio, np.nan))


def _estimate(value: float, samples: Floats) -> Estimate:
    if not math.isfinite(value):
        return Estimate(math.nan, math.nan, math.nan)
    low, high = np.nanquantile(samples, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(value), float(low), float(high))
