"""What can be followed afterwards: positions, profits and trades, collected while the books run.

What does not belong here: daily results (`daily.py`).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from lim_pipelines.backtest.costs import TRADE_PARTS, CostRates
from lim_pipelines.backtest.grid import Floats, Indices
from lim_pipelines.backtest.market import Market
from lim_pipelines.backtest.rules.order import REASONS, Codes

WITHOUT_ORDER = ("roll", "delisting")
"""Reasons of trades that no order asked for."""

OTHER_REASONS = (*REASONS, *WITHOUT_ORDER)
"""They follow those of orders."""


class Recorder:
    """Rows of a block of books.

    Parameters
    ----------
    first
        Number of the block's first book.
    market, rates
        Prices and linear costs, for the rows of trades.
    """

    def __init__(self, first: int, market: Market, rates: CostRates) -> None:
        self._first = first
        self._market, self._rates = market, rates
        self.positions: list[pl.DataFrame] = []
        self.profits: list[pl.DataFrame] = []
        self.trades: list[pl.DataFrame] = []

    def held(self, t: int, value: Floats, equity: Floats) -> None:
        """Note values held after a close, shape (B, n), as fractions of the equity, shape (B,)."""
        weight = value / np.where(equity > 0, equity, 1.0)[:, None]
        self.positions.append(self._sparse(t, weight, "weight"))

    def earned(self, t: int, profit: Floats) -> None:
        """Note profits before costs of a session, shape (B, n)."""
        self.profits.append(self._sparse(t, profit, "pnl"))

    def traded(
        self, t: int, trade: Floats, value: Floats, charged: dict[str, list[Floats]], reason: Codes | None
    ) -> None:
        """Note trades of a session, shape (B, n): units, value, charges by part and codes of reasons."""
        book, column = np.nonzero(trade)
        money = value[book, column]
        parts = {
            name: sum((c[book, column] for c in charged.get(name, [])), np.zeros(len(book)))
            for name in TRADE_PARTS
        }
        parts["commission"] += money * self._rates.commission.each[column]
        parts["spread"] += money * self._rates.spread.each[column]
        codes = np.zeros(len(book), dtype=np.int8) if reason is None else reason[book, column]
        price = self._market.fill[t, column]
        self._trades(t, book, column, trade[book, column], price, money, parts, codes)

    def rolled(self, t: int, columns: Indices, quantity: Floats, ratio: Floats) -> None:
        """Note the two trades of each roll; quantity of shape (B, k)."""
        point = self._market.point[t - 1, columns]
        old = self._market.unit[t - 1, columns] / point
        for side, price in ((-1.0, old), (1.0, old * ratio)):
            book, k = np.nonzero(quantity)
            money = np.abs(quantity[book, k]) * (price * point)[k]
            parts = dict.fromkeys(TRADE_PARTS, np.zeros(len(book)))
            parts["commission"] = money * self._rates.commission.each[columns[k]]
            parts["spread"] = money * self._rates.spread.each[columns[k]]
            self._trades(t, book, columns[k], side * quantity[book, k], price[k], money, parts, "roll")

    def paid_out(self, t: int, columns: Indices, quantity: Floats, haircut: float) -> None:
        """Note what delistings pay; quantity of shape (B, k)."""
        book, k = np.nonzero(quantity)
        kept = 1.0 - haircut * self._market.paid[columns]
        unit = self._market.unit[t, columns] * kept
        price, money = unit / self._market.point[t, columns], np.abs(quantity[book, k]) * unit[k]
        parts = dict.fromkeys(TRADE_PARTS, np.zeros(len(book)))
        self._trades(t, book, columns[k], -quantity[book, k], price[k], money, parts, "delisting")

    def _sparse(self, t: int, values: Floats, name: str) -> pl.DataFrame:
        book, column = np.nonzero(values)
        return pl.DataFrame(
            {
                "book": book + self._first,
                "t": np.full(len(book), t),
                "column": column,
                name: values[book, column],
            }
        )

    def _trades(
        self,
        t: int,
        book: Indices,
        column: Indices,
        quantity: Floats,
        price: Floats,
        value: Floats,
        parts: dict[str, Floats],
        reason: str | Codes,
    ) -> None:
        codes = OTHER_REASONS.index(reason) if isinstance(reason, str) else reason
        self.trades.append(
            pl.DataFrame(
                {
                    "book": book + self._first,
                    "t": np.full(len(book), t),
                    "column": column,
                    "quantity": quantity,
                    "price": price,
                    "value": value,
                    **parts,
                    "reason": np.broadcast_to(np.asarray(codes, dtype=np.int64), len(book)),
                }
            )
        )
