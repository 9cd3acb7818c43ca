"""Feature-based transfer: the backbone stays as it is, a new head is fitted (paper section 5.2).

The embeddings are computed once and shared by all seeds.

What does not belong here: the loop (`neural.py`), embeddings (`embedding.py`).
"""

from __future__ import annotations

import torch

from lim_pipelines.finetune import neural
from lim_pipelines.finetune.batch import Reader
from lim_pipelines.finetune.batches import Rows
from lim_pipelines.finetune.methods.job import Job
from lim_pipelines.finetune.methods.new_head import new_head
from lim_pipelines.finetune.network import FrozenNetwork


def fit(job: Job) -> tuple[FrozenNetwork, neural.Fitted]:
    """Fit a head on the backbone's embeddings.

    Parameters
    ----------
    job
        What to fit.
    """
    torch.manual_seed(job.seed)
    embedded = job.frozen.embed(job.samples)
    head = new_head(job)
    reader = Reader(job.samples, head.scaling)

    def outputs(rows: Rows) -> torch.Tensor:
        out: torch.Tensor = head(reader.batch(rows, embedded.at(rows)))
        return out

    fitted = neural.fit(head, outputs, job.spec, job.samples, job.split, job.seed)
    return FrozenNetwork(job.frozen, head), fitted
