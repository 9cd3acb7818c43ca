"""A checkpoint behind the contract of all forecasters, so that it is judged as baselines are.

What does not belong here: the contract and baselines (`baselines/`), judging (`quality/`).
"""

from __future__ import annotations

import numpy as np

from lim_pipelines.foundation.contexts import windows_of
from lim_pipelines.foundation.inference import LIM
from lim_pipelines.foundation.rollout import ROLLED, reach_of
from lim_pipelines.foundation.series import VARIABLES, Floats, Ints
from lim_pipelines.foundation.windows import WindowBatch, Windows

_CLOSE = VARIABLES.index("close")


class LimForecaster:
    """The model behind the contract of all forecasters (`baselines/base.py`).

    Parameters
    ----------
    lim
        The model.
    """

    name = "lim"

    def __init__(self, lim: LIM) -> None:
        self.lim = lim

    def fit(self, store: Windows, picks: Ints) -> None:
        """Learn nothing: it was pretrained, and is asked as it is."""

    def sample(self, batch: WindowBatch, horizon: int, count: int, seed: int) -> Floats:
        """Draw paths; see `baselines.base.Forecaster.sample`. Contexts are cut to the model's, or padded."""
        batch = windows_of(batch, self.lim.model.config)
        parts = [part.drawn.cpu().numpy() for part in self.lim.paths(batch, horizon, count, seed)]
        return np.concatenate(
            [np.empty((count, 0, horizon, batch.values.shape[2]), np.float32), *parts], axis=1
        )

    def expected(self, batch: WindowBatch, horizon: int) -> Floats:
        """See `baselines.base.Expecting.expected`; behind the model's horizon it is a mean over paths."""
        config = self.lim.model.config
        count = 1 if horizon <= reach_of(config) else ROLLED
        paths = self.lim.paths(windows_of(batch, config), horizon, count, 0)
        parts = [part.mean[..., _CLOSE].cpu().numpy() for part in paths]
        return np.concatenate([np.empty((0, horizon), np.float32), *parts])
