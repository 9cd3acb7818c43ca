"""No more than a share of a session's volume.

What does not belong here: what a large trade costs (`impact.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lim_pipelines.backtest.grid import Floats
from lim_pipelines.backtest.rules.order import Order, whole_lots
from lim_pipelines.backtest.rules.table import RuleTable


@dataclass(frozen=True)
class Participation:
    """Trades are at most `share` of the volume, shape (T, n), 0 where unknown; the rest waits."""

    share: float
    volume: Floats
    rules: RuleTable | None

    def __call__(self, order: Order) -> None:
        """Cut trades to the share."""
        most = self.share * self.volume[order.t]
        cut = np.abs(order.trade) > most
        if not np.count_nonzero(cut):
            return
        if self.rules is not None:
            most = whole_lots(most, self.rules.at(order.t).step)
        np.copyto(order.trade, np.copysign(most, order.trade), where=cut)
        order.wait(cut)
        order.cut(cut, "participation")
