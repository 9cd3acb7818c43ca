"""Drift: what was gained a bar will be gained a bar (Hyndman and Athanasopoulos 2021, section 5.2).

What does not belong here: volatility that changes (`historical.py`).
"""

from __future__ import annotations

import numpy as np

from lim_pipelines.foundation.baselines.paths import (
    CLOSE,
    ENOUGH,
    VOLUME,
    assemble,
    column,
    mean_of,
    resample,
    walking,
)
from lim_pipelines.foundation.baselines.unfitted import Unfitted
from lim_pipelines.foundation.series import Floats
from lim_pipelines.foundation.windows import WindowBatch


class Drift(Unfitted):
    """A random walk with the context's mean step, of price and of volume; its steps are the context's."""

    name = "drift"

    def sample(self, batch: WindowBatch, horizon: int, count: int, seed: int) -> Floats:
        """See `base.Forecaster.sample`."""
        rng = np.random.default_rng(seed)
        close = resample(column(batch.values, CLOSE), count, horizon, rng)
        volume = walking(column(batch.values, VOLUME), count, horizon, rng, drift=True)
        return assemble(close, volume, batch.values.shape[2])

    def expected(self, batch: WindowBatch, horizon: int) -> Floats:
        """See `base.Expecting.expected`: the context's mean return, 0 where it is that of too few bars."""
        returns = column(batch.values, CLOSE)
        enough = np.isfinite(returns).sum(axis=1) >= ENOUGH
        mean = np.where(enough, 1.0, 0.0) * mean_of(returns)
        return np.repeat(mean.astype(np.float32)[:, None], horizon, axis=1)
