"""Stamp duty and transaction tax.

What does not belong here: the rates and their dates (`exchanges/rules.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lim_pipelines.backtest.costs import Trades
from lim_pipelines.backtest.grid import Floats
from lim_pipelines.backtest.rules.table import RuleTable


@dataclass(frozen=True)
class Tax:
    """A fraction of what is bought, another of what is sold, times the strategy's multiplier of costs."""

    rules: RuleTable
    multiplier: float
    part: str = "tax"

    def __call__(self, trades: Trades) -> Floats:
        """Tax on trades; as `costs.Charge`."""
        rules = self.rules.at(trades.t)
        flow = trades.units * trades.price
        # What is sold is below zero, and so is its rate here: their product is what is paid.
        tax = np.minimum(flow, 0.0)
        tax *= -rules.sale_tax
        if rules.taxes_purchases:
            tax += np.maximum(flow, 0.0) * rules.purchase_tax
        tax *= self.multiplier
        return tax
