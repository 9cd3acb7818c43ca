"""Time series momentum: the sign of the return of the last twelve months.

What does not belong here: how large a position is; portfolios size it by volatility, as the paper below does.

T. Moskowitz, Y. H. Ooi and L. H. Pedersen (2012), Time series momentum, Journal of Financial Economics 104,
section 3.2.
"""

from __future__ import annotations

import numpy as np

from lim_pipelines.finetune.controls.lookback import of_past_returns
from lim_pipelines.finetune.samples import Floats, Samples

YEAR = 252
"""Sessions of twelve months."""


class Tsmom:
    """The forecast is one scale up or down; a `Forecaster`."""

    def outputs(self, samples: Samples) -> Floats:
        """See `base.Forecaster`."""
        return of_past_returns(samples, YEAR, lambda returns: np.sign(returns.sum(axis=1)))[:, None]
