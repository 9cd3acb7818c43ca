"""Nobody buys at the upper limit of a session's prices, nobody sells at the lower one.

What does not belong here: halts, which have no price (`fills.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lim_pipelines.backtest.grid import Floats
from lim_pipelines.backtest.rules.order import Order
from lim_pipelines.backtest.rules.table import RuleTable

_NEAR = 1e-9


@dataclass(frozen=True)
class PriceLimit:
    """Orders wait where the fill price stands at its limit."""

    rules: RuleTable

    def __call__(self, order: Order) -> None:
        """Cut trades that meet nobody."""
        rules = self.rules.at(order.t)
        limited = np.isfinite(rules.price_limit)
        before, fill = order.market.before[order.t], order.market.fill[order.t]
        if not limited.any():
            return
        # An instrument's first session has no price before, and comparisons with NaN are false.
        up = _to_tick(before * (1.0 + rules.price_limit), rules.tick)
        down = _to_tick(before * (1.0 - rules.price_limit), rules.tick)
        no_buyers = limited & (fill <= down * (1.0 + _NEAR))
        no_sellers = limited & (fill >= up * (1.0 - _NEAR))
        locked = (no_sellers & (order.trade > 0)) | (no_buyers & (order.trade < 0))
        order.trade = np.where(locked, 0.0, order.trade)
        order.waits |= locked
        order.cut(locked, "price_limit")


def _to_tick(price: Floats, tick: Floats) -> Floats:
    """Round to the nearest tick, halves up; 0 is no tick."""
    size = np.where(tick > 0, tick, 1.0)
    return np.where(tick > 0, np.floor(price / size + 0.5 + _NEAR) * size, price)
