"""What trading and shorting cost, instrument by instrument: the linear rates.

What does not belong here: the rates themselves (`exchanges/`, `finetune/costs.py`), costs that depend on the
trade (`impact.py`, `ticks.py`, `tax.py`), interest (`overnight.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lim_pipelines.backtest.grid import Floats
from lim_pipelines.finetune.costs import Costs

DAYS_PER_YEAR = 365.0

TRADE_PARTS = ("commission", "spread", "tax", "impact")
"""Parts of what a trade costs."""

PARTS = (*TRADE_PARTS, "borrow", "financing")
"""Parts of all costs, as columns of `BACKTEST_DAILY`."""


class Rate:
    """A fraction of the value of each of n instruments.

    Parameters
    ----------
    each
        Fractions, shape (n,).
    """

    def __init__(self, each: Floats) -> None:
        self.each = each
        self.same = float(each[0]) if np.ptp(each) == 0 else None

    def on(self, units: Floats, price: Floats, value: Floats) -> Floats:
        """Sum units (B, n) times price (n,) times rate over instruments; `value` (B,) lacks the rate."""
        if self.same is not None:  # one exchange: nothing to add up
            return value * self.same
        return np.asarray(np.vecdot(units, price * self.each)).reshape(np.shape(value))


class CostRates:
    """Linear costs of n instruments.

    Parameters
    ----------
    commission, spread
        Commission and half spread, fraction of the traded value, shape (n,).
    borrow
        Fee for what is held short, fraction of its value a year (actual days over 365), shape (n,).

    Attributes
    ----------
    trade
        Commission and half spread together.
    same
        Whether both are the same for all instruments.
    """

    def __init__(self, commission: Floats, spread: Floats, borrow: Floats) -> None:
        self.commission, self.spread, self.borrow = Rate(commission), Rate(spread), Rate(borrow)
        self.trade = Rate(commission + spread)
        self.same = self.commission.same is not None and self.spread.same is not None


@dataclass(frozen=True)
class Trades:
    """Trades of B books in n instruments on one session; shapes (B, n).

    Parameters
    ----------
    t
        Session.
    units, size
        Units, negative for sales, and without the sign.
    price
        Base currency for a unit, shape (n,).
    value
        Value traded, at least 0, base currency.
    impact
        What the trade moves the price, a fraction of it; 0 where none is asked for.
    """

    t: int
    units: Floats
    size: Floats
    price: Floats
    value: Floats
    impact: Floats | float


class Charge(Protocol):
    """A cost that is no plain fraction of the traded value."""

    @property
    def part(self) -> str:
        """One of `TRADE_PARTS`."""

    def __call__(self, trades: Trades) -> Floats:
        """Money charged for trades, base currency, shape (B, n)."""


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
        np.array([costs.commission_rate(mic) for mic in mics]),
        np.array([costs.spread_rate(mic) for mic in mics]),
        np.array([costs.borrow_rate(mic) for mic in mics]),
    )
