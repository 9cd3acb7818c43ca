"""Scores of forecast distributions, from their samples.

What does not belong here: what is forecast (`model.py`), which windows are judged (`skill.py`).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def crps(samples: Tensor, truth: Tensor) -> Tensor:
    """Continuous ranked probability score, elementwise, lower is better; in the units of the values.

    E|X - y| - E|X - X'| / 2 with the unbiased estimate of the second term (Gneiting and Raftery 2007,
    Strictly proper scoring rules, equation 20; Zamo and Naveau 2018).

    Parameters
    ----------
    samples
        (S, ...) draws, S > 1.
    truth
        (...) what came; NaN gives NaN.
    """
    count = len(samples)
    near = (samples - truth).abs().mean(0)
    rank = torch.arange(count, dtype=samples.dtype, device=samples.device)
    weight = (2 * rank - count + 1).view(-1, *[1] * truth.ndim)
    apart = (weight * samples.sort(dim=0).values).sum(0) / (count * (count - 1))
    out: Tensor = near - apart
    return out


def crps_of_normal(truth: Tensor) -> Tensor:
    """CRPS of the standard normal forecast, elementwise (Gneiting and Raftery 2007, equation 21)."""
    density = torch.exp(-truth.square() / 2) / math.sqrt(2 * math.pi)
    below = torch.special.ndtr(truth)
    score: Tensor = truth * (2 * below - 1) + 2 * density - 1 / math.sqrt(math.pi)
    return score
