r"""Fine-tuning by layers: the deeper a weight, the later it begins to move, and the slower (ULMFiT).

The head moves from the first step on. With L blocks, the block u places below the head (u = 1 to L) and, as
u = L + 1, what embeds patches begin to move after a share :math:`u / (L + 1) \cdot` `THAWED` of the steps, at
`DECAY` :math:`^u` of the rate. So a head that knows nothing yet cannot wash out what pretraining learned.

Source: Howard and Ruder 2018, Universal Language Model Fine-tuning for Text Classification, section 3.2
(discriminative fine-tuning, gradual unfreezing).

What does not belong here: the loop (`neural.py`).
"""

from __future__ import annotations

from lim_pipelines.finetune import neural
from lim_pipelines.finetune.methods import full, moving
from lim_pipelines.finetune.methods.job import Job
from lim_pipelines.finetune.network import Network
from lim_pipelines.finetune.neural import Group

DECAY = 0.7
"""Rate of a block over that of the one above it."""

THAWED = 0.5
"""Share of the steps after which everything moves."""

start = full.start


def groups_of(network: Network) -> list[Group]:
    """Group a network's weights by how deep they lie, the head first."""
    blocks = [tuple(block.parameters()) for block in reversed(network.backbone.backbone.blocks)]
    above = {id(weights) for block in blocks for weights in block}
    patches = tuple(
        weights
        for weights in network.backbone.parameters()
        if weights.requires_grad and id(weights) not in above
    )
    deeper = [*blocks, patches]
    return [Group(tuple(network.head.parameters()))] + [
        Group(weights, rate=DECAY**u, starts=THAWED * u / len(deeper))
        for u, weights in enumerate(deeper, start=1)
    ]


def fit(job: Job) -> tuple[Network, neural.Fitted]:
    """Fit a copy of the backbone and a new head, layer by layer."""
    return moving.fit(job, start(job.spec, job.frozen.backbone), groups_of)
