"""What trading and shorting cost, instrument by instrument.

What does not belong here: the rates themselves (`exchanges/`, `finetune/costs.py`), when something is traded
(`engine.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lim_pipelines.finetune.costs import Costs

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


def cost_rates(mics: Sequence[str], costs: Costs) -> CostRates:
    """Cost rates of instruments, by the exchange of each.

    Parameters
    ----------
    mics
        Exchange identifier of each of n instruments.
    costs
        What the strategy says of them.

    Raises
    ------
    UnknownExchangeError
        An identifier is not registered.
    """
    return CostRates(
        np.array([costs.trade_rate(mic) for mic in mics]),
        np.array([costs.borrow_rate(mic) for mic in mics]),
    )
