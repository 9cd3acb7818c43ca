"""Patches: the tokens of a time series, and which of them training hides (paper, section 4.2, principle 3).

What does not belong here: projections (`encodings.py`, `model.py`).

Two kinds of masking. Dropping the oldest patches trains every context length from one patch to the full
window. Hiding single patches of single variables gives the self-supervised reconstruction task.
"""

from __future__ import annotations

import torch
from torch import Tensor

MAX_HIDDEN = 0.5
"""Each window hides a share of its patches between 0 and this: some windows are seen whole, as in use."""


def to_patches(values: Tensor, patch: int) -> Tensor:
    """Cut a grid into patches: (B, L, p) -> (B, L / patch, p, patch)."""
    batch, length, p = values.shape
    return values.reshape(batch, length // patch, patch, p).transpose(2, 3)


def from_patches(patches: Tensor) -> Tensor:
    """Merge patches back to the original grid: (B, N, p, patch) -> (B, N * patch, p)."""
    batch, n, p, patch = patches.shape
    return patches.transpose(2, 3).reshape(batch, n * patch, p)


def draw_length(patches: int, generator: torch.Generator) -> int:
    """Context length of a batch, in patches: uniform over 1 .. `patches`.

    The length is drawn for a batch, not for a window: patches that no window sees are never computed.
    """
    return int(torch.randint(1, patches + 1, (1,), generator=generator))


def draw_hidden(batch: int, patches: int, p: int, generator: torch.Generator) -> Tensor:
    """Patches to hide and reconstruct.

    Returns
    -------
    (batch, patches, p) bool
        True where hidden.
    """
    share = torch.rand((batch, 1, 1), generator=generator) * MAX_HIDDEN
    return torch.rand((batch, patches, p), generator=generator) < share
