"""The accounts of B books: quantities, equity, open orders.

Equity is kept, and cash is what of it is not in paid positions: so cash and positions are the equity at every
moment.

What does not belong here: what changes them (`engine.py` and its steps).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from lim_pipelines.backtest.grid import Floats

Flags = npt.NDArray[np.bool_]


@dataclass
class Books:
    """State of B books with n instruments.

    Parameters
    ----------
    quantity
        Units held, negative for short, shape (B, n).
    equity
        Base currency, shape (B,).
    open
        Target weights not yet done, NaN for none, shape (B, n); None if no book has any.
    closed
        Whether the equity has fallen to zero, shape (B,).
    called
        Whether the last close called for margin, shape (B,).
    """

    quantity: Floats
    equity: Floats
    open: Floats | None = None
    closed: Flags = field(init=False)
    called: Flags = field(init=False)

    def __post_init__(self) -> None:
        self.closed = np.zeros(len(self.equity), dtype=bool)
        self.called = np.zeros(len(self.equity), dtype=bool)

    @classmethod
    def new(cls, count: int, n: int, capital: float) -> Books:
        """Books with nothing but capital."""
        return cls(np.zeros((count, n)), np.full(count, capital))

    def receive(self, weights: Floats | None) -> None:
        """Take orders that became due, shape (B, n), NaN for none; they replace those still open."""
        if weights is None:
            return
        if self.open is not None and np.isnan(weights).any():
            weights = np.where(np.isnan(weights), self.open, weights)
        self.open = weights

    def close_the_broke(self) -> None:
        """Close books without equity: from then on all their orders are to hold nothing."""
        self.closed |= self.equity <= 0
        if self.closed.any():
            orders = np.full(self.quantity.shape, np.nan) if self.open is None else self.open
            nothing = np.where(self.quantity != 0, 0.0, np.nan)
            orders = np.where(self.closed[:, None], nothing, orders)
            self.open = None if np.isnan(orders).all() else orders

    def done(self, orders: Flags) -> None:
        """Forget orders that are done, shape (B, n)."""
        if self.open is not None:
            left = np.where(orders, np.nan, self.open)
            self.open = None if np.isnan(left).all() else left
