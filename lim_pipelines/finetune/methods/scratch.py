"""The same network from scratch: what fine-tuning has to beat.

Same data, steps, rate and batches as `full.py`; only the backbone's weights start at random.

What does not belong here: the loop (`neural.py`).
"""

from __future__ import annotations

import torch

from lim_pipelines.finetune import neural
from lim_pipelines.finetune.methods import full, moving
from lim_pipelines.finetune.methods.job import Job
from lim_pipelines.finetune.network import Network
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.foundation.model import FoundationModel


def start(spec: ModelSpec, backbone: FoundationModel) -> FoundationModel:
    """Make a backbone of the checkpoint's architecture, with random weights."""
    return full.start(spec, FoundationModel(backbone.config))


def fit(job: Job) -> tuple[Network, neural.Fitted]:
    """Fit a backbone of the checkpoint's architecture from random weights."""
    torch.manual_seed(job.seed)
    return moving.fit(job, start(job.spec, job.frozen.backbone))
