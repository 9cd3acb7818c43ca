"""What the slow engine writes down: trades, and a day's money.

What does not belong here: the bookkeeping (`slow_books.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from slow_world import ZERO

PARTS = ("commission", "spread", "tax", "impact", "borrow", "financing")


@dataclass(frozen=True)
class Trade:
    """One trade: signed quantity, the bar's price, money of each part of its cost, why it is what it is."""

    day: date
    name: str
    quantity: Decimal
    price: Decimal
    cost: dict[str, Decimal]
    reason: str


@dataclass
class Day:
    """A session: money everywhere, exposures as fractions of `before`, the equity at the last close."""

    day: date
    before: Decimal
    gross_exposure: Decimal
    net_exposure: Decimal
    gains: dict[str, Decimal]
    parts: dict[str, Decimal] = field(default_factory=lambda: dict.fromkeys(PARTS, ZERO))
    traded: Decimal = ZERO
    sized_with: Decimal = ZERO
    equity: Decimal = ZERO
    cash: Decimal = ZERO
    closed: bool = False
    held: dict[str, Decimal] = field(default_factory=dict)

    @property
    def gross_return(self) -> Decimal:
        """Price moves, dividends and delistings."""
        return sum(self.gains.values(), ZERO) / self.before

    @property
    def cost(self) -> Decimal:
        """All parts of the cost."""
        return sum(self.parts.values(), ZERO) / self.before
