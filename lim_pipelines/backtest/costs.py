"""What trading and shorting cost, by exchange.

What does not belong here: the rates themselves (`exchanges.py`), when something is traded (`engine.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lim_pipelines.exchanges import get_exchange

Floats = npt.NDArray[np.float64]

BASIS_POINT = 1e-4
DAYS_PER_YEAR = 365.0


@dataclass(frozen=True)
class CostRates:
    """Costs of n instruments.

    Parameters
    ----------
    trade
        Commission and half spread, fraction of the traded value, shape (n,).
    borrow
        Fee for what is held short, fraction of its value a year (actual days over 365), shape (n,).
    """

    trade: Floats
    borrow: Floats


def cost_rates(mics: Sequence[str]) -> CostRates:
    """Cost rates of instruments, by the exchange of each.

    Parameters
    ----------
    mics
        Exchange identifier of each of n instruments.

    Raises
    ------
    UnknownExchangeError
        An identifier is not registered.
    """
    exchanges = [get_exchange(mic) for mic in mics]
    return CostRates(
        np.array([(e.commission_bps + e.half_spread_bps) * BASIS_POINT for e in exchanges]),
        np.array([e.borrow_bps_per_year * BASIS_POINT for e in exchanges]),
    )
