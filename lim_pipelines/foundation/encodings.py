"""Encodings: when a patch lies, which variable it shows, what series it is from (paper, section 4.3).

What does not belong here: the values themselves (`patching.py`, `scaling.py`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class TimeEncoding(nn.Module):
    """Time encoding vectors of context and horizon patches.

    A context patch is encoded by its calendar features and by its age, counted back from the last patch, so
    that a shorter context looks like the end of a longer one. A horizon patch is encoded by its step offset
    only: the time stamps of future bars (a half day, a halt) are not known when the forecast is made.

    Parameters
    ----------
    patches, horizon_patches
        Most context patches; horizon patches.
    features
        Calendar features of a patch: patch length times k.
    width
        Width of the vectors.
    """

    def __init__(self, patches: int, horizon_patches: int, features: int, width: int) -> None:
        super().__init__()
        self.calendar = nn.Linear(features, width)
        self.age = nn.Parameter(torch.randn(patches, width) * 0.5)
        self.offset = nn.Parameter(torch.randn(horizon_patches, width) * 0.5)

    def forward(self, calendar: Tensor, patch: int) -> tuple[Tensor, Tensor]:
        """Encode times.

        Parameters
        ----------
        calendar
            (B, L, k) features of the context's bars.
        patch
            Bars in a patch.

        Returns
        -------
        (B, N, width), (M, width)
            Vectors of the context's and of the horizon's patches.
        """
        batch, length, k = calendar.shape
        n = length // patch
        context: Tensor = self.calendar(calendar.reshape(batch, n, patch * k)) + self.age[:n].flip(0)
        return context, self.offset


class SeriesEncoding(nn.Module):
    """One token for the whole series: its frequency and its asset class.

    Both tables begin at zero, so a class that pretraining never met (commodities, say) adds nothing instead
    of noise.

    Parameters
    ----------
    freqs, asset_classes
        Sizes of the vocabularies.
    width
        Width of the token.
    """

    def __init__(self, freqs: int, asset_classes: int, width: int) -> None:
        super().__init__()
        self.base = nn.Parameter(torch.randn(width) * 0.5)
        self.freq = nn.Parameter(torch.zeros(freqs, width))
        self.asset_class = nn.Parameter(torch.zeros(asset_classes, width))

    def forward(self, freq: Tensor, asset_class: Tensor) -> Tensor:
        """Encode series: (B,), (B,) -> (B, width)."""
        return self.base + self.freq[freq] + self.asset_class[asset_class]
