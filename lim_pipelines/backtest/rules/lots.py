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
        lot = self.rules.at(order.t).lot
        if not lot.any():
            return
        held = order.books.quantity
        through_zero = order.wanted * held <= 0
        rounded = whole_lots(np.where(through_zero, order.wanted, order.wanted - held), lot)
        trade = np.where(through_zero, rounded - held, rounded)
        cut = order.due & (np.abs(trade - order.trade) > 1e-9 * np.where(lot > 0, lot, 1.0))
        order.trade = np.where(order.due, trade, 0.0)
        order.cut(cut, "lot")
