"""Floating point operations that a training step of the model needs: what its formula needs, not what ran.

What does not belong here: how fast a training does them (`progress.py`, `benchmarks/`).

A matrix of N weights takes 2 N operations a token forward and twice that backward, so 6 N (Kaplan et al.
2020, section 2.1); attention takes 4 S d a token for S keys forward, half of them where it is causal. Norms,
rotations, the head's loss and the optimiser are left out, as is usual for MFU (Chowdhery et al. 2022, PaLM,
appendix B).
"""

from __future__ import annotations

import functools
import time

import torch
from torch import nn

from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.layouts import SLOTS
from lim_pipelines.foundation.model import FoundationModel
from lim_pipelines.foundation.objective import MOST_ASKED


def tokens_of(config: FoundationConfig) -> int:
    """Tokens of a window in training."""
    return _patches(config) * (1 if config.layout == "patch" else len(SLOTS))


def training_flops(model: FoundationModel) -> int:
    """Operations that training on one window takes, forward and backward.

    Parameters
    ----------
    model
        The model; only the shapes of its matrices count.
    """
    config = model.config
    n, v = _patches(config), 1 if config.layout == "patch" else len(SLOTS)
    asked = n if model.masked else min(MOST_ASKED, config.context // config.patch)
    reach = model.reach // config.patch
    positions = {
        "embed.": n * v,
        "time.": n,
        "backbone.": n * v,
        "decode.up": asked * v,
        "decode.out": asked * v * reach,
        "decode.component": asked,
    }
    forward = 0
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            (times,) = (count for prefix, count in positions.items() if name.startswith(prefix))
            forward += 2 * module.in_features * module.out_features * times
    forward += config.shape.layers * 4 * config.shape.d_model * _pairs(config, n, v, causal=not model.masked)
    return 3 * forward


@functools.cache
def gemm_flops(precision: str) -> float | None:
    """Operations a second of a large matrix product on this process's GPU, measured; None without a GPU.

    Parameters
    ----------
    precision
        `Training.precision`.
    """
    if not torch.cuda.is_available():
        return None
    dtype = torch.bfloat16 if precision == "bf16-mixed" else torch.float32
    size, times = 8192, 10
    a = torch.randn(size, size, device="cuda", dtype=dtype)
    a @ a
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(times):
        a @ a
    torch.cuda.synchronize()
    seconds = time.perf_counter() - start
    # Its matrices are none of the training's memory.
    torch.cuda.reset_peak_memory_stats()
    return 2 * size**3 * times / seconds


def _patches(config: FoundationConfig) -> int:
    bars = config.context + config.coarse + (config.horizon if config.objective == "masked" else 0)
    return bars // config.patch


def _pairs(config: FoundationConfig, n: int, v: int, *, causal: bool) -> int:
    """Pairs of a query and a key in a layer."""
    if config.layout == "two_level":
        return v * _seen(n, causal) + n * v * v
    return _seen(n, causal) * v * v


def _seen(n: int, causal: bool) -> int:
    return n * (n + 1) // 2 if causal else n * n
