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
        before, fill = order.market.before[order.t], order.market.fill[order.t]
        # Rounding moves a limit by half a tick at most. In an instrument's first session there is no price
        # before, and comparisons with NaN are false.
        moved = np.abs(fill - before)
        near = np.flatnonzero(moved >= before * (rules.price_limit - _NEAR) - rules.tick)
        if not len(near):
            return
        before, fill, tick, limit = before[near], fill[near], rules.tick[near], rules.price_limit[near]
        up, down = _to_tick(before * (1.0 + limit), tick), _to_tick(before * (1.0 - limit), tick)
        no_buyers, no_sellers = fill <= down * (1.0 + _NEAR), fill >= up * (1.0 - _NEAR)
        trade = order.trade[:, near]
        locked = np.zeros(order.due.shape, dtype=bool)
        locked[:, near] = (no_sellers & (trade > 0)) | (no_buyers & (trade < 0))
        order.trade = np.where(locked, 0.0, order.trade)
        order.wait(locked)
        order.cut(locked, "price_limit")


def _to_tick(price: Floats, tick: Floats) -> Floats:
    """Round to the nearest tick, halves up; 0 is no tick."""
    size = np.where(tick > 0, tick, 1.0)
    return np.where(tick > 0, np.floor(price / size + 0.5 + _NEAR) * size, price)
