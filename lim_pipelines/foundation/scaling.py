"""Instance scaling: every variable on its window's own scale, told by what lies before, never behind.

What does not belong here: anything fitted on more than one window. No statistic survives a window, so none
can carry the future into the past.

Every patch has its own location and spread, of the bars of its window up to its own end: so a forecast may be
asked for behind every patch of a window, and what a shorter context says is what the longer one said there.
Recent bars weigh more (half-life below), because volatility clusters. Returns have a natural zero, so they
are only divided; a mean of 64 noisy returns would be taken for a trend. All others are centred. The spread is
a mean absolute deviation, which fat tails move less than a standard deviation and which, unlike the median
absolute deviation, is not zero when half of the bars are still.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

HALF_LIFE = 64.0
"""Bars after which a bar's weight in location and spread has halved."""

NATURAL_ZERO = ("close", "open")
"""Variables that are not centred."""

_NORMAL = 1.2533141  # standard deviation of a normal over its mean absolute deviation, sqrt(pi / 2)
_PRICES = ("close", "open", "high", "low")
_PRICE_FLOOR, _FLOOR = 1e-5, 1e-2


class Scale(NamedTuple):
    """Location and spread of each variable at the end of each patch.

    Parameters
    ----------
    location, spread
        (B, N, p); NaN where no value of the variable was seen by then.
    weight
        (B, N, p) weight of the bars seen by then, in bars; at most `HALF_LIFE` / ln 2.
    """

    location: Tensor
    spread: Tensor
    weight: Tensor

    def at(self, patches: Tensor) -> Scale:
        """Scale at some patches of each window: (B, R) positions."""
        index = patches[..., None].expand(-1, -1, self.spread.shape[-1])
        return Scale(*(part.gather(1, index) for part in self))

    def last(self) -> Scale:
        """Scale at the end of the context, (B, 1, p)."""
        return Scale(*(part[:, -1:] for part in self))


def running_scale(
    values: Tensor, seen: Tensor, names: tuple[str, ...], patch: int, piece: Tensor | None = None
) -> Scale:
    """Scale at the end of every patch, of what was seen by then.

    Parameters
    ----------
    values
        (B, L, p) context.
    seen
        (B, L, p) bool; False where a value is missing or hidden from the model.
    names
        Names of the p variables.
    patch
        Bars in a patch; divides L.
    piece
        (B, L / patch) which piece of a packed row each patch belongs to: scales begin anew with each. None:
        one piece.
    """
    length = values.shape[1]
    # Weights grow with time instead of falling with age: one running sum serves all ends.
    growth = torch.exp2((torch.arange(length, device=values.device) - (length - 1)) / HALF_LIFE)[:, None]
    weights = torch.where(seen, growth, 0.0)
    known = torch.where(seen, values, 0.0)
    start = None if piece is None else starts(piece)
    weight = _running(weights, patch, start)
    centred = torch.tensor([float(name not in NATURAL_ZERO) for name in names], device=values.device)
    location = _running(weights * known, patch, start) / weight * centred  # 0 / 0 is NaN: nothing seen
    around = location.nan_to_num().repeat_interleave(patch, dim=1)
    spread = _running(weights * (known - around).abs(), patch, start) / weight * _NORMAL
    floor = [_PRICE_FLOOR if name in _PRICES else _FLOOR for name in names]
    spread = torch.maximum(spread, torch.tensor(floor, device=values.device))
    in_bars = weight / growth[patch - 1 :: patch]
    return Scale(location, spread, in_bars)


def scaled(values: Tensor, scale: Scale) -> Tensor:
    """Values on a scale; NaN where a value or the scale is missing.

    Parameters
    ----------
    values
        (B, L, p) or (B, R, L, p).
    scale
        Of (B, 1, p), or of (B, R, p) for values with R horizons.
    """
    location, spread = (
        part[:, :, None] if values.ndim == 4 else part for part in (scale.location, scale.spread)
    )
    return (values - location) / spread


def unscaled(values: Tensor, scale: Scale) -> Tensor:
    """Values in original units; NaN for variables that the context did not show.

    Parameters
    ----------
    values
        (..., B, L, p) scaled values.
    scale
        Of (B, 1, p).
    """
    return values * scale.spread + scale.location


def _running(parts: Tensor, patch: int, start: Tensor | None) -> Tensor:
    """Sums of (B, L, p) up to each patch's end, (B, N, p), since the start of its piece."""
    batch, length, p = parts.shape
    sums = parts.reshape(batch, length // patch, patch, p).sum(2).cumsum(1)
    if start is None:
        return sums
    before = torch.cat([torch.zeros_like(sums[:, :1]), sums], dim=1)
    return sums - before.gather(1, start[..., None].expand(-1, -1, p))


def starts(piece: Tensor) -> Tensor:
    """Position of the first patch of each patch's piece: (B, N) -> (B, N)."""
    at = torch.arange(piece.shape[1], device=piece.device).expand_as(piece)
    begins = torch.ones_like(piece, dtype=torch.bool)
    begins[:, 1:] = piece[:, 1:] != piece[:, :-1]
    return torch.where(begins, at, 0).cummax(1).values
