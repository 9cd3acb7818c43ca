"""What baselines that know a window by its context alone have in common: nothing is fitted.

What does not belong here: a method.
"""

from __future__ import annotations

import numpy as np

from lim_pipelines.foundation.baselines.paths import CLOSE
from lim_pipelines.foundation.series import Floats, Ints
from lim_pipelines.foundation.windows import WindowBatch, Windows


class Unfitted:
    """Learns nothing: the context of a window is all that it knows."""

    def fit(self, store: Windows, picks: Ints) -> None:
        """Do nothing."""


class Driftless(Unfitted):
    """Has no view where the price goes: for every path there is one with the other sign."""

    def expected(self, batch: WindowBatch, horizon: int) -> Floats:
        """See `base.Expecting.expected`: 0."""
        shown = np.isfinite(batch.values[:, :, CLOSE]).any(axis=1)
        return np.repeat(np.where(shown, 0.0, np.nan).astype(np.float32)[:, None], horizon, axis=1)
