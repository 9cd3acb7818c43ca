"""Standardisation of inputs, fitted on rows before the cutoff and stored with the model (paper section 5.1).

What does not belong here: the windows' own scaling, which no fit touches (`foundation/scaling.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lim_pipelines.finetune.samples import Floats

LIMIT = 5.0
"""Standardised values are cut here: a feature that leaves its past range must not carry a forecast away."""


@dataclass(frozen=True)
class Scaling:
    """Mean and spread of F columns.

    Parameters
    ----------
    mean, spread
        Shape (F,); spread is 1 where a column was constant or never known.
    """

    mean: Floats
    spread: Floats

    @classmethod
    def of(cls, values: Floats) -> Scaling:
        """Fit on values of shape (N, F); NaN is left out."""
        known = np.isfinite(values)
        counts = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, values, 0.0).sum(axis=0) / counts
        spread = np.sqrt((np.where(known, values - mean, 0.0) ** 2).sum(axis=0) / counts)
        return cls(mean, np.where(spread > 0, spread, 1.0))

    def apply(self, values: Floats) -> Floats:
        """Standardise values of shape (N, F); what is missing (NaN) becomes 0, the mean."""
        scaled = np.clip((values - self.mean) / self.spread, -LIMIT, LIMIT)
        return np.asarray(np.where(np.isfinite(scaled), scaled, 0.0))
