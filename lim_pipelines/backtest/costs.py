"""What trading and shorting cost, by exchange.

What does not belong here: the rates themselves (`exchanges/`), when something is traded (`engine.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lim_pipelines.exchanges import get_exchange
from lim_pipelines.portfolio.trading import BASIS_POINT, trade_rate

Floats = npt.NDArray[np.float64]

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
    return CostRates(
        np.array([trade_rate(mic) for mic in mics]),
        np.array([get_exchange(mic).borrow_bps_per_year * BASIS_POINT for mic in mics]),
    )
