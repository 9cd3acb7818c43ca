"""A model behind the contract of all forecasters, so that it is judged as baselines are.

What does not belong here: the contract and baselines (`baselines/`), judging (`quality/`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lim_pipelines.foundation.contexts import windows_of
from lim_pipelines.foundation.model import FoundationModel
from lim_pipelines.foundation.rollout import ROLLED, Paths, paths_behind, reach_of
from lim_pipelines.foundation.series import VARIABLES, Floats, Ints
from lim_pipelines.foundation.windows import WindowBatch, Windows

_CLOSE = VARIABLES.index("close")


class LimForecaster:
    """The model behind the contract of all forecasters (`baselines/base.py`).

    Parameters
    ----------
    model
        The model.
    name
        What tables call it.
    """

    def __init__(self, model: FoundationModel, name: str = "LIM") -> None:
        self.model, self.name = model, name

    def fit(self, store: Windows, picks: Ints) -> None:
        """Learn nothing: it was pretrained, and is asked as it is."""

    def sample(self, batch: WindowBatch, horizon: int, count: int, seed: int) -> Floats:
        """Draw paths; see `baselines.base.Forecaster.sample`. Contexts are cut to the model's, or padded."""
        parts = [part.drawn.cpu().numpy() for part in self._paths(batch, horizon, count, seed)]
        return np.concatenate(
            [np.empty((count, 0, horizon, batch.values.shape[2]), np.float32), *parts], axis=1
        )

    def expected(self, batch: WindowBatch, horizon: int) -> Floats:
        """See `baselines.base.Expecting.expected`; behind the model's horizon it is a mean over paths."""
        count = 1 if horizon <= reach_of(self.model.config) else ROLLED
        parts = [part.mean[..., _CLOSE].cpu().numpy() for part in self._paths(batch, horizon, count, 0)]
        return np.concatenate([np.empty((0, horizon), np.float32), *parts])

    def _paths(self, batch: WindowBatch, horizon: int, count: int, seed: int) -> Iterator[Paths]:
        device = next(self.model.parameters()).device
        windows = windows_of(batch, self.model.config)
        return paths_behind(self.model.eval(), windows, horizon, count, seed, device)
