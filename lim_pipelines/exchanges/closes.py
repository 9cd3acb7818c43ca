"""When sessions are over: the moments of a zone's day at which to look, and which sessions ended by then.

What does not belong here: the sessions (`calendars.py`), what is done when one is over (`assets/closes.py`).

A schedule's hours must be known when the code is loaded, and calendars are slow to load: so the hours stand
here as data, and a test compares them with the calendars. Where an hour is missing, no session is: the next
look asks for all that have ended since the one before.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from lim_pipelines.exchanges.calendars import FIRST_CALENDAR_YEAR, sessions
from lim_pipelines.exchanges.registry import EXCHANGES, get_exchange
from lim_pipelines.schemas import UTC_TIME

_NONE = pl.DataFrame(
    schema={"exchange": pl.String, "date": pl.Date, "close": UTC_TIME, "ready": UTC_TIME},
)

CLOSES: dict[str, tuple[time, ...]] = {
    "America/Chicago": (time(16),),
    # Shares at 16:00, currencies at 17:00, NYMEX and ICE at 18:00; half days of all of them at 13:00.
    "America/New_York": (time(13), time(16), time(17), time(18)),
    "Asia/Hong_Kong": (time(12), time(16), time(16, 30)),
    "Asia/Kolkata": (time(15, 30),),
    "Asia/Seoul": (time(15, 30), time(16, 30)),
    "Asia/Shanghai": (time(15),),
    "Asia/Singapore": (time(17),),
    # Half an hour more since November 2024.
    "Asia/Tokyo": (time(15), time(15, 30)),
    "Europe/Amsterdam": (time(14, 5), time(17, 30)),
    "Europe/Berlin": (time(22),),
    # Brent follows the clock of New York.
    "Europe/London": (time(18), time(22), time(23)),
    "Europe/Paris": (time(14, 5), time(17, 30)),
    "UTC": (time(0),),
}
"""Times of day, on the zone's clock, at which sessions of its exchanges have ended since 2018."""


def ticks(zone: str) -> list[time]:
    """Return the times of day at which a feed may have brought a session that is just over.

    Parameters
    ----------
    zone
        IANA zone, of `CLOSES`.

    Returns
    -------
    list of time
        On the zone's clock, sorted: each close plus each feed's lag.
    """
    lags = {exchange.feed_lag for exchange in EXCHANGES.values() if exchange.timezone == zone}
    midnight = datetime(2000, 1, 1, tzinfo=UTC)
    return sorted(
        {(midnight.replace(hour=t.hour, minute=t.minute) + lag).time() for t in CLOSES[zone] for lag in lags}
    )


def tick_before(zone: str, moment: datetime) -> datetime:
    """Return the last look before a moment.

    Parameters
    ----------
    zone
        IANA zone, of `CLOSES`.
    moment
        With a zone of its own.

    Returns
    -------
    datetime
        UTC, before `moment`.
    """
    clock = ZoneInfo(zone)
    today = moment.astimezone(clock).date()
    found = [
        datetime.combine(today - timedelta(days=back), t, clock).astimezone(UTC)
        for back in (0, 1)
        for t in ticks(zone)
    ]
    return max(tick for tick in found if tick < moment)


def ended(mics: Iterable[str], after: datetime, until: datetime) -> pl.DataFrame:
    """Sessions that ended, feed's lag included, in a stretch of time.

    Parameters
    ----------
    mics
        Exchanges.
    after, until
        The stretch (after, until], with zones.

    Returns
    -------
    pl.DataFrame
        Columns exchange, date, close and ready (UTC; close plus the feed's lag), one row a session, sorted.

    Raises
    ------
    UnknownExchangeError
        An identifier is not registered.
    """
    # A session is named after the day on which it closes, on a clock at most a day away from UTC.
    first = max((after - timedelta(days=2)).date(), date(FIRST_CALENDAR_YEAR, 1, 1))
    found = [
        sessions(mic, first, (until + timedelta(days=1)).date()).select(
            exchange=pl.lit(mic),
            date="date",
            close="close",
            ready=pl.col("close") + get_exchange(mic).feed_lag,
        )
        for mic in mics
    ]
    among = pl.concat([_NONE, *found])
    # polars compares moments of one zone only, and a schedule's are on the clock of its exchanges.
    start, end = after.astimezone(UTC), until.astimezone(UTC)
    return among.filter((pl.col("ready") > start) & (pl.col("ready") <= end)).sort("exchange", "date")
