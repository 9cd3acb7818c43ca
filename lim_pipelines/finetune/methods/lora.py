r"""LoRA: every matrix of the blocks gets a delta of low rank, all else stays (Hu et al. 2021).

.. math:: W x + \frac{\alpha}{r} B A x, \qquad A \in R^{r \times in},\; B \in R^{out \times r}

B is 0 at first, so a model with deltas begins as the model without.

What does not belong here: the loop (`neural.py`), the files of other programs (`peft.py`).
"""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from lim_pipelines.finetune import neural
from lim_pipelines.finetune.methods import moving
from lim_pipelines.finetune.methods.job import Job
from lim_pipelines.finetune.network import Network
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.foundation.model import FoundationModel

SCALE = 2.0
"""alpha / r: how much of a delta counts."""


class LowRank(nn.Module):
    """A matrix that stays, and a delta that moves.

    Parameters
    ----------
    base
        The matrix, without a bias.
    rank
        r.
    """

    def __init__(self, base: nn.Linear, rank: int) -> None:
        super().__init__()
        self.base = base
        self.a = nn.Parameter(torch.empty(rank, base.in_features))
        self.b = nn.Parameter(torch.zeros(base.out_features, rank))
        nn.init.kaiming_uniform_(self.a, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        """Transform (..., in) to (..., out)."""
        out: Tensor = self.base(x) + SCALE * functional.linear(functional.linear(x, self.a), self.b)
        return out

    def merged(self) -> nn.Linear:
        """Make one matrix of both."""
        one = copy.deepcopy(self.base)
        with torch.no_grad():
            one.weight += SCALE * self.b @ self.a
        return one


def start(spec: ModelSpec, backbone: FoundationModel) -> FoundationModel:
    """Copy a backbone, with a delta that is nothing yet beside every matrix of its blocks."""
    own = copy.deepcopy(backbone).requires_grad_(False)
    for name, matrix in list(own.backbone.blocks.named_modules()):
        if isinstance(matrix, nn.Linear):
            own.backbone.blocks.set_submodule(name, LowRank(matrix, spec.fit.rank))
    return own


def merged(backbone: FoundationModel) -> FoundationModel:
    """Copy a backbone with its deltas added to its matrices: a checkpoint's model again."""
    own = copy.deepcopy(backbone)
    for name, matrix in list(own.named_modules()):
        if isinstance(matrix, LowRank):
            own.set_submodule(name, matrix.merged())
    return own


def fit(job: Job) -> tuple[Network, neural.Fitted]:
    """Fit deltas and a new head together."""
    torch.manual_seed(job.seed)
    return moving.fit(job, start(job.spec, job.frozen.backbone))
