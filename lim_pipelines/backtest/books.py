"""The accounts of B books: quantities, equity, open orders.

Equity is kept, and cash is what of it is not in paid positions: so cash and positions are the equity at every
moment.

What does not belong here: what changes them (`engine.py` and its steps).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lim_pipelines.backtest.grid import Floats, Indices

Flags = npt.NDArray[np.bool_]


class Books:
    """State of B books with n instruments.

    Parameters
    ----------
    count, n
        Books B and instruments.
    capital
        What each starts with.

    Attributes
    ----------
    quantity, size
        Units held, negative for short, and without the sign, shape (B, n). Changed by `hold` only.
    equity
        Base currency, shape (B,).
    worth
        Value held after the last close, long less short, shape (B,).
    orders
        Target weights not yet done, NaN for none, shape (B, n); None if no book has any.
    closed, any_closed
        Whether the equity has fallen to zero, shape (B,), and whether that of any book has.
    called
        Whether the last close called for margin, shape (B,).
    """

    def __init__(self, count: int, n: int, capital: float) -> None:
        self.quantity, self.size = np.zeros((count, n)), np.zeros((count, n))
        self.equity, self.worth = np.full(count, capital), np.zeros(count)
        self.orders: Floats | None = None
        self.any_closed = False
        self.closed, self.called = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)

    def hold(self, quantity: Floats) -> None:
        """Hold other quantities, shape (B, n)."""
        self.quantity, self.size = quantity, np.abs(quantity)

    def hold_of(self, columns: Indices, quantity: Floats | float) -> None:
        """Hold other quantities of some instruments, shape (B, k)."""
        self.quantity[:, columns] = quantity
        self.size[:, columns] = np.abs(quantity)

    def receive(self, weights: Floats | None) -> None:
        """Take orders that became due, shape (B, n), NaN for none; they replace those still open."""
        if weights is None:
            return
        if self.orders is not None and np.isnan(weights).any():
            weights = np.where(np.isnan(weights), self.orders, weights)
        self.orders = weights

    def close_the_broke(self) -> None:
        """Close books without equity: from then on all their orders are to hold nothing.

        What they still hold may bring them above zero again; they stay closed.
        """
        self.closed |= self.equity <= 0
        self.any_closed = True
        orders = np.full(self.quantity.shape, np.nan) if self.orders is None else self.orders
        nothing = np.where(self.quantity != 0, 0.0, np.nan)
        orders = np.where(self.closed[:, None], nothing, orders)
        self.orders = None if np.isnan(orders).all() else orders

    def done(self, orders: Flags | None) -> None:
        """Forget orders that are done, shape (B, n); None is all."""
        if orders is None:
            self.orders = None
        elif self.orders is not None:
            left = np.where(orders, np.nan, self.orders)
            self.orders = None if np.isnan(left).all() else left
