"""No short sale where none is possible, or not at a falling price.

What does not belong here: the fee for what is short (`overnight.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lim_pipelines.backtest.grid import Flags, Floats
from lim_pipelines.backtest.market import Market
from lim_pipelines.backtest.rules.order import Order
from lim_pipelines.backtest.rules.table import RuleRow, RuleTable


@dataclass(frozen=True)
class Ban:
    """Where nobody sells short on one session, shape (n,).

    Parameters
    ----------
    banned
        Never, or not at this price.
    falling
        Not at this price; None where the price does not matter.
    everywhere
        Whether all are banned.
    """

    banned: Flags
    falling: Flags | None
    everywhere: bool


@dataclass(frozen=True)
class ShortBan:
    """A sale stops at zero. Where an uptick is missing the rest waits, else it lapses."""

    bans: Sequence[Ban | None]

    @classmethod
    def of(cls, rules: RuleTable, market: Market) -> ShortBan:
        """Say where nobody sells short, by session: no decision moves that, so it is said once."""
        return cls([_ban(rules.at(t), market.before[t], market.fill[t]) for t in range(len(market.dates))])

    def __call__(self, order: Order) -> None:
        """Cut sales of what is not held."""
        ban = self.bans[order.t]
        if ban is None:
            return
        # What is not due is held already, so it is never below that.
        held = order.books.quantity
        least = np.minimum(held, 0.0)
        if not ban.everywhere:
            least = np.where(ban.banned, least, -np.inf)
        if ban.falling is not None:
            order.wait(ban.falling & (order.wanted < least))
        if order.reason is not None:
            order.cut(order.wanted < least, "short_ban")
        np.maximum(order.wanted, least, out=order.wanted)
        np.subtract(order.wanted, held, out=order.trade)


def _ban(rules: RuleRow, before: Floats, fill: Floats) -> Ban | None:
    falling = rules.uptick & (fill < before)
    banned = rules.no_short | falling
    return Ban(banned, falling if falling.any() else None, bool(banned.all())) if banned.any() else None
