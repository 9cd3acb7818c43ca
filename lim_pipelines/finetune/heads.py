"""Heads: a batch of samples in, what is said of each one's return out.

What does not belong here: the backbone (`foundation/model.py`), how the features join its embedding
(`fusion.py`), how a head is fitted (`neural.py`), how its batches are made (`batch.py`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor, nn

from lim_pipelines.finetune.batch import Batch
from lim_pipelines.finetune.fusion import Fusion, make_fusion
from lim_pipelines.finetune.samples import Floats
from lim_pipelines.finetune.scaling import Scaling
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.finetune.trend import HALF_LIVES

HIDDEN = 64
DROPOUT = 0.1


class Head(nn.Module, ABC):
    """What every head has: the scaling of the features, a number of outputs, and a linear path beside it all.

    The first output, location or score, is what the head makes of a sample plus a weighted sum of its trends.

    Parameters
    ----------
    features
        F, numbers that the features consist of.
    outputs
        Q, numbers that are said of a sample.
    """

    feature_mean: Tensor
    feature_spread: Tensor

    def __init__(self, features: int, outputs: int) -> None:
        super().__init__()
        self.width_out = outputs
        # As what is below: an unfitted head forecasts nothing.
        self.trend = nn.Parameter(torch.zeros(len(HALF_LIVES)))
        # Buffers: the scaling is part of the model's file.
        self.register_buffer("feature_mean", torch.zeros(features, dtype=torch.float64))
        self.register_buffer("feature_spread", torch.ones(features, dtype=torch.float64))

    @property
    def scaling(self) -> Scaling:
        """How features are standardised."""
        return Scaling(self.feature_mean.numpy(), self.feature_spread.numpy())

    def set_scaling(self, scaling: Scaling) -> None:
        """Keep a scaling of the features that was fitted before the cutoff."""
        self.feature_mean.copy_(torch.from_numpy(scaling.mean))
        self.feature_spread.copy_(torch.from_numpy(scaling.spread))

    @torch.no_grad()
    def begin_with(self, trend: Floats) -> None:
        """Let the linear path begin with some weights of the trends."""
        self.trend.copy_(torch.from_numpy(trend))

    @torch.no_grad()
    def outputs(self, batch: Batch) -> Floats:
        """Say (B, Q) of a batch, without dropout and gradients."""
        self.eval()
        return np.asarray(self(batch).double().numpy())

    def forward(self, batch: Batch) -> Tensor:
        """Return outputs (B, Q), see `base.Forecaster`; of a cross-section all rows of its sessions."""
        said = self.read(batch)
        return torch.cat([said[:, :1] + (batch.trend @ self.trend)[:, None], said[:, 1:]], dim=-1)

    @abstractmethod
    def read(self, batch: Batch) -> Tensor:
        """Return what is said (B, Q) beside the linear path."""


class Related(nn.Module):
    """Embeddings of related instruments as one row; 0 in place of those that are not there.

    Parameters
    ----------
    width
        d, width of an embedding.
    count
        K, how many a sample may have; 0 makes an empty row.
    """

    def __init__(self, width: int, count: int) -> None:
        super().__init__()
        self.width = width * count
        self.norm = nn.LayerNorm(width) if count else nn.Identity()

    def forward(self, batch: Batch) -> Tensor:
        """Return (B, K d)."""
        rows: Tensor = (self.norm(batch.others) * batch.has_other[..., None]).flatten(1)
        return rows


class Perceptron(Head):
    """A perceptron with one hidden layer: each sample for itself, beside its related instruments.

    Parameters
    ----------
    fusion
        What joins embedding and features.
    related
        What is read of related instruments.
    features, outputs
        See `Head`.
    """

    def __init__(self, fusion: Fusion, related: Related, features: int, outputs: int) -> None:
        super().__init__(features, outputs)
        self.fusion, self.related = fusion, related
        self.hidden = nn.Linear(fusion.width + related.width, HIDDEN)
        self.dropout = nn.Dropout(DROPOUT)
        self.out = nn.Linear(HIDDEN, outputs)
        # An unfitted head forecasts nothing at all, not noise.
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def read(self, batch: Batch) -> Tensor:
        """See `Head.read`."""
        x = self.fusion(batch.embedding, batch.features, batch.known)
        x = nn.functional.gelu(self.hidden(torch.cat([x, self.related(batch)], dim=-1)))
        out: Tensor = self.out(self.dropout(x))
        return out


def make_head(spec: ModelSpec, width: int) -> Head:
    """Make the head that a specification asks for, unfitted.

    Parameters
    ----------
    spec
        Which head, features, how they join the embedding, related instruments, and outputs.
    width
        d, width of the embedding.
    """
    from lim_pipelines.finetune.attention import Attention  # it is a head, too

    fusion = make_fusion(spec, width)
    if spec.head == "attention":
        return Attention(fusion, spec.inputs_width, spec.outputs)
    return Perceptron(fusion, Related(width, spec.related), spec.inputs_width, spec.outputs)
