"""No short sale where none is possible, or not at a falling price.

What does not belong here: the fee for what is short (`overnight.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lim_pipelines.backtest.rules.order import Order
from lim_pipelines.backtest.rules.table import RuleTable


@dataclass(frozen=True)
class ShortBan:
    """A sale stops at zero. Where an uptick is missing the rest waits, else it lapses."""

    rules: RuleTable

    def __call__(self, order: Order) -> None:
        """Cut sales of what is not held."""
        rules = self.rules.at(order.t)
        if not rules.bans:
            return
        falling = rules.uptick & (order.market.fill[order.t] < order.market.before[order.t])
        least = np.minimum(order.books.quantity, 0.0)
        cut = order.due & (rules.no_short | falling) & (order.wanted < least)
        order.wanted = np.where(cut, least, order.wanted)
        order.trade = order.wanted - order.books.quantity
        order.wait(cut & falling)
        order.cut(cut, "short_ban")
