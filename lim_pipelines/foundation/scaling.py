"""Instance scaling: every variable of every window on its own scale, told by the visible context alone.

What does not belong here: anything fitted on more than one window. No statistic survives a window, so none
can carry the future into the past.

Returns have a natural zero, so they are only divided; a mean of 64 noisy returns would be taken for a trend.
The range and the volume are centred. The spread is the mean absolute deviation, which fat tails move less
than a standard deviation and which, unlike the median absolute deviation, is not zero when half of the bars
are still.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

CLIP = 10.0
"""Scaled values are cut here: a day of -23 % must not own the gradient."""

_CENTRED = {"high", "low", "volume"}
_NORMAL = 1.2533141  # standard deviation of a normal over its mean absolute deviation, sqrt(pi / 2)
_FLOOR = {"volume": 1e-2}
_PRICE_FLOOR = 1e-5


class Scale(NamedTuple):
    """Location and spread of each variable of each window.

    Parameters
    ----------
    location, spread
        (B, 1, p); NaN where the context shows no value of the variable.
    """

    location: Tensor
    spread: Tensor


def fit_scale(values: Tensor, visible: Tensor, names: list[str]) -> Scale:
    """Location and spread of what is visible.

    Parameters
    ----------
    values
        (B, L, p) context.
    visible
        (B, L, p) bool; False where a value is missing or hidden from the model.
    names
        Names of the p variables.
    """
    count = visible.sum(1, keepdim=True)
    known = torch.where(visible, values, 0.0)
    mean = known.sum(1, keepdim=True) / count  # 0 / 0 is NaN: nothing visible, no scale
    centred = torch.tensor([float(name in _CENTRED) for name in names], device=values.device)
    location = mean * centred
    deviation = torch.where(visible, (values - location).abs(), 0.0).sum(1, keepdim=True) / count
    floor = torch.tensor([_FLOOR.get(name, _PRICE_FLOOR) for name in names], device=values.device)
    return Scale(location, torch.maximum(deviation * _NORMAL, floor))


def scaled(values: Tensor, scale: Scale) -> Tensor:
    """Values on the window's scale, cut at `CLIP`; NaN where a value or the scale is missing.

    Parameters
    ----------
    values
        (B, L, p) context or horizon.
    scale
        The window's scale.
    """
    return ((values - scale.location) / scale.spread).clamp(-CLIP, CLIP)


def unscaled(values: Tensor, scale: Scale) -> Tensor:
    """Values in original units; NaN for variables that the context did not show.

    Parameters
    ----------
    values
        (B, L, p) scaled values.
    scale
        The window's scale.
    """
    return values * scale.spread + scale.location
