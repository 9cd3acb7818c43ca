"""Which session a moment belongs to.

What does not belong here: what becomes of bars outside all sessions (`align/`).
"""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

from lim_pipelines.exchanges.calendars import FIRST_CALENDAR_YEAR, segments
from lim_pipelines.schemas import UTC_TIME

_NIGHT = timedelta(days=16)
"""A night before a long holiday may belong to a session more than a week later."""


def session_of(mic: str, ts: pl.Series) -> pl.DataFrame:
    """Session and stretch of trading that hold the ends of bars.

    Parameters
    ----------
    mic
        Exchange identifier.
    ts
        Ends of bars (UTC, microseconds), in any order.

    Returns
    -------
    pl.DataFrame
        One row a moment, in the order given: date of the session, open and close (UTC) of its stretch
        (open, close] that holds the moment. Nulls where none does.

    Raises
    ------
    UnknownExchangeError
        The identifier is not registered.
    """
    lowest, highest = ts.min(), ts.max()
    if lowest is None:
        return pl.DataFrame(schema={"date": pl.Date, "open": UTC_TIME, "close": UTC_TIME}).clear(len(ts))
    first = max(lowest.date() - timedelta(days=1), date(FIRST_CALENDAR_YEAR, 1, 1))  # type: ignore[union-attr]
    stretches = segments(mic, first, max(first, highest.date() + _NIGHT))  # type: ignore[union-attr]
    # A binary search of the few stretches is several times faster than a join of the many moments. What lies
    # behind the last stretch finds the row of nulls there.
    stretches = pl.concat([stretches, stretches.clear(1)], rechunk=True)
    nearest = stretches["close"][:-1].search_sorted(ts, side="left").alias("nearest")
    inside = ts > stretches["open"].gather(nearest)
    found = nearest.to_frame().select(pl.when(inside).then("nearest")).to_series()
    return stretches.select(pl.all().gather(found))
