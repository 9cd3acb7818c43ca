"""The accounts of B books: quantities, equity, open orders.

Money of several books is an array, (B,), that of a single one a number: numbers are added several times
faster than arrays of one. All that is done with either is the same.

Equity is kept, and cash is what of it is not in paid positions: so cash and positions are the equity at every
moment.

What does not belong here: what changes them (`engine.py` and its steps).
"""

from __future__ import annotations

import numpy as np

from lim_pipelines.backtest.grid import Flags, Floats, Indices


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
        Units held, negative for short, and without the sign, shape (B, n). Changed by `trade_done` and
        `hold_of` only.
    wanted, trade
        Room to work out what will be held, and the difference to what is held, shape (B, n).
    traded
        Units that the last trade moved, shape (B, n).
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
        self._single = count == 1
        # Two sides: what is held, and what will be. Rows lie so that one call takes the signs off both and
        # one adds up the value of all.
        self._held, self._coming = _Side(count, n), _Side(count, n)
        self._turn()
        self.equity, self.worth = self.money(np.full(count, capital)), self.money(np.zeros(count))
        self.orders: Floats | None = None
        self.any_closed = False
        self.closed, self.called = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)

    def money(self, each: Floats) -> Floats:
        """Money of each book, shape (B,), as this file says: a number where there is one."""
        own: Floats = each[0] if self._single else each
        return own

    def broke(self) -> bool:
        """Whether a book has no equity, now or ever."""
        return self.any_closed or bool((self.equity if self._single else np.minimum.reduce(self.equity)) <= 0)

    def _turn(self) -> None:
        held, coming = self._coming, self._held
        self._held, self._coming = held, coming
        self.quantity, self.size, self.traded = held.quantity, held.size, held.traded
        self.wanted, self.trade = coming.quantity, coming.trade

    def size_orders(self, price: Floats) -> None:
        """Work out what is `wanted`, not a number where there is no order or no price, shape (n,)."""
        if self.orders is None:
            self.wanted.fill(np.nan)
            return
        np.multiply(self.orders, self.equity if self._single else self.equity[:, None], self.wanted)
        np.divide(self.wanted, price, self.wanted)

    def trade_done(self, price: Floats) -> tuple[Floats, Floats, Floats]:
        """Hold what is `wanted` and note that `trade` was traded.

        Parameters
        ----------
        price
            Base currency for a unit, shape (n,).

        Returns
        -------
        net, traded, gross
            Value held, long less short; value traded; value held without signs; shape (B,) each.
        """
        coming = self._coming
        np.absolute(coming.signed, coming.unsigned)
        self._turn()
        sums = np.vecdot(coming.all, price)
        net, traded, gross = sums[:, 0] if self._single else sums
        return net, traded, gross

    def net(self, price: Floats) -> Floats:
        """Quantity times price or gain of a unit, shape (n,), summed over instruments, shape (B,)."""
        # For one book the same product, called faster.
        sums: Floats = self.quantity[0].dot(price) if self._single else np.vecdot(self.quantity, price)
        return sums

    def value(self, price: Floats) -> tuple[Floats, Floats]:
        """Value held, long less short, and without signs, shape (B,) each, at prices of shape (n,)."""
        sums = np.vecdot(self._held.held, price)
        net, gross = sums[:, 0] if self._single else sums
        return net, gross

    def quantity_of(self, columns: Indices) -> Floats:
        """Quantities of some instruments, shape (B, k), each book's beside each other.

        An index would lay them out by instrument where there are several books, and their sums would be taken
        in another order than that of a book alone.
        """
        return self.quantity.take(columns, axis=1)

    def hold_of(self, columns: Indices, quantity: Floats | float) -> None:
        """Hold other quantities of some instruments, shape (B, k)."""
        self.quantity[:, columns] = quantity
        self.size[:, columns] = np.abs(quantity)

    def receive(self, weights: Floats) -> None:
        """Take orders that became due in every instrument of every book, shape (B, n)."""
        self.orders = weights

    def receive_of(self, places: Indices, weights: Floats) -> None:
        """Take orders that became due, at places book * n + instrument; they replace those still open."""
        if self.orders is None:
            self.orders = np.full(self.quantity.shape, np.nan)
        self.orders.reshape(-1)[places] = weights

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
        if orders is None or self.orders is None:
            self.orders = None
            return
        left = np.isfinite(self.orders) & ~orders
        self.orders = np.where(left, self.orders, np.nan) if np.count_nonzero(left) else None


class _Side:
    """What is held after a trade, and the trade: rows trade, quantity, and both without signs."""

    def __init__(self, count: int, n: int) -> None:
        self.trade, self.quantity, self.traded, self.size = rows = np.zeros((4, count, n))
        self.signed, self.unsigned, self.all, self.held = rows[:2], rows[2:], rows[1:], rows[1::2]
