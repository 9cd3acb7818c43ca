"""Moments of exchanges: when an event can be traded, which session can use it, grids of sessions and bars.

What does not belong here: calendars and hours (`exchanges/`), joining facts to the moments (`asof.py`).

Everything follows the exchange's own sessions: half days, lunch breaks, nights that belong to the next
session, changes of the clock. All times are UTC.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl

from lim_pipelines.exchanges import FIRST_CALENDAR_YEAR, get_exchange, segments, sessions
from lim_pipelines.schemas import INTRADAY, UTC_TIME

_FIRST = datetime(FIRST_CALENDAR_YEAR, 1, 1, tzinfo=UTC)
_LONGEST_CLOSURE = timedelta(days=31)
"""No exchange here was closed longer than a month since 1970."""


def next_tradable(ts: pl.Series, exchange: str) -> pl.Series:
    """First moment, at or after each one, at which the exchange trades.

    Parameters
    ----------
    ts
        Moments (UTC, microseconds), in any order.
    exchange
        Exchange identifier.

    Returns
    -------
    pl.Series
        The moment itself within a stretch of trading [open, close), else the next open: at the very close it
        is too late. Null where the moment is null, before 1970, or the calendar does not reach that far.

    Raises
    ------
    UnknownExchangeError
        The identifier is not registered.
    ValueError
        The moments are not UTC in microseconds.
    """
    span = _span(ts, exchange)
    stretches = (
        segments(exchange, *span) if span else pl.DataFrame(schema={"open": UTC_TIME, "close": UTC_TIME})
    )
    opens, _ = _first_after(stretches["close"], stretches["open"], ts, at_it=False)
    return pl.select(pl.max_horizontal(opens, ts).alias(ts.name)).to_series().set(opens.is_null(), None)


def session_for(ts: pl.Series, exchange: str) -> pl.DataFrame:
    """First session whose decision can use what became known at each moment.

    Parameters
    ----------
    ts
        Moments of knowledge (UTC, microseconds), in any order.
    exchange
        Exchange identifier.

    Returns
    -------
    pl.DataFrame
        One row a moment, in the order given: `date` of the session and its `decided_at` (close plus the
        exchange's decision lag), which is not before the moment. Nulls as for `next_tradable`.

    Raises
    ------
    UnknownExchangeError
        The identifier is not registered.
    ValueError
        The moments are not UTC in microseconds.
    """
    span = _span(ts, exchange)
    grid = decisions(exchange, *(span or (_FIRST.date(), _FIRST.date())))
    decided_at, place = _first_after(grid["decided_at"], grid["decided_at"], ts, at_it=True)
    return pl.DataFrame([_gathered(grid["date"], place), decided_at.alias("decided_at")])


def decisions(exchange: str, first: date, last: date) -> pl.DataFrame:
    """Sessions of an exchange from `first` to `last`, both included, with the moment of their decision.

    Returns
    -------
    pl.DataFrame
        Columns date, open, close, decided_at (UTC), one row a session, sorted. Half days decide earlier.

    Raises
    ------
    UnknownExchangeError
        The identifier is not registered.
    ValueError
        `first` lies before the first known session year.
    """
    lag = get_exchange(exchange).decision_lag
    return sessions(exchange, first, last).with_columns(decided_at=pl.col("close") + lag)


def intraday_grid(exchange: str, first: date, last: date, freq: str) -> pl.DataFrame:
    """Lay bars of a length over the sessions from `first` to `last`, both included.

    Parameters
    ----------
    exchange
        Exchange identifier.
    first, last
        Session dates in the exchange's zone.
    freq
        Length of a bar, one of `schemas.INTRADAY`.

    Returns
    -------
    pl.DataFrame
        Columns date, begins, ts (UTC), one row a bar (begins, ts], sorted. Counted from where each stretch of
        trading begins, as `resample` does: no bar reaches over a break, the last one before a break, a half
        day's end or the close may be short.

    Raises
    ------
    UnknownExchangeError
        The identifier is not registered.
    ValueError
        The length is unknown, or `first` lies before the first known session year.
    """
    if freq not in INTRADAY:
        raise ValueError(f"no intraday length {freq!r}; known lengths: {', '.join(INTRADAY)}")
    step = INTRADAY[freq]
    length = (pl.col("close") - pl.col("open")).dt.total_microseconds()
    microseconds = step // timedelta(microseconds=1)
    bars = segments(exchange, first, last).with_columns(
        number=pl.int_ranges(0, -(-length // microseconds)),
    )
    begins = pl.col("open") + pl.col("number") * pl.lit(step)
    return bars.explode("number").select(
        "date", begins.alias("begins"), ts=pl.min_horizontal(begins + pl.lit(step), "close")
    )


def _span(ts: pl.Series, exchange: str) -> tuple[date, date] | None:
    """Session dates that can matter to some moments; None if none can."""
    lag = get_exchange(exchange).decision_lag
    if ts.dtype != UTC_TIME:
        raise ValueError(f"moments are {ts.dtype}, they must be {UTC_TIME}; convert them to UTC")
    first, last = ts.min(), ts.max()
    if not isinstance(first, datetime) or not isinstance(last, datetime) or last < _FIRST:
        return None
    # A session's date may be a day before that of its close in UTC, and its decision comes later still.
    return max(first - lag - timedelta(days=2), _FIRST).date(), (last + _LONGEST_CLOSURE).date()


def _first_after(
    ends: pl.Series, values: pl.Series, ts: pl.Series, *, at_it: bool
) -> tuple[pl.Series, pl.Series]:
    """Value, and place, of the first end after each moment (or at it); nulls where there is none."""
    place = ends.search_sorted(ts, side="left" if at_it else "right").cast(pl.Int64)
    known = ts.is_not_null() & (ts >= _FIRST) & (place < len(ends))
    place = place.set(~known.fill_null(False), None)
    return _gathered(values, place), place


def _gathered(values: pl.Series, place: pl.Series) -> pl.Series:
    return values.to_frame().select(pl.first().gather(place)).to_series()
