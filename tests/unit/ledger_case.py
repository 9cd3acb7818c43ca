"""The form of a hand-computed ledger, and what both engines are given for it.

What does not belong here: the ledgers (`ledgers_*.py`), how they are checked (`test_ledgers.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from lim_pipelines.exchanges import sessions

CAPITAL = 100_000.0


@dataclass(frozen=True)
class Bar:
    """One session of one instrument; `f` is its ex_factor."""

    close: float
    f: float = 1.0
    open: float | None = None
    vwap: float | None = None
    volume: float | None = None
    turnover: float | None = None
    contract: str | None = None


Quote = Bar | float | None
"""A bar, its close only, or no bar at all."""


@dataclass(frozen=True)
class Thing:
    """What is known of an instrument beside its bars.

    Parameters
    ----------
    kind
        Asset class.
    splits, dividends
        Session number -> ratio, cash a share.
    ends
        Session number of the listing's end.
    """

    kind: str = "equity"
    currency: str = "USD"
    multiplier: float = 1.0
    lot: float | None = None
    tick: float | None = None
    splits: Mapping[int, float] = field(default_factory=dict)
    dividends: Mapping[int, float] = field(default_factory=dict)
    ends: int | None = None


@dataclass(frozen=True)
class Case:
    """One ledger.

    Parameters
    ----------
    name
        What it shows.
    quotes
        Instrument id -> one quote a session. Session 0 is the first decision's; the book starts at 1.
    orders
        (session decided at, instrument, weight).
    equity
        Equity at the close of sessions 1, 2, ..., as money with its cents, worked out by hand.
    trades
        (session, instrument, quantity, reason); None where the equity says it all.
    costs
        Part of the cost -> money over all sessions; parts not named are not checked.
    start
        First session's date, of the calendar of the first instrument's exchange.
    rates
        commission, half_spread (basis points), borrow (basis points a year), multiplier. All else is 0.
    terms
        What the strategy's `execution` says beside the capital, which is 100,000.
    things
        Instrument id -> what is known of it; a US share where nothing is said.
    fx
        Currency -> its rate on each session.
    held
        Instrument -> quantity held at the end; checked where given.
    """

    name: str
    quotes: Mapping[str, Sequence[Quote]]
    orders: Sequence[tuple[int, str, float]]
    equity: Sequence[str]
    trades: Sequence[tuple[int, str, float, str]] | None = None
    costs: Mapping[str, str] = field(default_factory=dict)
    start: date = date(2018, 3, 1)
    rates: Mapping[str, float] = field(default_factory=dict)
    terms: Mapping[str, Any] = field(default_factory=dict)
    things: Mapping[str, Thing] = field(default_factory=dict)
    fx: Mapping[str, Sequence[float]] = field(default_factory=dict)
    held: Mapping[str, float] = field(default_factory=dict)

    def days(self) -> list[date]:
        """Dates of the sessions."""
        count = max(len(row) for row in self.quotes.values())
        mic = next(iter(self.quotes)).split(":")[0]
        end = date(self.start.year + 1, 1, 31)
        days: list[date] = sessions(mic, self.start, end)["date"].head(count).to_list()
        return days
