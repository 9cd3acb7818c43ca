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

RECENT = (4.0, 11.0, 28.0)
"""Half-lives of the means and volatilities that a patch is told; 11 bars are RiskMetrics' decay."""

NATURAL_ZERO = ("close", "open")
"""Variables that are not centred."""

_NORMAL = 1.2533141  # standard deviation of a normal over its mean absolute deviation, sqrt(pi / 2)
_FLOORS = {"volume": 1e-2}  # a logarithm
_FLOOR = 1e-5  # of returns of a second, and of variables in whatever unit


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
    known = torch.where(seen, values, 0.0)
    weight = _running(seen.to(values.dtype), patch, HALF_LIFE, piece)
    centred = torch.tensor([float(name not in NATURAL_ZERO) for name in names], device=values.device)
    # 0 / 0 is NaN: nothing seen, no scale.
    location = _running(known, patch, HALF_LIFE, piece) / weight * centred
    off = torch.where(seen, (values - on_bars(location, patch)).abs(), 0.0)
    spread = _running(off, patch, HALF_LIFE, piece) / weight * _NORMAL
    floor = [_FLOORS.get(name, _FLOOR) for name in names]
    return Scale(location, torch.maximum(spread, torch.tensor(floor, device=values.device)), weight)


def recent_moments(
    values: Tensor, seen: Tensor, scale: Scale, patch: int, piece: Tensor | None = None
) -> Tensor:
    """Mean and volatility of late on the slow scale: trends and clusters that it does not tell.

    The mean of a few bars is told in its own standard errors. Volatilities are root mean squares in logs,
    because squared returns are what variances are made of; the spread that everything is divided by stays
    robust. Every bar is measured by the scale of its own patch, as the tokens are.

    Parameters
    ----------
    values, seen, patch, piece
        See `running_scale`.
    scale
        What that gave.

    Returns
    -------
    (B, N, p, 2 * len(RECENT))
        NaN where nothing was seen.
    """
    off = torch.where(seen, (values - on_bars(scale.location, patch)) / on_bars(scale.spread, patch), 0.0)
    sums = torch.cat([off, off.square(), seen.to(values.dtype)], dim=-1)
    parts = []
    for half_life in RECENT:
        total, square, count = _running(sums, patch, half_life, piece).chunk(3, dim=-1)
        parts += [total / count.sqrt(), (square / count).clamp(min=1e-6).log() / 2]
    return torch.stack(parts, dim=-1)


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


def on_bars(of_patches: Tensor, patch: int) -> Tensor:
    """Repeat what holds for patches (B, N, p) on their bars, (B, L, p)."""
    return of_patches[:, :, None].expand(-1, -1, patch, -1).flatten(1, 2)


def _running(parts: Tensor, patch: int, half_life: float, piece: Tensor | None) -> Tensor:
    """Sum (B, L, p) up to each patch's end with weights that halve with age, (B, N, p), within a piece.

    By a matrix over patches, not by a running sum: nothing overflows or cancels, however long the context.
    """
    batch, length, p = parts.shape
    n = length // patch
    at = torch.arange(n, device=parts.device)
    within = torch.exp2((torch.arange(patch, device=parts.device) - (patch - 1)) / half_life)
    lag = at[:, None] - at
    decay = torch.where(lag >= 0, torch.exp2(-lag.clamp(min=0) * (patch / half_life)), 0.0)
    if piece is not None:
        decay = decay * (piece[:, :, None] == piece[:, None, :])
    # In bf16 a volume's logarithm would lose what its spread is made of.
    with torch.autocast(parts.device.type, enabled=False):
        sums = (parts.reshape(batch, n, patch, p) * within[:, None]).sum(2)
        return decay.to(sums.dtype) @ sums


def starts(piece: Tensor) -> Tensor:
    """Position of the first patch of each patch's piece: (B, N) -> (B, N)."""
    at = torch.arange(piece.shape[1], device=piece.device).expand_as(piece)
    begins = torch.ones_like(piece, dtype=torch.bool)
    begins[:, 1:] = piece[:, 1:] != piece[:, :-1]
    return torch.where(begins, at, 0).cummax(1).values
