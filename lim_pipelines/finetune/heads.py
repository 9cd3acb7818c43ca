"""The network of every neural arm: a backbone's embedding and macro features in, one return out.

What does not belong here: the backbone (`foundation/model.py`), how a network is fitted (`neural.py`).

The head takes the embedding beside the standardised features (paper, section 5.2: fine-tuning adds other
data to what the backbone knows of the quotes).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from lim_pipelines.finetune.samples import Floats, Samples
from lim_pipelines.finetune.scaling import Scaling
from lim_pipelines.foundation.model import FoundationModel, Inputs
from lim_pipelines.foundation.windows import store_of

HIDDEN = 64
DROPOUT = 0.1
_CHUNK = 256
"""Windows that are embedded at a time where no gradient is needed; bounds the memory."""


class Head(nn.Module):
    """A perceptron with one hidden layer.

    Parameters
    ----------
    width
        d, width of the embedding.
    features
        F, number of macro features.
    """

    feature_mean: Tensor
    feature_spread: Tensor

    def __init__(self, width: int, features: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.hidden = nn.Linear(width + features, HIDDEN)
        self.dropout = nn.Dropout(DROPOUT)
        self.out = nn.Linear(HIDDEN, 1)
        # An unfitted head forecasts nothing at all, not noise.
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        # Buffers: the scaling is part of the model's file.
        self.register_buffer("feature_mean", torch.zeros(features, dtype=torch.float64))
        self.register_buffer("feature_spread", torch.ones(features, dtype=torch.float64))

    def set_scaling(self, scaling: Scaling) -> None:
        """Keep a scaling of the features that was fitted before the cutoff."""
        self.feature_mean.copy_(torch.from_numpy(scaling.mean))
        self.feature_spread.copy_(torch.from_numpy(scaling.spread))

    def scaled(self, features: Floats) -> Tensor:
        """Standardise features (N, F) as they were in the fit."""
        scaling = Scaling(self.feature_mean.numpy(), self.feature_spread.numpy())
        return torch.from_numpy(scaling.apply(features)).float()

    @torch.no_grad()
    def outputs(self, embedding: Tensor, features: Floats) -> Floats:
        """Return outputs (N,) in units of `Samples.scale`, from (N, d) and features as they come, (N, F)."""
        self.eval()
        return np.asarray(self(embedding, self.scaled(features)).double().numpy())

    def forward(self, embedding: Tensor, features: Tensor) -> Tensor:
        """Return outputs (B,) in units of `Samples.scale`, from (B, d) and standardised (B, F)."""
        x = torch.cat([self.norm(embedding), features], dim=-1)
        x = nn.functional.gelu(self.hidden(x))
        out: Tensor = self.out(self.dropout(x))
        return out[:, 0]


class Network(nn.Module):
    """Backbone and head; a `base.Forecaster` once fitted.

    Parameters
    ----------
    backbone
        A foundation model; frozen or not is the arm's affair.
    head
        The head.
    """

    def __init__(self, backbone: FoundationModel, head: Head) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, windows: Inputs, features: Tensor) -> Tensor:
        """Return outputs (B,) in units of `Samples.scale`."""
        out: Tensor = self.head(self.backbone.encode(windows), features)
        return out

    def outputs(self, samples: Samples) -> Floats:
        """See `base.Forecaster`."""
        if not len(samples):
            return np.zeros(0)
        return self.head.outputs(embed(self.backbone, samples), samples.features)


@torch.no_grad()
def embed(backbone: FoundationModel, samples: Samples) -> Tensor:
    """Embed the windows of N samples, (N, d), without gradients.

    Samples are of one frequency: coarser bars that a backbone could read are missing, in fits and decisions
    alike.
    """
    backbone.eval()
    store = store_of(samples.series, backbone.config)
    parts = [samples.picks[i : i + _CHUNK] for i in range(0, len(samples), _CHUNK)]
    return torch.cat([backbone.encode(Inputs.of(store.batch(picks))) for picks in parts])
