"""LIM: a checkpoint in use. Embeddings and forecasts of any series, in original units.

What does not belong here: training, fine-tuning (`finetune/`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.checkpoint import Meta
from lim_pipelines.foundation.model import Forecast, FoundationModel, Inputs
from lim_pipelines.foundation.scaling import unscaled
from lim_pipelines.foundation.series import Floats, Ints, Series
from lim_pipelines.foundation.windows import WindowStore

_BATCH = 512


class LIM:
    """A foundation model that is used, not trained.

    Parameters
    ----------
    model
        Model, on any device.
    meta
        What is known about its training.
    """

    def __init__(self, model: FoundationModel, meta: Meta) -> None:
        self.model = model.eval()
        self.meta = meta

    @classmethod
    def load(cls, folder: str | Path) -> LIM:
        """Load a checkpoint folder.

        Raises
        ------
        CheckpointError
            The folder is no checkpoint, or its weights are damaged.
        """
        return cls(*checkpoint.load(folder))

    def embed(self, series: Series, ends: Ints) -> Floats:
        """Embed the windows of a series that end at some rows.

        Parameters
        ----------
        series
            Any series; the model need not have seen its instrument.
        ends
            (n,) rows of the last context bars.

        Returns
        -------
        (n, d_model) float32
            Row i depends on rows 0 .. ends[i] of the series alone.
        """
        parts = [out.embedding.cpu().numpy() for out in self._run(series, ends)]
        return np.concatenate([np.empty((0, self.model.config.shape.d_model), np.float32), *parts])

    def forecast(self, series: Series, ends: Ints) -> Floats:
        """Forecast the L_Y bars behind some rows of a series.

        Parameters
        ----------
        series
            Any series; the model need not have seen its instrument.
        ends
            (n,) rows of the last context bars.

        Returns
        -------
        (n, L_Y, p) float32
            The columns of `VARIABLES`, in their units; NaN for variables that the context does not show.
        """
        p, length = series.values.shape[1], self.model.config.horizon
        parts = []
        for out in self._run(series, ends):
            point = self.model.head.point(out.said).flatten(1, 2)
            parts.append(unscaled(point, out.scale)[..., :p].cpu().numpy())
        return np.concatenate([np.empty((0, length, p), np.float32), *parts])

    @torch.inference_mode()
    def _run(self, series: Series, ends: Ints) -> Iterator[Forecast]:
        config = self.model.config
        store = WindowStore([series], config.context, config.horizon)
        device = next(self.model.parameters()).device
        picks = np.stack([np.zeros_like(ends), ends], axis=1)
        for start in range(0, len(picks), _BATCH):
            yield self.model(Inputs.of(store.batch(picks[start : start + _BATCH]), device))
