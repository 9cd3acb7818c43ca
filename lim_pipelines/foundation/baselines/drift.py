"""Drift: what was gained a bar will be gained a bar (Hyndman and Athanasopoulos 2021, section 5.2).

What does not belong here: volatility that changes (`historical.py`).
"""

from __future__ import annotations

import numpy as np

from lim_pipelines.foundation.baselines.paths import CLOSE, VOLUME, assemble, column, resample, walking
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
