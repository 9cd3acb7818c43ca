"""Prices paid and received lie on the exchange's steps.

What does not belong here: price limits, which are rounded to steps, too (`rules/price_limit.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lim_pipelines.backtest.costs import Trades
from lim_pipelines.backtest.grid import Floats
from lim_pipelines.backtest.market import Market
from lim_pipelines.backtest.rules.table import RuleTable

_NEAR = 1e-9
"""Fraction of a step that is rounding error."""


@dataclass(frozen=True)
class Ticks:
    """The price with its slippage is rounded to a step against the trader; the difference is charged.

    Parameters
    ----------
    rules
        Dated steps.
    market
        Prices.
    spread
        Half spread, fraction of the price, shape (n,).
    always
        Whether every trade moves the price.
    """

    rules: RuleTable
    market: Market
    spread: Floats
    always: bool
    part: str = "spread"

    def __call__(self, trades: Trades) -> Floats:
        """Charge what rounding adds; as `costs.Charge`."""
        rules, moved = self.rules.at(trades.t), self.spread + trades.impact
        # Sales are mirrored: up is against the trader on both sides.
        price = np.copysign(1.0, trades.units)
        price += moved
        price *= self.market.fill[trades.t]
        added = price / rules.any_tick
        added -= _NEAR
        np.ceil(added, added)
        added *= rules.any_tick
        added -= price
        np.fmax(added, 0.0, added)  # where there is no price, nothing is traded
        added *= trades.size
        added *= self.market.point[trades.t]
        added *= rules.ticked
        return added if self.always else added * (moved > 0)
