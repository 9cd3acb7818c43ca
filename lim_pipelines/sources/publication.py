"""When something becomes known whose source does not say so: publication lags, as data.

What does not belong here: what a source does say (its own file), lags of macro series
(`macro_series.py`), the time between a bar and our feed (`exchanges/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time, timedelta

import polars as pl

from lim_pipelines.exchanges import get_exchange, sessions
from lim_pipelines.schemas import UTC_TIME

_LAST_SECOND = time(23, 59, 59)
_DAYS_OFF = 20
"""Business days are looked up in the exchange's calendar that many days, and twice the lag, ahead."""


@dataclass(frozen=True)
class Lag:
    """Time from what a fact describes to its publication.

    Parameters
    ----------
    days
        Days after the day that the fact describes (the day of `ts` on the clock of the zone), at least 0.
    exchange
        Exchange whose sessions are the business days that are counted, in whose zone the days are; None:
        calendar days. 0 business days after a day without session is the next session.
    zone
        IANA zone of the days and of `published`, without an exchange.
    published
        Time of day on that clock. The default is the day's last second: no source says a time.

    Raises
    ------
    ValueError
        The number of days is negative.
    """

    days: int
    exchange: str | None = None
    zone: str = "UTC"
    published: time = _LAST_SECOND

    def __post_init__(self) -> None:
        if self.days < 0:
            raise ValueError(f"a lag of {self.days} days is before the day itself; give 0 or more")


LAGS: Mapping[str, Lag] = {
    # SEC, Form 10-Q (A.1) and 10-K (A.1): the longest time for filers that are not accelerated; late filers
    # have 5 and 15 calendar days more by rule 12b-25.
    "10-Q": Lag(45 + 5, zone="America/New_York"),
    "10-K": Lag(90 + 15, zone="America/New_York"),
    # Form 8-K: four business days.
    "8-K": Lag(4, exchange="XNYS"),
}
"""Longest publication lags by field (here the form that states a value), where a release date is missing."""


def with_publication(
    facts: pl.DataFrame, lags: Mapping[str, Lag] = LAGS, *, field: str = "form"
) -> pl.DataFrame:
    """Give facts without a release date the moment at which their lag lets them be known.

    Parameters
    ----------
    facts
        Columns `field`, `ts` and `known_at` (UTC, microseconds; null where the source does not say), and any
        others.
    lags
        Value of `field` to its lag.
    field
        Column that decides on the lag.

    Returns
    -------
    pl.DataFrame
        The same rows in the same order. A `known_at` that is there stays; else it is the time of publication
        `days` after the day of `ts`, and never before `ts`. A time that the clock skips counts as an hour
        later, one that it shows twice as the later one.

    Raises
    ------
    ValueError
        A row without `known_at` has a field without a lag, or one whose business days are not known then.
    UnknownExchangeError
        A lag names an exchange that is not registered.
    """
    silent = facts.filter(pl.col("known_at").is_null())[field].unique()
    unknown = sorted(str(name) for name in silent.to_list() if name not in lags)
    if unknown:
        raise ValueError(
            f"no publication lag for {field} {', '.join(unknown)}, and rows without known_at; add one to LAGS"
            " in lim_pipelines/sources/publication.py"
        )
    known_at = pl.col("known_at")
    for name in silent.to_list():
        moment = _published(facts, lags[name])
        ours = pl.col("known_at").is_null() & (pl.col(field) == name)
        # A moment that the calendar does not reach stays missing: it must not become `ts`.
        not_before = pl.when(moment >= pl.col("ts")).then(moment).when(moment < pl.col("ts")).then("ts")
        known_at = pl.when(ours).then(not_before).otherwise(known_at)
    dated = facts.with_columns(known_at.alias("known_at"))
    if beyond := dated["known_at"].null_count():
        raise ValueError(
            f"{beyond} facts are published after the last session that the exchange's calendar knows; update"
            " exchange-calendars, or give a lag of calendar days"
        )
    return dated


def _published(facts: pl.DataFrame, lag: Lag) -> pl.Expr:
    if lag.exchange is None:
        zone = lag.zone
        day = pl.col("ts").dt.convert_time_zone(zone).dt.date().dt.offset_by(f"{lag.days}d")
        return _on_the_clock(day, lag.published, zone)
    zone = get_exchange(lag.exchange).timezone
    days = facts["ts"].dt.convert_time_zone(zone).dt.date()
    return _on_the_clock(pl.lit(_sessions_after(days, lag.days, lag.exchange)), lag.published, zone)


def _sessions_after(days: pl.Series, count: int, exchange: str) -> pl.Series:
    """Date of the session that lies so many sessions after each day; null beyond the calendar."""
    lowest, highest = days.min(), days.max()
    if not isinstance(lowest, date) or not isinstance(highest, date):
        return days
    dates = sessions(exchange, lowest, highest + timedelta(days=2 * count + _DAYS_OFF))["date"]
    # The day itself counts as 0 if it is a session, else the next session does.
    place = dates.search_sorted(days, side="left").cast(pl.Int64)
    counted = place + pl.Series([count]) - (~days.is_in(dates.to_list())).cast(pl.Int64) * min(count, 1)
    return dates.to_frame().select(pl.first().gather(counted.set(counted >= len(dates), None))).to_series()


def _on_the_clock(day: pl.Expr, clock: time, zone: str) -> pl.Expr:
    there = day.dt.combine(clock)
    # Null where the clock skips the time: an hour later it shows one again.
    shown = there.dt.replace_time_zone(zone, ambiguous="latest", non_existent="null")
    later = there.dt.offset_by("1h").dt.replace_time_zone(zone, ambiguous="latest", non_existent="null")
    return pl.coalesce(shown, later).dt.convert_time_zone("UTC").cast(UTC_TIME)
