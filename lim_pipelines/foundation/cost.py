"""What a training takes: windows, tokens and operations a step, time and memory in all.

What does not belong here: counting operations (`flops.py`), when they are written down (`progress.py`).
"""

from __future__ import annotations

import resource
from dataclasses import dataclass

import torch

from lim_pipelines.foundation.flops import gemm_flops, tokens_of, training_flops
from lim_pipelines.foundation.model import FoundationModel
from lim_pipelines.foundation.processes import world


@dataclass(frozen=True)
class Work:
    """What a training step takes.

    Parameters
    ----------
    windows, tokens
        Of a step, all processes together.
    flops
        Of a step, see `flops.py`.
    peak
        Operations a second that all processes together could do, as measured; None on CPUs.
    """

    windows: int
    tokens: int
    flops: int
    peak: float | None


def work_of(model: FoundationModel) -> Work:
    """Say what a step of a model's training takes, by its configuration."""
    config = model.config
    size, peak = config.batch_size, gemm_flops(config.training.precision)
    return Work(
        windows=size,
        tokens=size * tokens_of(config),
        flops=size * training_flops(model),
        peak=None if peak is None else peak * world(config.training),
    )


def cost_of(work: Work, steps: int, seconds: float) -> dict[str, float]:
    """Say what a training took, as `Meta.cost` has it.

    Parameters
    ----------
    work
        What a step takes.
    steps
        Steps of the training.
    seconds
        Its wall time.
    """
    if torch.cuda.is_available():
        peak = torch.cuda.max_memory_allocated() / 2**20
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "tokens": work.tokens * steps,
        "flops": work.flops * steps,
        "train_seconds": round(seconds, 3),
        "windows_per_s": round(work.windows * steps / max(seconds, 1e-9), 1),
        "peak_memory_mb": round(peak, 1),
    }
