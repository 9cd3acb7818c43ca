"""Bootstrap intervals of the Sharpe ratio, in blocks because neighbouring days belong together.

What does not belong here: the multiple-trial correction (`deflated_sharpe.py`).

D. Politis and J. Romano (1994), The stationary bootstrap, Journal of the American Statistical Association 89.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from lim_pipelines.finetune.labels import SESSIONS_PER_YEAR

Floats = npt.NDArray[np.float64]

RESAMPLES = 2000
MEAN_BLOCK = 10
"""Mean length of a block in sessions: two weeks, longer than the horizons of the strategies here."""

LEVEL = 0.95
SEED = 20180101


def resampled_rows(
    days: int, resamples: int, mean_block: float, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Rows of stationary bootstrap samples, shape (resamples, days).

    Blocks start anywhere, have geometric lengths, and wrap around at the end.
    """
    starts = rng.integers(days, size=(resamples, days))
    new = rng.random((resamples, days)) < 1.0 / mean_block
    new[:, 0] = True
    position = np.arange(days)
    # Index of the last block start at or before each position.
    last = np.maximum.accumulate(np.where(new, position, 0), axis=1)
    return np.asarray((np.take_along_axis(starts, last, axis=1) + position - last) % days)


def sharpe_interval(returns: Floats, level: float = LEVEL, seed: int = SEED) -> tuple[float, float]:
    """Percentile interval of the annualised Sharpe ratio.

    Parameters
    ----------
    returns
        Daily returns, shape (T,).
    level
        Probability that the interval is to hold.
    seed
        Seed of the resampling; the same data give the same interval.

    Returns
    -------
    tuple of float
        Lower and upper end; NaN for fewer than 20 returns or constant ones.
    """
    if len(returns) < 20 or np.ptp(returns) == 0:
        return math.nan, math.nan
    rows = resampled_rows(len(returns), RESAMPLES, MEAN_BLOCK, np.random.default_rng(seed))
    samples = returns[rows]
    spread = samples.std(axis=1, ddof=1)
    sharpes = samples.mean(axis=1)[spread > 0] / spread[spread > 0] * math.sqrt(SESSIONS_PER_YEAR)
    low, high = np.quantile(sharpes, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
