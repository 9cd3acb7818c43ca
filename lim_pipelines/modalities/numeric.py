"""Windows of numbers to vectors: each variable on the window's own scale, so that shapes can be compared.

What does not belong here: which numbers (`windows.py` for bars), anything fitted on more than one window.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lim_pipelines.modalities.base import Floats, digest_of

CLIP = 4.0
"""Standard deviations at which a value is cut: one day must not be the whole shape."""


class WindowEncoder:
    """Windows of L steps x p variables to vectors of L * p numbers.

    Each variable of a window is centred and divided by its standard deviation in that window, cut at `CLIP`,
    and the whole is brought to length 1. A missing value, and a variable that does not move, is 0.

    Parameters
    ----------
    length
        L, steps a window.
    variables
        Names of the p variables.
    """

    name = "window"

    def __init__(self, length: int, variables: tuple[str, ...]) -> None:
        self.length = length
        self.variables = variables

    @property
    def width(self) -> int:
        """L * p."""
        return self.length * len(self.variables)

    @property
    def digest(self) -> str:
        """Of the settings."""
        return digest_of({"length": self.length, "variables": self.variables, "clip": CLIP, "version": 1})

    def encode(self, batch: npt.NDArray[np.floating]) -> Floats:
        """Encode n windows.

        Parameters
        ----------
        batch
            (n, L, p) numbers; NaN is missing.

        Returns
        -------
        (n, L * p) float32
            Variable by variable.
        """
        # Sums run along the last axis, in memory order, so that a row's bits do not depend on n.
        values = np.ascontiguousarray(np.swapaxes(np.asarray(batch, dtype=np.float64), 1, 2))
        known = np.isfinite(values)
        count = np.maximum(known.sum(axis=2, keepdims=True), 1)
        values = np.where(known, values, 0.0)
        centred = np.where(known, values - values.sum(axis=2, keepdims=True) / count, 0.0)
        spread = np.sqrt((centred**2).sum(axis=2, keepdims=True) / count)
        # What is left of a constant after rounding is no movement.
        still = spread <= 1e-9 * np.abs(values).max(axis=2, keepdims=True, initial=0.0)
        scaled = np.where(still, 0.0, centred / np.where(still, 1.0, spread)).clip(-CLIP, CLIP)
        flat = scaled.reshape(len(batch), self.width)
        norm = np.sqrt((flat**2).sum(axis=1, keepdims=True))
        unit: Floats = (flat / np.where(norm > 0, norm, 1.0)).astype(np.float32)
        return unit
