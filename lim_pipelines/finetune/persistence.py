"""Persistence: the last horizon's return repeats. The control without parameters.

What does not belong here: anything fitted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lim_pipelines.finetune.samples import Floats, Samples


@dataclass(frozen=True)
class Persistence:
    """The forecast is the return of the last `horizon` sessions; a `Forecaster`.

    Parameters
    ----------
    horizon
        Sessions.
    """

    horizon: int

    def outputs(self, samples: Samples) -> Floats:
        """See `base.Forecaster`."""
        return np.asarray(samples.past_return / samples.scale(self.horizon))[:, None]
