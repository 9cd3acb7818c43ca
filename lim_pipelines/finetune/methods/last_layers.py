"""Fine-tuning the last k blocks: what is near the quotes stays, what is near the forecast moves.

What does not belong here: the loop (`neural.py`).
"""

from __future__ import annotations

import copy

from lim_pipelines.finetune import neural
from lim_pipelines.finetune.methods import moving
from lim_pipelines.finetune.methods.job import Job
from lim_pipelines.finetune.network import Network
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.foundation.model import FoundationModel


def start(spec: ModelSpec, backbone: FoundationModel) -> FoundationModel:
    """Copy a backbone whose last `fit.layers` blocks may move."""
    own = copy.deepcopy(backbone).requires_grad_(False)
    own.backbone.blocks[-spec.fit.layers :].requires_grad_(True)
    return own


def fit(job: Job) -> tuple[Network, neural.Fitted]:
    """Fit the last blocks of a copy of the backbone and a new head together."""
    return moving.fit(job, start(job.spec, job.frozen.backbone))
