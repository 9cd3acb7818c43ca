"""Fine-tuning the entire model: every weight of the checkpoint may move (paper section 5.2).

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
    """Copy a backbone; all that an embedding comes of may move."""
    own = copy.deepcopy(backbone).requires_grad_(True)
    own.decode.requires_grad_(False)
    return own


def fit(job: Job) -> tuple[Network, neural.Fitted]:
    """Fit a copy of the backbone and a new head together."""
    return moving.fit(job, start(job.spec, job.frozen.backbone))
