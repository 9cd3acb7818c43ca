"""Fine-tuning the entire model: every weight of the checkpoint may move (paper section 5.2).

What does not belong here: the loop (`neural.py`).
"""

from __future__ import annotations

import copy

import torch

from lim_pipelines.finetune import neural
from lim_pipelines.finetune.heads import Head, Network
from lim_pipelines.finetune.samples import Samples
from lim_pipelines.finetune.scaling import Scaling
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.finetune.split import Split
from lim_pipelines.foundation.model import FoundationModel, Inputs
from lim_pipelines.foundation.windows import store_of


def fit(
    spec: ModelSpec, backbone: FoundationModel, samples: Samples, split: Split, seed: int
) -> tuple[Network, neural.Fitted]:
    """Fit a copy of the backbone and a new head together.

    Parameters
    ----------
    spec
        Task, horizon and fit settings.
    backbone
        Where the backbone starts; it is copied.
    samples
        Samples known at the cutoff.
    split
        Rows to fit on and to validate on.
    seed
        Seed of the head's weights, the batches and dropout.
    """
    torch.manual_seed(seed)
    network = Network(copy.deepcopy(backbone), Head(backbone.config.shape.d_model, spec.inputs_width))
    network.head.set_scaling(Scaling.of(samples.features[split.fit]))
    store = store_of(samples.series, backbone.config)
    features = network.head.scaled(samples.features)

    def outputs(rows: neural.Rows) -> torch.Tensor:
        out: torch.Tensor = network(
            Inputs.of(store.batch(samples.picks[rows])), features[torch.from_numpy(rows)]
        )
        return out

    return network, neural.fit(network, outputs, spec, samples, split, seed)
