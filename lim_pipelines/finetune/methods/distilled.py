"""Distillation: a student of fewer blocks learns to say what the fully fine-tuned model says (Hinton 2015).

The student begins as the teacher without its later blocks. Its steps never see a label: the teacher's outputs
on the fitted rows have less noise than the labels. When it stops is decided by the labels of the validation
window, as for every method.

What does not belong here: the loop (`neural.py`), the teacher's fit (`full.py`).
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from lim_pipelines.finetune import neural
from lim_pipelines.finetune.batches import Rows
from lim_pipelines.finetune.methods import full, moving
from lim_pipelines.finetune.methods.job import Job
from lim_pipelines.finetune.network import Network
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.foundation.model import FoundationModel


def start(spec: ModelSpec, backbone: FoundationModel) -> FoundationModel:
    """Copy the first `fit.layers` blocks of a backbone and what embeds patches; all of it may move."""
    own = full.start(spec, backbone)
    own.backbone.blocks = own.backbone.blocks[: spec.fit.layers]
    return own


def fit(job: Job) -> tuple[Network, neural.Fitted]:
    """Fit the teacher, then its student; time and memory are those of both."""
    teacher, taught = full.fit(job)
    said = torch.full((len(job.samples), job.spec.outputs), torch.nan)
    rows = job.split.fit
    said[torch.from_numpy(rows)] = torch.from_numpy(teacher.outputs(job.samples.at(rows))).float()

    def far(outputs: Tensor, rows: Rows) -> Tensor:
        return nn.functional.mse_loss(outputs, said[torch.from_numpy(rows)])

    student, fitted = moving.fit(job, start(job.spec, teacher.backbone), taught=far)
    both = replace(
        fitted,
        seconds=taught.seconds + fitted.seconds,
        memory_mb=max(taught.memory_mb, fitted.memory_mb),
    )
    return student, both
