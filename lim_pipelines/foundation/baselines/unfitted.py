"""What baselines that know a window by its context alone have in common: nothing is fitted.

What does not belong here: a method.
"""

from __future__ import annotations

from lim_pipelines.foundation.series import Ints
from lim_pipelines.foundation.windows import Windows


class Unfitted:
    """Learns nothing: the context of a window is all that it knows."""

    def fit(self, store: Windows, picks: Ints) -> None:
        """Do nothing."""
