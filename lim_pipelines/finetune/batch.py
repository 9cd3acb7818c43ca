"""What a head reads: a batch of samples as tensors, made the same way in fits and in decisions.

What does not belong here: embedding windows (`embedding.py`), which rows a step draws (`neural.py`), what a
head makes of them (`heads.py`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lim_pipelines.finetune.embedding import Embedded
from lim_pipelines.finetune.samples import Indices, Samples
from lim_pipelines.finetune.scaling import Scaling


class Batch(NamedTuple):
    """B samples.

    Parameters
    ----------
    embedding
        (B, d) each sample's own window.
    features
        (B, F) standardised as they were in the fit, 0 where nothing was known.
    known
        (B, F) bool, whether a feature was known.
    group
        (B,) number of the row's cross-section within the batch, from 0.
    others
        (B, K, d) windows of related instruments; 0 where there is none.
    has_other
        (B, K) bool, whether there is one.
    trend
        (B, T) where each has gone lately (`trend.py`).
    """

    embedding: Tensor
    features: Tensor
    known: Tensor
    group: Tensor
    others: Tensor
    has_other: Tensor
    trend: Tensor


class Reader:
    """Samples as a head reads them: standardised once, handed out in batches.

    Parameters
    ----------
    samples
        N samples.
    scaling
        Of their features, fitted before the cutoff.
    """

    def __init__(self, samples: Samples, scaling: Scaling) -> None:
        self._features = torch.from_numpy(scaling.apply(samples.features)).float()
        self._known = torch.from_numpy(np.isfinite(samples.features))
        self._has_other = torch.from_numpy(samples.others[..., 1] >= 0)
        self._groups = samples.groups()
        self._trend = torch.from_numpy(samples.trend).float()

    def batch(self, rows: Indices, embedded: Embedded) -> Batch:
        """Put some rows (B,) beside their embeddings."""
        index = torch.from_numpy(rows)
        group = np.unique(self._groups[rows], return_inverse=True)[1]
        return Batch(
            embedding=embedded.own,
            features=self._features[index],
            known=self._known[index],
            group=torch.from_numpy(group),
            others=embedded.others,
            has_other=self._has_other[index],
            trend=self._trend[index],
        )
