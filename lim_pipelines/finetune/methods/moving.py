"""What all methods share that move weights of a backbone: windows are encoded anew in every step.

What does not belong here: which weights move and where they start (a file each), the loop (`neural.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from lim_pipelines.finetune import neural
from lim_pipelines.finetune.batch import Reader
from lim_pipelines.finetune.batches import Rows
from lim_pipelines.finetune.embedding import embed, encoder
from lim_pipelines.finetune.losses import Loss
from lim_pipelines.finetune.methods.job import Job
from lim_pipelines.finetune.methods.new_head import new_head
from lim_pipelines.finetune.network import Network
from lim_pipelines.foundation.model import FoundationModel


def fit(
    job: Job,
    backbone: FoundationModel,
    groups_of: Callable[[Network], Sequence[neural.Group]] | None = None,
    taught: Loss | None = None,
) -> tuple[Network, neural.Fitted]:
    """Fit a backbone and a new head together.

    Parameters
    ----------
    job
        What to fit.
    backbone
        Where it starts, the method's own copy; what requires a gradient moves.
    groups_of
        How its weights move; None: all alike.
    taught
        See `neural.fit`.
    """
    torch.manual_seed(job.seed)
    network = Network(backbone, new_head(job))
    encode, samples = encoder(backbone, job.samples), job.samples
    reader = Reader(samples, network.head.scaling)

    def outputs(rows: Rows) -> torch.Tensor:
        embedded = embed(encode, samples.picks[rows], samples.others[rows])
        out: torch.Tensor = network.head(reader.batch(rows, embedded))
        return out

    groups = groups_of(network) if groups_of else ()
    fitted = neural.fit(network, outputs, job.spec, samples, job.split, job.seed, groups, taught)
    return network, fitted
