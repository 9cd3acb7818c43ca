"""Orders of one session on their way through the rules.

What does not belong here: the rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from lim_pipelines.backtest.books import Books
from lim_pipelines.backtest.grid import Flags, Floats
from lim_pipelines.backtest.market import Market

Codes = npt.NDArray[np.int8]

REASONS = ("", "short_ban", "lot", "margin_call", "price_limit", "participation", "margin")
"""Why a trade is less than wanted, or what it is; a trade's code is the place in this list."""


@dataclass
class Order:
    """Orders of B books in n instruments; shapes (B, n) where nothing else is said.

    Parameters
    ----------
    t
        Session.
    books
        The accounts; their equity is at the fill prices.
    market
        Prices.
    wanted
        Quantity wanted, what is held where nothing is due.
    trade
        Units to trade, negative to sell; rules cut it, in place.
    due
        Whether an order is worked on.
    waits
        Whether what a rule cut waits for the next session; None if nothing does.
    reason
        Codes of `REASONS`; None where nobody asks why.
    """

    t: int
    books: Books
    market: Market
    wanted: Floats
    trade: Floats
    due: Flags
    waits: Flags | None
    reason: Codes | None

    @classmethod
    def new(cls, t: int, books: Books, market: Market, due: Flags, explained: bool) -> Order:
        """Orders before any rule; `explained` ones note why they were cut."""
        reason = np.zeros(due.shape, dtype=np.int8) if explained else None
        return cls(t, books, market, books.wanted, books.trade, due, None, reason)

    @property
    def done(self) -> Flags:
        """Orders that are traded or lapse."""
        return self.due if self.waits is None else self.due & ~self.waits

    def wait(self, where: Flags) -> None:
        """Let orders wait."""
        self.waits = where if self.waits is None else self.waits | where

    def cut(self, where: Flags, reason: str) -> None:
        """Note why orders were cut."""
        if self.reason is not None:
            np.copyto(self.reason, np.int8(REASONS.index(reason)), where=where)


class Rule(Protocol):
    """Cuts orders."""

    def __call__(self, order: Order) -> None:
        """Change `trade`, and say why."""


def whole_lots(quantity: Floats, lot: Floats | float) -> Floats:
    """Round towards zero to multiples of lots, shape (n,) or as `quantity`; a lot of 0 is none.

    A billionth of a lot is rounding error.
    """
    if isinstance(lot, float) and lot:
        return _rounded(quantity, lot)
    if not np.any(lot):
        return quantity
    some = np.greater(lot, 0)
    return np.where(some, _rounded(quantity, np.where(some, lot, 1.0)), quantity)


def _rounded(quantity: Floats, lot: Floats | float) -> Floats:
    lots = quantity / lot
    lots += np.copysign(1e-9, lots)
    np.trunc(lots, lots)
    lots *= lot
    return lots
