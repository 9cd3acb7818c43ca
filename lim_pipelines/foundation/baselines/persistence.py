"""Persistence: the price stays where it is, volume is what it was last.

What does not belong here: a trend (`drift.py`), volatility that changes (`historical.py`).
"""

from __future__ import annotations

import numpy as np

from lim_pipelines.foundation.baselines.paths import CLOSE, VOLUME, assemble, column, resample, walking
from lim_pipelines.foundation.baselines.unfitted import Driftless
from lim_pipelines.foundation.series import Floats
from lim_pipelines.foundation.windows import WindowBatch


class Persistence(Driftless):
    """A random walk without drift: returns of the context with random signs, whatever their order was."""

    name = "persistence"

    def sample(self, batch: WindowBatch, horizon: int, count: int, seed: int) -> Floats:
        """See `base.Forecaster.sample`."""
        rng = np.random.default_rng(seed)
        drawn = resample(column(batch.values, CLOSE), count, horizon, rng)
        close = drawn * rng.choice((-1.0, 1.0), size=drawn.shape)
        volume = walking(column(batch.values, VOLUME), count, horizon, rng, drift=False)
        return assemble(close, volume, batch.values.shape[2])
