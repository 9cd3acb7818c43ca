"""What every fine-tuning method gets, and what it gives back.

What does not belong here: the methods (a file each), which name means which (`registry.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lim_pipelines.finetune.base import Forecaster
from lim_pipelines.finetune.embedding import Frozen
from lim_pipelines.finetune.neural import Fitted
from lim_pipelines.finetune.samples import Samples
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.finetune.split import Split


@dataclass(frozen=True)
class Job:
    """One fit.

    Parameters
    ----------
    spec
        Task, horizon and fit settings.
    frozen
        The checkpoint's backbone with the embeddings that all fits share. No method changes it.
    samples
        Samples known at the cutoff.
    split
        Rows to fit on and to validate on.
    seed
        Seed of new weights, of the batches and of dropout.
    """

    spec: ModelSpec
    frozen: Frozen
    samples: Samples
    split: Split
    seed: int


Method = Callable[[Job], tuple[Forecaster, Fitted]]
"""A fine-tuning method: one fit, from the checkpoint to a forecaster."""
