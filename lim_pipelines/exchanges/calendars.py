"""Sessions and the stretches of trading in them.

What does not belong here: which exchange keeps which hours (`shares.py`, `futures.py`, `always_open.py`).

Days come from `exchange_calendars`; it imports pandas, so it is loaded when first asked. Times are UTC and
follow the changes of the exchange's clock.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, time
from functools import lru_cache

import polars as pl

from lim_pipelines.exchanges.exchange import Exchange, Stretch
from lim_pipelines.exchanges.registry import get_exchange
from lim_pipelines.schemas import UTC_TIME

FIRST_CALENDAR_YEAR = 1970
"""First year for which sessions are known; the oldest futures prices begin there. Calendars of exchanges that
opened later begin with them."""


def sessions(mic: str, start: date, end: date) -> pl.DataFrame:
    """Sessions of an exchange from `start` to `end`, both included.

    Parameters
    ----------
    mic
        Exchange identifier.
    start, end
        Session dates in the exchange's zone.

    Returns
    -------
    pl.DataFrame
        Columns date, open, close (UTC), one row a session, sorted. Half days close early. Empty where
        `exchange_calendars` has no record (China: before 1991, and after the last year whose holidays are
        announced; a newer version of the package knows more).

    Raises
    ------
    UnknownExchangeError
        The identifier is not registered.
    ValueError
        `start` lies before the first known session year.
    """
    return _between(_sessions, mic, start, end)


def segments(mic: str, start: date, end: date) -> pl.DataFrame:
    """Stretches of continuous trading of the sessions from `start` to `end`, both included.

    Parameters
    ----------
    mic
        Exchange identifier.
    start, end
        Session dates in the exchange's zone.

    Returns
    -------
    pl.DataFrame
        Columns date, open, close (UTC), one row a stretch, sorted; none overlap. A bar belongs to the session
        of the stretch (open, close] that holds its end. Night trading has the date of the session it belongs
        to.

    Raises
    ------
    UnknownExchangeError
        The identifier is not registered.
    ValueError
        `start` lies before the first known session year.
    """
    return _between(_segments, mic, start, end)


@lru_cache(maxsize=128)
def calendar_ends(mic: str) -> date | None:
    """Last date that the exchange's calendar knows; None if it goes on by rule.

    Holidays of Shanghai, Mumbai and Singapore are decreed year by year: what lies beyond the installed
    `exchange_calendars` has no sessions until a newer version is installed.

    Raises
    ------
    UnknownExchangeError
        The identifier is not registered.
    """
    import exchange_calendars

    upper = exchange_calendars.get_calendar(get_exchange(mic).calendar).bound_max()
    return None if upper is None else upper.date()


def _between(table: Callable[[str, int], pl.DataFrame], mic: str, start: date, end: date) -> pl.DataFrame:
    if start.year < FIRST_CALENDAR_YEAR:
        raise ValueError(f"{mic}: sessions before {FIRST_CALENDAR_YEAR} are not known, asked for {start}")
    get_exchange(mic)
    # A few fixed horizons instead of one calendar per request: building one takes a good part of a second.
    horizon = max(2020, 5 * -(-end.year // 5))
    return table(mic, horizon).filter(pl.col("date").is_between(start, end))


@lru_cache(maxsize=128)
def _sessions(mic: str, last_year: int) -> pl.DataFrame:
    exchange = get_exchange(mic)
    days = _days(exchange, last_year)
    if exchange.calendar_hours:
        return days.select("date", "open", "close")
    traded = _stretches(exchange, days)
    return traded.group_by("date").agg(pl.col("open").min(), pl.col("close").max()).sort("date")


@lru_cache(maxsize=128)
def _segments(mic: str, last_year: int) -> pl.DataFrame:
    exchange = get_exchange(mic)
    days = _days(exchange, last_year)
    if not exchange.hours:
        before = days.select("date", "open", close=pl.coalesce("break_start", "close"))
        after = days.filter(pl.col("break_end").is_not_null())
        return pl.concat([before, after.select("date", open="break_end", close="close")]).sort("open")
    traded = _stretches(exchange, days)
    if not exchange.calendar_hours:
        return traded
    cut = traded.join(days.select("date", first="open", last="close"), on="date").select(
        "date", open=pl.max_horizontal("open", "first"), close=pl.min_horizontal("close", "last")
    )
    return cut.filter(pl.col("open") < pl.col("close")).sort("open")


def _days(exchange: Exchange, last_year: int) -> pl.DataFrame:
    """Sessions of the exchange's calendar: date, open, break_start, break_end, close."""
    days = _calendar(exchange.calendar, last_year)
    for month, day in exchange.closed:
        days = days.filter((pl.col("date").dt.month() != month) | (pl.col("date").dt.day() != day))
    return days


@lru_cache(maxsize=64)
def _calendar(name: str, last_year: int) -> pl.DataFrame:
    import exchange_calendars

    known = exchange_calendars.get_calendar(name)
    first, last = date(FIRST_CALENDAR_YEAR, 1, 1), date(last_year, 12, 31)
    lower, upper = known.bound_min(), known.bound_max()
    calendar = exchange_calendars.get_calendar(
        name,
        start=first if lower is None else max(first, lower.date()),
        end=last if upper is None else min(last, upper.date()),
    )
    schedule = calendar.schedule
    times = ["open", "break_start", "break_end", "close"]
    return pl.DataFrame(
        {
            "date": schedule.index.to_numpy(),
            **{name: schedule[name].dt.tz_localize(None).to_numpy() for name in times},
        }
    ).with_columns(pl.col("date").cast(pl.Date), pl.col(times).dt.replace_time_zone("UTC").cast(UTC_TIME))


def _stretches(exchange: Exchange, days: pl.DataFrame) -> pl.DataFrame:
    """Lay the exchange's hours on its days: date, open, close, sorted."""
    before = pl.col("date").shift(1)
    days = days.select("date", session_before=before, weekdays=pl.business_day_count(before, pl.col("date")))
    frames = [_on_days(stretch, days, exchange.timezone) for stretch in exchange.hours]
    return pl.concat(frames).sort("open")


def _on_days(stretch: Stretch, days: pl.DataFrame, zone: str) -> pl.DataFrame:
    opens_on = {
        "session": pl.col("date"),
        "day_before": pl.col("date").dt.offset_by("-1d"),
        "session_before": pl.col("session_before"),
    }[stretch.begins]
    closes_on = opens_on if stretch.closes > stretch.opens else opens_on.dt.offset_by("1d")
    held = pl.col("date").is_between(stretch.first or date.min, stretch.last or date.max)
    if not stretch.through_holidays:
        held &= pl.col("weekdays") == 1
    return days.filter(held & opens_on.is_not_null()).select(
        "date", open=_moment(opens_on, stretch.opens, zone), close=_moment(closes_on, stretch.closes, zone)
    )


def _moment(day: pl.Expr, clock: time, zone: str) -> pl.Expr:
    return day.dt.combine(clock).dt.replace_time_zone(zone).dt.convert_time_zone("UTC").cast(UTC_TIME)
