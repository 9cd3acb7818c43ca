"""The same network from scratch: what fine-tuning has to beat.

Same data, steps, rate and batches as `full.py`; only the backbone's weights start at random.

What does not belong here: the loop (`neural.py`).
"""

from __future__ import annotations

import torch

from lim_pipelines.finetune import full, neural
from lim_pipelines.finetune.heads import Network
from lim_pipelines.finetune.samples import Samples
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.finetune.split import Split
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.model import FoundationModel


def fit(
    spec: ModelSpec, config: FoundationConfig, samples: Samples, split: Split, seed: int
) -> tuple[Network, neural.Fitted]:
    """Fit a backbone of the checkpoint's architecture from random weights; parameters as in `full.fit`."""
    torch.manual_seed(seed)
    return full.fit(spec, FoundationModel(config), samples, split, seed)
