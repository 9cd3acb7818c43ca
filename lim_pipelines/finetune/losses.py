"""What a fit makes small.

What does not belong here: which rows a step sees (`batches.py`), the loop (`neural.py`), what is done with a
fitted arm's outputs (`base.py`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from lim_pipelines.finetune.base import targets
from lim_pipelines.finetune.batches import Rows
from lim_pipelines.finetune.samples import Samples
from lim_pipelines.finetune.spec import ModelSpec

HUBER_DELTA = 1.0

Loss = Callable[[Tensor, Rows], Tensor]
"""Outputs (B, Q) of rows (B,) to a number."""


def make_loss(spec: ModelSpec, samples: Samples) -> Loss:
    """Make the loss of a spec's outputs.

    Parameters
    ----------
    spec
        Task and horizon.
    samples
        All samples; rows refer to these.
    """
    return ReturnLoss(spec, samples)


class ReturnLoss:
    """Huber loss of returns in units of each sample's scale.

    In a cross-section both forecast and label are relative to the session's mean.

    Parameters
    ----------
    spec
        Task and horizon.
    samples
        All samples; rows refer to these.
    """

    def __init__(self, spec: ModelSpec, samples: Samples) -> None:
        # Labels that nobody knows are NaN; no row of a split refers to one.
        self._cross = spec.task == "cross_sectional"
        self._scale = torch.from_numpy(samples.scale(spec.horizon)).float()
        known = np.flatnonzero(np.isfinite(samples.label))
        label = np.full(len(samples), np.nan)
        label[known] = targets(spec.task, samples.at(known))
        self._target = torch.from_numpy(label).float() / self._scale
        self._groups = samples.groups()

    def __call__(self, outputs: Tensor, rows: Rows) -> Tensor:
        """Mean loss of outputs (B, 1) of rows (B,); of a cross-section all of a session's rows."""
        index = torch.from_numpy(rows)
        said = outputs[:, 0]
        if self._cross:
            scale = self._scale[index]
            group = torch.from_numpy(np.unique(self._groups[rows], return_inverse=True)[1])
            returns = said * scale
            total = torch.zeros(int(group.max()) + 1).index_add(0, group, returns)
            said = (returns - (total / torch.bincount(group))[group]) / scale
        return nn.functional.huber_loss(said, self._target[index], delta=HUBER_DELTA)
