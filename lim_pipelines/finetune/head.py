"""Feature-based transfer: the backbone stays as it is, a new head is fitted (paper section 5.2).

The embeddings are computed once and shared by all seeds.

What does not belong here: the loop (`neural.py`).
"""

from __future__ import annotations

import numpy as np
import torch

from lim_pipelines.finetune import neural
from lim_pipelines.finetune.heads import Head, embed
from lim_pipelines.finetune.samples import Floats, Samples
from lim_pipelines.finetune.scaling import Scaling
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.finetune.split import Split
from lim_pipelines.foundation.model import FoundationModel


class Frozen:
    """A backbone that is not trained; it remembers the embeddings of the samples it saw last.

    Parameters
    ----------
    backbone
        The checkpoint's model.
    """

    def __init__(self, backbone: FoundationModel) -> None:
        self.backbone = backbone
        self._last: tuple[Samples, torch.Tensor] | None = None

    def embed(self, samples: Samples) -> torch.Tensor:
        """Embed the windows of N samples, (N, d)."""
        if self._last is None or self._last[0] is not samples:
            self._last = (samples, embed(self.backbone, samples))
        return self._last[1]


class FrozenNetwork:
    """A head on a frozen backbone; a `base.Forecaster`.

    Parameters
    ----------
    frozen
        The backbone, shared by all seeds.
    head
        The fitted head.
    """

    def __init__(self, frozen: Frozen, head: Head) -> None:
        self.frozen = frozen
        self.head = head

    def outputs(self, samples: Samples) -> Floats:
        """See `base.Forecaster`."""
        if not len(samples):
            return np.zeros(0)
        return self.head.outputs(self.frozen.embed(samples), samples.features)


def fit(
    spec: ModelSpec, frozen: Frozen, samples: Samples, split: Split, seed: int
) -> tuple[FrozenNetwork, neural.Fitted]:
    """Fit a head on the backbone's embeddings.

    Parameters
    ----------
    spec
        Task, horizon and fit settings.
    frozen
        The backbone.
    samples
        Samples known at the cutoff.
    split
        Rows to fit on and to validate on.
    seed
        Seed of the head's weights, the batches and dropout.
    """
    torch.manual_seed(seed)
    embeddings = frozen.embed(samples)
    head = Head(frozen.backbone.config.shape.d_model, spec.inputs_width)
    head.set_scaling(Scaling.of(samples.features[split.fit]))
    features = head.scaled(samples.features)

    def outputs(rows: neural.Rows) -> torch.Tensor:
        index = torch.from_numpy(rows)
        out: torch.Tensor = head(embeddings[index], features[index])
        return out

    return FrozenNetwork(frozen, head), neural.fit(head, outputs, spec, samples, split, seed)
