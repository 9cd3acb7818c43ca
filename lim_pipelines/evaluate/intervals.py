"""Bootstrap intervals of the Sharpe ratio.

What does not belong here: how days are resampled (`bootstrap.py`), the multiple-trial correction
(`deflated_sharpe.py`).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from lim_pipelines.bootstrap import resampled_rows
from lim_pipelines.finetune.labels import SESSIONS_PER_YEAR

Floats = npt.NDArray[np.float64]

RESAMPLES = 2000
MEAN_BLOCK = 10
"""Mean length of a block in sessions: two weeks, longer than the horizons of the strategies here."""

LEVEL = 0.95
SEED = 20180101


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
