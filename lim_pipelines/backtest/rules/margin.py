"""What a book's equity can carry, and the call when it no longer does.

What does not belong here: interest on what is owed (`overnight.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lim_pipelines.backtest.rules.order import Order, whole_lots
from lim_pipelines.backtest.rules.table import RuleTable


@dataclass(frozen=True)
class MarginCall:
    """Books that were called at the last close trade nothing but the call; their orders wait."""

    initial: float
    rules: RuleTable | None

    def __call__(self, order: Order) -> None:
        """Cut all positions of called books to what the initial margin carries."""
        called = order.books.called & ~order.books.closed
        if not called.any():
            return
        held, equity = order.books.quantity, np.maximum(order.books.equity, 0.0)
        needed = self.initial * np.vecdot(np.abs(held), order.market.opening[order.t])
        keep = np.where(needed > equity, equity / np.where(needed > 0, needed, 1.0), 1.0)
        stays = held * keep[:, None]
        if self.rules is not None:
            stays = whole_lots(stays, self.rules.at(order.t).step)
        stays = np.where((keep < 1.0)[:, None], stays, held)
        forced = np.where(np.isfinite(order.market.price[order.t]), stays - held, 0.0)
        rows = called[:, None]
        np.copyto(order.trade, forced, where=rows)
        order.due = order.due & ~rows
        order.cut(rows & (forced != 0), "margin_call")


@dataclass(frozen=True)
class InitialMargin:
    """The value held after all trades is at most the equity over `initial`.

    What reduces positions is traded whole; what enlarges them is cut by one factor, and the rest lapses.
    """

    initial: float
    rules: RuleTable | None

    def __call__(self, order: Order) -> None:
        """Cut trades that enlarge positions."""
        value, held = order.market.opening[order.t], order.books.quantity
        most = np.maximum(order.books.equity, 0.0) / self.initial
        after = np.add(held, order.trade, out=order.wanted)
        over = (np.vecdot(np.abs(after), value) > most) & ~order.books.called
        if not over.any():
            return
        # The part of a trade up to zero reduces, the part from there on enlarges.
        reduced = np.where(after * held < 0, 0.0, np.where(np.abs(after) > np.abs(held), held, after))
        larger = after - reduced
        grows = np.vecdot(np.abs(larger), value)
        room = np.maximum(most - np.vecdot(np.abs(reduced), value), 0.0)
        larger = larger * (room / np.where(grows > 0, grows, 1.0))[:, None]
        if self.rules is not None:
            larger = whole_lots(larger, self.rules.at(order.t).step)
        cut = over[:, None] & (after != reduced)
        np.copyto(order.trade, reduced - held + larger, where=cut)
        order.cut(cut, "margin")
