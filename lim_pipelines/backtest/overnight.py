"""What happens to books between two sessions: interest, corporate actions, rolls, delistings.

What does not belong here: which events there are (`actions.py`, `rolls.py`, `listed.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lim_pipelines.backtest.actions import Ex
from lim_pipelines.backtest.books import Books
from lim_pipelines.backtest.costs import CostRates
from lim_pipelines.backtest.grid import Floats, Indices
from lim_pipelines.backtest.market import Market
from lim_pipelines.backtest.rolls import Roll
from lim_pipelines.backtest.rules.order import whole_lots
from lim_pipelines.strategies.execution import Execution


@dataclass(frozen=True)
class Interest:
    """Interest on cash: earned on what is there, paid on what is owed.

    Parameters
    ----------
    market
        Prices, and what is bought with cash.
    cash_rate
        Fraction a year.
    owed_rate
        Fraction a year of what is owed.
    all_paid
        Whether every instrument is bought with cash.
    """

    market: Market
    cash_rate: float
    owed_rate: float
    all_paid: bool

    @classmethod
    def of(cls, execution: Execution, market: Market) -> Interest | None:
        """None if there is no interest."""
        owed = execution.cash_rate + execution.financing_spread
        if not (execution.cash_rate or owed):
            return None
        return cls(market, execution.cash_rate, owed, bool(market.paid.all()))

    def paid(self, books: Books, t: int) -> Floats:
        """Interest paid for the days up to session t, shape (B,); negative is earned."""
        worth = books.worth
        if not self.all_paid:
            worth = books.net(self.market.unit[t - 1] * self.market.paid)
        cash = books.equity - worth
        paid = -cash * np.where(cash > 0, self.cash_rate, self.owed_rate) * self.market.years[t]
        if books.any_closed:
            paid = books.money(np.where(books.closed & ~books.quantity.any(axis=1), 0.0, paid))
        return paid


def go_ex(books: Books, event: Ex) -> Floats:
    """Divide quantities; what is no whole unit any more is paid out.

    Returns
    -------
    array
        What is gained by that, base currency, shape (B, k): the dividend of what was paid out, mostly 0.
    """
    held = books.quantity_of(event.columns) / event.divisor
    whole = whole_lots(held, event.whole)
    gain = (held - whole) * event.lieu
    books.hold_of(event.columns, whole)
    books.equity = books.equity + books.money(gain.sum(axis=1))
    return np.asarray(gain)


def roll_costs(books: Books, roll: Roll, t: int, market: Market, rates: CostRates) -> tuple[Floats, Floats]:
    """Commission and spread of selling one contract and buying the next, shape (B,) each."""
    at = roll.columns
    value = np.abs(books.quantity_of(at)) * (market.unit[t - 1, at] * (1.0 + roll.ratio))
    commission, spread = (np.vecdot(value, rate.each[at]) for rate in (rates.commission, rates.spread))
    return books.money(commission), books.money(spread)


def pay_out(books: Books, columns: Indices, t: int, market: Market, haircut: float) -> Floats:
    """Pay for what is no longer listed, at the last price; less a haircut if it was paid for.

    Returns
    -------
    array
        What is gained by the haircut, base currency, shape (B, k): a loss of what was held long.
    """
    gain = books.quantity_of(columns) * (market.unit[t, columns] * market.paid[columns] * -haircut)
    books.hold_of(columns, 0.0)
    books.equity = books.equity + books.money(gain.sum(axis=1))
    if books.orders is not None:
        books.orders = books.orders.copy()
        books.orders[:, columns] = np.nan
    return np.asarray(gain)
