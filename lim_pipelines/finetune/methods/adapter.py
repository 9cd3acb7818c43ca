r"""Adapters: behind every block a small bottleneck beside a residual, all else stays (Houlsby et al. 2019).

.. math:: x + U \,\mathrm{gelu}(D \,\mathrm{norm}(x)), \qquad U = 0 \text{ at first}

What does not belong here: the loop (`neural.py`).
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from lim_pipelines.finetune import neural
from lim_pipelines.finetune.methods import moving
from lim_pipelines.finetune.methods.job import Job
from lim_pipelines.finetune.network import Network
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.foundation.backbone import Block
from lim_pipelines.foundation.elementwise import normed
from lim_pipelines.foundation.model import FoundationModel


class Adapted(nn.Module):
    """A block that stays, and a bottleneck behind it that moves.

    Parameters
    ----------
    block
        The block.
    width
        d, width of a token.
    rank
        Width of the bottleneck.
    """

    def __init__(self, block: Block, width: int, rank: int) -> None:
        super().__init__()
        self.block = block
        self.down = nn.Linear(width, rank)
        self.up = nn.Linear(rank, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(
        self,
        tokens: Tensor,
        turn: tuple[Tensor, Tensor],
        mask: Tensor | None,
        causal: bool,
        shown: Tensor | None = None,
    ) -> Tensor:
        """Transform tokens; see `Block.forward`."""
        tokens = self.block(tokens, turn, mask, causal, shown)
        out: Tensor = tokens + self.up(functional.gelu(self.down(normed(tokens))))
        return out


def start(spec: ModelSpec, backbone: FoundationModel) -> FoundationModel:
    """Copy a backbone, with a bottleneck that does nothing yet behind every block."""
    own = copy.deepcopy(backbone).requires_grad_(False)
    for i, block in enumerate(own.backbone.blocks):
        assert isinstance(block, Block)
        own.backbone.blocks[i] = Adapted(block, own.config.shape.d_model, spec.fit.rank)
    return own


def fit(job: Job) -> tuple[Network, neural.Fitted]:
    """Fit bottlenecks and a new head together."""
    torch.manual_seed(job.seed)
    return moving.fit(job, start(job.spec, job.frozen.backbone))
