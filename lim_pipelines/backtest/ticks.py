"""Prices paid and received lie on the exchange's steps.

What does not belong here: price limits, which are rounded to steps, too (`rules/price_limit.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lim_pipelines.backtest.grid import Floats
from lim_pipelines.backtest.impact import Impact
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
    impact
        What else moves the price.
    """

    rules: RuleTable
    market: Market
    spread: Floats
    impact: Impact | None
    part: str = "spread"

    def __call__(self, t: int, trade: Floats, value: Floats) -> Floats:
        """Charge what rounding adds; as `costs.Charge`."""
        tick = self.rules.at(t).tick
        moved = self.spread if self.impact is None else self.spread + self.impact.rate(t, value)
        size, side = np.where(tick > 0, tick, 1.0), np.copysign(1.0, trade)
        # Sales are mirrored: up is against the trader on both sides.
        price = self.market.fill[t] * (side + moved)
        added = np.maximum(np.ceil(price / size - _NEAR) * size - price, 0.0)
        money = added * np.abs(trade) * self.market.point[t]
        return np.where((value > 0) & (tick > 0) & (moved > 0), money, 0.0)
