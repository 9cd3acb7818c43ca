"""Stamp duty and transaction tax.

What does not belong here: the rates and their dates (`exchanges/rules.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lim_pipelines.backtest.grid import Floats
from lim_pipelines.backtest.rules.table import RuleTable


@dataclass(frozen=True)
class Tax:
    """A fraction of what is bought, another of what is sold, times the strategy's multiplier of costs."""

    rules: RuleTable
    multiplier: float
    part: str = "tax"

    def __call__(self, t: int, trade: Floats, value: Floats) -> Floats:
        """Tax on trades; as `costs.Charge`."""
        rules = self.rules.at(t)
        return np.where(trade > 0, rules.purchase_tax, rules.sale_tax) * value * self.multiplier
