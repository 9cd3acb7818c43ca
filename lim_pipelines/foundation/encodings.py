"""Encodings: when a patch lies, and what series it is from (paper, section 4.3).

What does not belong here: the values themselves and which variable they are (`layouts.py`), the order of
patches (rotary positions in `backbone.py`).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from lim_pipelines.foundation.config import FREQS
from lim_pipelines.foundation.series import CALENDAR, CYCLES
from lim_pipelines.instruments import ASSET_CLASSES

_GAP = CALENDAR.index("gap")
_HARMONICS = 2


class TimeEncoding(nn.Module):
    """Time encoding vector of each patch: the calendar of its last bar, and the gaps before each of its bars.

    Cyclic features enter as sines and cosines. Gaps tell irregular sampling: weekends, halts, thin trading.

    Parameters
    ----------
    patch
        Bars in a patch.
    width
        Width of the vectors.
    """

    def __init__(self, patch: int, width: int) -> None:
        super().__init__()
        self.patch = patch
        self.cycles = [CALENDAR.index(name) for name in CYCLES]
        features = len(CYCLES) * 2 * _HARMONICS + len(CALENDAR) + patch
        self.project = nn.Linear(features, width, bias=False)

    def forward(self, calendar: Tensor) -> Tensor:
        """Encode calendar features (B, L, k) as (B, N, width)."""
        batch, length, k = calendar.shape
        bars = calendar.reshape(batch, length // self.patch, self.patch, k)
        last = bars[:, :, -1]
        angle = last[..., self.cycles, None] * torch.arange(1, _HARMONICS + 1, device=last.device)
        angle = (2 * math.pi * angle).flatten(2)
        features = torch.cat([angle.sin(), angle.cos(), last, bars[..., _GAP]], dim=-1)
        out: Tensor = self.project(features)
        return out


class SeriesEncoding(nn.Module):
    """Vector of a patch's frequency and asset class.

    Both tables begin at zero, so a class that pretraining never met (commodities, say) adds nothing instead
    of noise.

    Parameters
    ----------
    width
        Width of the vector.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.freq = nn.Parameter(torch.zeros(len(FREQS), width))
        self.asset_class = nn.Parameter(torch.zeros(len(ASSET_CLASSES), width))

    def forward(self, freq: Tensor, asset_class: Tensor) -> Tensor:
        """Encode vocabulary positions (B, N), (B, N) as (B, N, width)."""
        of_freq = functional.embedding(freq, self.freq)
        return of_freq + functional.embedding(asset_class, self.asset_class)
