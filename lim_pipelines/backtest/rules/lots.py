"""Whole lots.

What does not belong here: smallest steps of prices (`ticks.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lim_pipelines.backtest.rules.order import Order, whole_lots
from lim_pipelines.backtest.rules.table import RuleTable


@dataclass(frozen=True)
class Lots:
    """Trades are whole lots, towards zero; an odd lot can be closed whole."""

    rules: RuleTable

    def __call__(self, order: Order) -> None:
        """Round trades."""
        rules = self.rules.at(order.t)
        if isinstance(rules.step, float) and not rules.step:
            return
        held = order.books.quantity
        # What a trade starts from: what is held, or nothing where it closes or crosses zero.
        start = order.wanted * held
        np.multiply(held, start > 0, start)
        trade = whole_lots(order.wanted - start, rules.step)
        np.subtract(held, start, start)
        trade -= start
        if order.reason is not None:
            near = 1e-9 * np.where(rules.lot > 0, rules.lot, 1.0)
            order.cut(order.due & (np.abs(trade - order.trade) > near), "lot")
        np.copyto(order.trade, trade)
