"""Feature-based transfer: the backbone stays as it is, a new head is fitted (paper section 5.2).

The embeddings are computed once a cutoff and shared by all seeds.

What does not belong here: the loop (`neural.py`).
"""

from __future__ import annotations

import torch

from lim_pipelines.finetune import neural
from lim_pipelines.finetune.heads import Head, Network
from lim_pipelines.finetune.samples import Samples
from lim_pipelines.finetune.scaling import Scaling
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.finetune.split import Split
from lim_pipelines.foundation.model import FoundationModel


def fit(
    spec: ModelSpec,
    backbone: FoundationModel,
    embeddings: torch.Tensor,
    samples: Samples,
    split: Split,
    seed: int,
) -> tuple[Network, neural.Fitted]:
    """Fit a head on embeddings.

    Parameters
    ----------
    spec
        Task, horizon and fit settings.
    backbone
        The frozen backbone; it becomes part of the returned network, not copied.
    embeddings
        Of all samples, (N, d), from `heads.embed`; rows outside the split are not looked at.
    samples
        Samples known at the cutoff.
    split
        Rows to fit on and to validate on.
    seed
        Seed of the head's weights, the batches and dropout.
    """
    torch.manual_seed(seed)
    head = Head(backbone.config.shape.d_model, len(spec.features))
    head.set_scaling(Scaling.of(samples.features[split.fit]))
    features = head.scaled(samples.features)

    def outputs(rows: neural.Rows) -> torch.Tensor:
        index = torch.from_numpy(rows)
        out: torch.Tensor = head(embeddings[index], features[index])
        return out

    return Network(backbone, head), neural.fit(head, outputs, spec, samples, split, seed)
