"""Hours at which sessions are over: as the calendars have them, each session once, whatever the clocks do."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.exchanges import EXCHANGES, UnknownExchangeError, sessions
from lim_pipelines.exchanges.closes import CLOSES, ended, tick_before, ticks

FIRST, LAST = date(2018, 10, 1), date(2026, 12, 31)


@pytest.mark.slow
def test_the_hours_are_those_of_the_calendars() -> None:
    found: dict[str, set[time]] = {}
    for mic, exchange in EXCHANGES.items():
        closes = sessions(mic, FIRST, LAST)["close"].dt.convert_time_zone(exchange.timezone)
        found.setdefault(exchange.timezone, set()).update(closes.dt.time().unique())
    assert {zone: tuple(sorted(times)) for zone, times in found.items()} == CLOSES


@pytest.mark.parametrize("zone", CLOSES)
def test_looks_come_when_the_feed_has_the_session(zone: str) -> None:
    feed = timedelta(minutes=15)
    assert ticks(zone) == [(datetime.combine(FIRST, close) + feed).time() for close in CLOSES[zone]]


def test_the_look_before_is_on_the_zones_clock() -> None:
    # The clocks of New York went back on 2018-11-04.
    monday = datetime(2018, 11, 5, 18, 15, tzinfo=UTC)
    assert tick_before("America/New_York", monday) == datetime(2018, 11, 4, 23, 15, tzinfo=UTC)
    assert tick_before("America/New_York", monday - timedelta(days=2)) == datetime(
        2018, 11, 3, 17, 15, tzinfo=UTC
    )
    assert tick_before("UTC", monday) == datetime(2018, 11, 5, 0, 15, tzinfo=UTC)


def looks(zone: str, first: date, days: int) -> list[datetime]:
    """All looks of some days, UTC."""
    clock = ZoneInfo(zone)
    return [
        datetime.combine(first + timedelta(days=i), tick, clock).astimezone(UTC)
        for i in range(days)
        for tick in ticks(zone)
    ]


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(
    mic=st.sampled_from(sorted(EXCHANGES)),
    first=st.dates(LAST - timedelta(days=360), LAST - timedelta(days=60)),
)
def test_the_looks_ask_for_each_session_once_and_at_its_own_hour(mic: str, first: date) -> None:
    zone = EXCHANGES[mic].timezone
    moments = looks(zone, first, 45)
    asked = [ended([mic], tick_before(zone, moment), moment) for moment in moments]
    found = pl.concat(asked)
    begin, end = tick_before(zone, moments[0]), moments[-1]
    days = sessions(mic, first - timedelta(days=2), first + timedelta(days=46))
    lag = EXCHANGES[mic].feed_lag
    expected = days.filter((pl.col("close") + lag > begin) & (pl.col("close") + lag <= end))
    assert found["date"].to_list() == expected["date"].to_list()
    for moment, rows in zip(moments, asked, strict=True):
        assert (rows["ready"] == moment).all()


def test_a_holiday_ends_nothing_and_half_a_day_ends_early() -> None:
    def over(*moment: int) -> list[tuple[str, date]]:
        until = datetime(*moment, tzinfo=UTC)
        return ended(["XNYS", "XNYM"], tick_before("America/New_York", until), until)[
            "exchange", "date"
        ].rows()

    thanksgiving, friday = date(2018, 11, 22), date(2018, 11, 23)
    assert over(2018, 11, 22, 18, 15) == [("XNYM", thanksgiving)]
    assert over(2018, 11, 22, 21, 15) == []
    assert over(2018, 11, 23, 18, 15) == [("XNYM", friday), ("XNYS", friday)]
    assert over(2018, 11, 23, 21, 15) == []
    assert over(2018, 11, 24, 21, 15) == []


def test_a_close_at_an_hour_of_its_own_waits_for_the_next_look() -> None:
    # Between two looks, as after a trading halt at the end of a day.
    close = sessions("XNYS", friday := date(2018, 11, 23), friday)["close"][0]
    assert ended(["XNYS"], close - timedelta(hours=3), close + timedelta(hours=3))["date"].to_list() == [
        friday
    ]
    assert ended(["XNYS"], close, close + timedelta(minutes=14)).is_empty()


def test_without_exchanges_nothing_ends_and_an_unknown_one_is_refused() -> None:
    now = datetime(2018, 11, 23, 18, 15, tzinfo=UTC)
    assert ended([], now - timedelta(days=9), now).is_empty()
    with pytest.raises(UnknownExchangeError, match="XXXX"):
        ended(["XXXX"], now, now)
