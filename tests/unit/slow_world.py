"""What the slow engine is told: bars, instruments and terms as exact decimals.

What does not belong here: the bookkeeping (`slow_books.py`), the scenarios (`ledger_cases.py`).
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from lim_pipelines.exchanges import rules
from lim_pipelines.exchanges.rules import Rules

ZERO, ONE = Decimal(0), Decimal(1)


def exact(number: float | int | str | Decimal | None) -> Decimal | None:
    """A number as it is written, `0.1` as one tenth; None of what is no number or not above zero is kept."""
    if number is None:
        return None
    value = Decimal(repr(float(number))) if isinstance(number, float) else Decimal(number)
    return value if value.is_finite() else None


@dataclass(frozen=True)
class SlowBar:
    """One session of one instrument; a price that is None, or not above zero, is none."""

    close: Decimal | None
    open: Decimal | None = None
    vwap: Decimal | None = None
    volume: Decimal | None = None
    turnover: Decimal | None = None
    ex_factor: Decimal = ONE
    contract: str | None = None
    quoted: bool = False

    def price(self, field_name: str) -> Decimal | None:
        """A price of this bar, None where there is none."""
        value: Decimal | None = getattr(self, field_name)
        return value if value is not None and value > 0 else None


@dataclass(frozen=True)
class SlowInstrument:
    """One instrument; rates are fractions, borrow a year; lot and tick those of its own."""

    mic: str
    bars: dict[date, SlowBar]
    commission: Decimal = ZERO
    half_spread: Decimal = ZERO
    borrow: Decimal = ZERO
    paid: bool = True
    currency: str = "USD"
    multiplier: Decimal = ONE
    lot: Decimal | None = None
    tick: Decimal | None = None
    ends: date | None = None
    haircut: Decimal = ZERO
    splits: dict[date, Decimal] = field(default_factory=dict)
    dividends: dict[date, Decimal] = field(default_factory=dict)

    def closes_before(self, day: date) -> list[date]:
        """Sessions before a day on which it has a close, oldest first."""
        return sorted(d for d, bar in self.bars.items() if d < day and bar.price("close") is not None)


@dataclass(frozen=True)
class SlowTerms:
    """What a strategy says of its execution, and of all costs together."""

    fill: str = "close"
    delay: int = 1
    participation: Decimal | None = None
    impact: Decimal = ZERO
    capital: Decimal = Decimal(10_000_000)
    exchange_rules: bool = True
    cash_rate: Decimal = ZERO
    financing_spread: Decimal = ZERO
    initial_margin: Decimal | None = None
    maintenance_margin: Decimal | None = None
    multiplier: Decimal = ONE


@dataclass(frozen=True)
class SlowWorld:
    """Everything that a book is run on.

    Parameters
    ----------
    instruments
        By id.
    decisions
        (session decided at, instrument, weight) of one book.
    terms
        Execution.
    rates
        Currency -> day -> units of the base currency for one of it.
    base
        Base currency.
    """

    instruments: dict[str, SlowInstrument]
    decisions: list[tuple[date, str, Decimal]]
    terms: SlowTerms = SlowTerms()
    rates: dict[str, dict[date, Decimal]] = field(default_factory=dict)
    base: str = "USD"

    def sessions(self) -> list[date]:
        """Days after the first decision on which an instrument has a close."""
        first = min(day for day, _, _ in self.decisions)
        days = {
            day
            for instrument in self.instruments.values()
            for day, bar in instrument.bars.items()
            if bar.price("close") is not None
        }
        return sorted(day for day in days if day > first)

    def rate(self, currency: str, day: date) -> Decimal:
        """The last rate known at a session."""
        if currency == self.base:
            return ONE
        known = sorted(self.rates[currency])
        return self.rates[currency][known[bisect_right(known, day) - 1]]

    def due(self) -> dict[date, dict[str, Decimal]]:
        """Session -> instrument -> target weight that is due; the later decision counts."""
        days = self.sessions()
        found: dict[date, dict[str, Decimal]] = {}
        for decided, name, weight in sorted(self.decisions, key=lambda decision: decision[0]):
            at = bisect_right(days, decided) + self.terms.delay - 1
            if at < len(days):
                found.setdefault(days[at], {})[name] = weight
        return found

    def rules_of(self, name: str, day: date) -> Rules:
        """The exchange's rules of a day."""
        return rules(self.instruments[name].mic, day)

    def lot(self, name: str, day: date) -> Decimal | None:
        """Smallest amount traded; None where rules are off or there is none."""
        if not self.terms.exchange_rules:
            return None
        own = self.rules_of(name, day).lot_size
        return self.instruments[name].lot if own is None else exact(own)

    def tick(self, name: str, day: date) -> Decimal | None:
        """Smallest step of a price; None where rules are off or there is none."""
        if not self.terms.exchange_rules:
            return None
        own = self.rules_of(name, day).tick_size
        return self.instruments[name].tick if own is None else exact(own)
