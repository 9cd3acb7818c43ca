"""Exchanges: calendars, trading hours, rules, and what trading costs there.

What does not belong here: instruments (`instruments.py`), vendor symbols (`sources/`), the cost arithmetic
(`backtest/costs.py`).

An exchange is added in the file of its kind: `shares.py`, `futures.py` or `always_open.py`
(docs/adding-an-exchange.md).
"""

from lim_pipelines.exchanges.assign import session_of
from lim_pipelines.exchanges.calendars import FIRST_CALENDAR_YEAR, calendar_ends, segments, sessions
from lim_pipelines.exchanges.exchange import Exchange
from lim_pipelines.exchanges.registry import EXCHANGES, UnknownExchangeError, get_exchange, rules
from lim_pipelines.exchanges.rules import Rules

__all__ = [
    "EXCHANGES",
    "FIRST_CALENDAR_YEAR",
    "Exchange",
    "Rules",
    "UnknownExchangeError",
    "calendar_ends",
    "get_exchange",
    "rules",
    "segments",
    "session_of",
    "sessions",
]
