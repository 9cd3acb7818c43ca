"""Patches: the tokens of a time series, and which of them training hides (paper, section 4.2, principle 3).

What does not belong here: projections (`layouts.py`, `model.py`).

The paper's random masks make the model see every context length from one patch to the full window. Here the
attention is causal and every patch of a window is asked for its horizon, so a window trains all of its
context lengths at once. Hiding single patches of single variables comes on top: missing data.
"""

from __future__ import annotations

import torch
from torch import Tensor


def to_patches(values: Tensor, patch: int) -> Tensor:
    """Cut a grid into patches: (B, L, p) -> (B, L / patch, p, patch)."""
    batch, length, p = values.shape
    return values.reshape(batch, length // patch, patch, p).transpose(2, 3)


def from_patches(patches: Tensor) -> Tensor:
    """Merge patches back to the original grid: (B, N, p, patch) -> (B, N * patch, p)."""
    batch, n, p, patch = patches.shape
    return patches.transpose(2, 3).reshape(batch, n * patch, p)


def horizons(values: Tensor, future: Tensor, patch: int, horizon: int) -> Tensor:
    """Bars behind each patch: (B, L, p), (B, L_Y, p) -> (B, L / patch, horizon, p), a view of one copy.

    Parameters
    ----------
    values, future
        Context, and what follows it.
    patch
        Bars in a patch.
    horizon
        Bars behind each patch, at most L_Y.
    """
    n = values.shape[1] // patch
    whole = torch.cat([values, future], dim=1)
    return whole[:, patch:].unfold(1, horizon, patch)[:, :n].transpose(2, 3)


def packed_horizons(
    values: Tensor, future: Tensor, window: Tensor, asked: Tensor, patch: int, horizon: int
) -> Tensor:
    """Bars behind some patches of packed rows, each within its own window: (B, R, horizon, p).

    Parameters
    ----------
    values
        (B, L, p) windows, one behind the other.
    future
        (B, W, L_Y, p) what follows each window.
    window
        (B, N) window of each patch, from 0 upwards; W for what is left of a row.
    asked
        (B, R) patches.
    patch
        Bars in a patch.
    horizon
        Bars behind each patch, at most L_Y.
    """
    (batch, n), ahead = window.shape, future.shape[2] // patch
    bars = torch.cat(
        [values.reshape(batch, n, patch, -1), future.reshape(batch, -1, patch, values.shape[2])], dim=1
    )
    position = torch.arange(n, device=window.device).expand(batch, n)
    ends = torch.ones_like(window, dtype=torch.bool)
    ends[:, :-1] = window[:, 1:] != window[:, :-1]
    last = torch.where(ends, position, n).flip(1).cummin(1).values.flip(1).gather(1, asked)[..., None]
    behind = asked[..., None] + torch.arange(1, horizon // patch + 1, device=window.device)
    own = window.gather(1, asked).clamp(max=future.shape[1] - 1)[..., None]
    index = torch.where(behind <= last, behind, n + own * ahead + behind - last - 1)
    rows = torch.arange(batch, device=window.device)[:, None, None]
    return bars[rows, index].flatten(2, 3)


def draw_hidden(batch: int, patches: int, p: int, most: float, generator: torch.Generator) -> Tensor:
    """Patches to hide: each window hides a share of its own, between 0 and `most`.

    Returns
    -------
    (batch, patches, p) bool
        True where hidden.
    """
    share = torch.rand((batch, 1, 1), generator=generator) * most
    return torch.rand((batch, patches, p), generator=generator) < share
