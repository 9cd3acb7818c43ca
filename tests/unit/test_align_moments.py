"""Events to tradable moments and sessions: half days, breaks, nights, changes of the clock; lags by field."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from lim_pipelines.align.moments import decisions, intraday_grid, next_tradable, session_for
from lim_pipelines.exchanges import EXCHANGES, UnknownExchangeError, get_exchange, segments, sessions
from lim_pipelines.schemas import UTC_TIME
from lim_pipelines.sources.publication import LAGS, Lag, with_publication


def moments(*texts: str | None, zone: str = "UTC") -> pl.Series:
    there = ZoneInfo(zone)
    values = [None if text is None else datetime.fromisoformat(text).replace(tzinfo=there) for text in texts]
    in_utc = [None if value is None else value.astimezone(UTC) for value in values]
    return pl.Series("ts", in_utc, UTC_TIME)


@pytest.mark.parametrize(
    ("exchange", "zone", "event", "tradable"),
    [
        ("XNYS", "America/New_York", "2024-11-29T12:59:59", "2024-11-29T12:59:59"),
        ("XNYS", "America/New_York", "2024-11-29T13:00", "2024-12-02T09:30"),  # half day
        ("XNYS", "America/New_York", "2024-03-08T18:00", "2024-03-11T09:30"),  # the clock changes on Sunday
        ("XNYS", "America/New_York", "2024-11-01T18:00", "2024-11-04T09:30"),
        ("XNYS", "America/New_York", "2024-07-03T13:30", "2024-07-05T09:30"),
        ("XNYS", "America/New_York", "2001-09-10T17:00", "2001-09-17T09:30"),
        ("XSHG", "Asia/Shanghai", "2024-02-07T11:30", "2024-02-07T13:00"),  # lunch
        ("XSHG", "Asia/Shanghai", "2024-02-08T15:00", "2024-02-19T09:30"),  # new year
        ("XHKG", "Asia/Hong_Kong", "2024-02-09T12:00", "2024-02-14T09:30"),  # half day
        ("XHKG", "Asia/Hong_Kong", "2024-02-08T12:30", "2024-02-08T13:00"),  # lunch
        ("XCME", "America/Chicago", "2024-03-08T16:00", "2024-03-10T17:00"),  # Sunday evening, new clock
        ("XCME", "America/Chicago", "2024-03-12T02:00", "2024-03-12T02:00"),
        ("XSGE", "Asia/Shanghai", "2024-02-07T15:30", "2024-02-07T21:00"),  # night
        ("XSGE", "Asia/Shanghai", "2024-02-08T15:30", "2024-02-19T09:00"),  # no night before holidays
        ("XSGE", "Asia/Shanghai", "2024-02-23T02:30", "2024-02-23T09:00"),
        ("FXCM", "America/New_York", "2024-03-08T17:00", "2024-03-10T17:00"),
        ("BINANCE", "UTC", "2024-03-10T00:00", "2024-03-10T00:00"),
    ],
)
def test_the_next_tradable_moment(exchange: str, zone: str, event: str, tradable: str) -> None:
    found = next_tradable(moments(event, zone=zone), exchange)
    assert found.to_list() == moments(tradable, zone=zone).to_list()


@pytest.mark.parametrize(
    ("exchange", "zone", "known", "session"),
    [
        ("XNYS", "America/New_York", "2024-11-29T19:00", date(2024, 11, 29)),  # 13:00 plus 6 hours
        ("XNYS", "America/New_York", "2024-11-29T19:00:01", date(2024, 12, 2)),
        ("XNYS", "America/New_York", "2024-11-27T22:00", date(2024, 11, 27)),
        ("XNYS", "America/New_York", "2024-11-27T22:00:01", date(2024, 11, 29)),
        ("XSHG", "Asia/Shanghai", "2024-02-08T21:00:01", date(2024, 2, 19)),
        ("XCME", "America/Chicago", "2024-03-10T18:00", date(2024, 3, 11)),
    ],
)
def test_the_session_that_can_use_it(exchange: str, zone: str, known: str, session: date) -> None:
    found = session_for(moments(known, zone=zone), exchange)
    assert found["date"].to_list() == [session]
    assert found["decided_at"][0] >= moments(known, zone=zone)[0]


def some_moments(exchange: str) -> pl.Series:
    """Random moments and all edges of trading of two years with both changes of the clock, and nulls."""
    draw = random.Random(exchange)
    start = datetime(2018, 12, 20, tzinfo=UTC)
    anywhere = [start + timedelta(seconds=draw.randint(0, 800 * 86400)) for _ in range(300)]
    edges = segments(exchange, date(2019, 1, 1), date(2020, 12, 31)).sample(60, seed=1)
    edge = [*edges["open"], *edges["close"]]
    around = [moment + timedelta(microseconds=draw.choice([-1, 0, 1])) for moment in edge]
    values = [*anywhere, *around, None]
    draw.shuffle(values)
    return pl.Series("ts", values, UTC_TIME)


@pytest.mark.parametrize(
    "exchange", ["XNYS", "XSHG", "XHKG", "XTKS", "XSGE", "XCME", "XNYM", "FXCM", "KRAKEN"]
)
def test_against_a_slow_reference(exchange: str) -> None:
    asked = some_moments(exchange)
    stretches = segments(exchange, date(2018, 11, 1), date(2021, 6, 30)).sort("open").rows(named=True)
    days = sessions(exchange, date(2018, 11, 1), date(2021, 6, 30)).rows(named=True)
    lag = get_exchange(exchange).decision_lag
    tradable, session = [], []
    for moment in asked:
        if moment is None:
            tradable.append(None)
            session.append(None)
            continue
        tradable.append(next(max(moment, s["open"]) for s in stretches if s["close"] > moment))
        session.append(next(day["date"] for day in days if day["close"] + lag >= moment))
    assert next_tradable(asked, exchange).to_list() == tradable
    assert session_for(asked, exchange)["date"].to_list() == session


# The calendar of Korea takes ten seconds to build.
SLOW = {"XKFE": pytest.mark.slow}


@pytest.mark.parametrize("exchange", [pytest.param(e, marks=SLOW.get(e, ())) for e in sorted(EXCHANGES)])
def test_every_exchange_has_moments(exchange: str) -> None:
    asked = moments("2023-06-01T00:00", None, "2023-12-24T22:00", "1969-12-31T23:59:59", "2023-03-26T01:30")
    found = next_tradable(asked, exchange)
    assert found.is_null().to_list() == [False, True, False, True, False]
    assert found.name == "ts"
    assert (found.drop_nulls() >= asked.filter(found.is_not_null())).all()
    assert session_for(asked, exchange)["date"].is_null().to_list() == [False, True, False, True, False]
    # What is tradable now is tradable: nothing moves twice.
    assert next_tradable(found, exchange).to_list() == found.to_list()


def test_the_end_of_a_calendar_is_null_not_a_guess() -> None:
    asked = moments("2024-01-02T12:00", "2060-01-02T12:00")
    assert next_tradable(asked, "XSHG").is_null().to_list() == [False, True]
    assert session_for(asked, "XSHG")["decided_at"].is_null().to_list() == [False, True]


def test_no_moments() -> None:
    for empty in (moments(), moments(None), moments("1950-01-01T00:00")):
        assert next_tradable(empty, "XNYS").to_list() == [None] * len(empty)
        assert session_for(empty, "XNYS").rows() == [(None, None)] * len(empty)


def test_decisions_of_half_days_come_earlier() -> None:
    grid = decisions("XNYS", date(2024, 11, 27), date(2024, 12, 2))
    assert grid["date"].to_list() == [date(2024, 11, 27), date(2024, 11, 29), date(2024, 12, 2)]
    assert [moment.hour for moment in grid["decided_at"]] == [3, 0, 3]
    assert [
        moment.hour for moment in decisions("XNYS", date(2024, 7, 2), date(2024, 7, 3))["decided_at"]
    ] == [
        *(2, 23),
    ]


def test_intraday_grids_stop_at_breaks_and_half_days() -> None:
    def clock(exchange: str, day: date, freq: str) -> list[str]:
        ends = intraday_grid(exchange, day, day, freq)["ts"]
        return ends.dt.convert_time_zone(get_exchange(exchange).timezone).dt.strftime("%H:%M").to_list()

    shanghai = ["10:30", "11:30", "14:00", "15:00"]
    assert clock("XSHG", date(2024, 2, 8), "1h") == shanghai
    assert clock("XHKG", date(2024, 2, 9), "1h") == ["10:30", "11:30", "12:00"]
    assert clock("XNYS", date(2024, 11, 29), "1h") == ["10:30", "11:30", "12:30", "13:00"]
    assert clock("XSGE", date(2024, 2, 22), "1h")[:6] == [
        "22:00",
        "23:00",
        "00:00",
        "01:00",
        "02:00",
        "02:30",
    ]
    assert len(clock("XCME", date(2024, 3, 11), "1h")) == 23
    with pytest.raises(ValueError, match="known lengths"):
        intraday_grid("XNYS", date(2024, 1, 2), date(2024, 1, 2), "7m")


@pytest.mark.parametrize("exchange", ["XNYS", "XSHG", "XSGE", "XCME"])
def test_intraday_grids_tile_the_trading(exchange: str) -> None:
    span = (date(2024, 2, 5), date(2024, 3, 15))
    bars = intraday_grid(exchange, *span, "30m")
    assert (bars["ts"] > bars["begins"]).all()
    assert (bars["ts"] - bars["begins"]).max() == timedelta(minutes=30)
    assert bars["begins"].is_sorted()
    stretches = segments(exchange, *span)
    total = (stretches["close"] - stretches["open"]).sum()
    assert (bars["ts"] - bars["begins"]).sum() == total
    inside = bars.join_asof(stretches.drop("date"), left_on="begins", right_on="open")
    assert inside.select((pl.col("ts") <= pl.col("close")).all()).item()


def test_mistakes_are_named() -> None:
    with pytest.raises(UnknownExchangeError):
        next_tradable(moments("2024-01-02T12:00"), "XXXX")
    with pytest.raises(UnknownExchangeError):
        session_for(moments(), "XXXX")
    with pytest.raises(ValueError, match="convert them to UTC"):
        next_tradable(moments("2024-01-02T12:00").dt.replace_time_zone(None), "XNYS")


def silent(ts: str, form: str, zone: str = "UTC") -> pl.DataFrame:
    frame = moments(ts, zone=zone).to_frame()
    return frame.with_columns(known_at=pl.lit(None, UTC_TIME), form=pl.lit(form))


@pytest.mark.parametrize(
    ("lag", "zone", "ts", "known"),
    [
        (Lag(2), "UTC", "2024-02-28T10:00", "2024-03-01T23:59:59"),
        (Lag(0, zone="America/New_York"), "America/New_York", "2016-07-08T00:00", "2016-07-08T23:59:59"),
        (Lag(1, exchange="XNYS"), "America/New_York", "2024-11-27T23:00", "2024-11-29T23:59:59"),
        (Lag(1, exchange="XNYS"), "America/New_York", "2024-11-28T12:00", "2024-11-29T23:59:59"),
        (Lag(0, exchange="XNYS"), "America/New_York", "2024-11-28T12:00", "2024-11-29T23:59:59"),
        (Lag(0, exchange="XNYS"), "America/New_York", "2024-11-29T12:00", "2024-11-29T23:59:59"),
        (Lag(4, exchange="XNYS"), "America/New_York", "2024-03-08T12:00", "2024-03-14T23:59:59"),
        (Lag(1, exchange="XSHG"), "Asia/Shanghai", "2024-02-08T12:00", "2024-02-19T23:59:59"),
        # A time that the clock skips, and one that it shows twice: never too early.
        (
            Lag(1, zone="America/New_York", published=time(2, 30)),
            "America/New_York",
            "2024-03-09T12:00",
            "2024-03-10T03:30",
        ),
        (
            Lag(1, zone="America/New_York", published=time(1, 30)),
            "UTC",
            "2024-11-02T12:00",
            "2024-11-03T06:30",
        ),
        # The day's own morning is before the fact.
        (Lag(0, published=time(8, 30)), "UTC", "2024-03-09T12:00", "2024-03-09T12:00"),
    ],
)
def test_publication_lags(lag: Lag, zone: str, ts: str, known: str) -> None:
    out = with_publication(silent(ts, "x", zone), {"x": lag})
    assert out["known_at"].to_list() == moments(known, zone=zone).to_list()


def test_lags_go_by_field_and_a_release_date_stays() -> None:
    frame = pl.concat([silent("2024-03-31T23:59:59", form) for form in ("10-K", "10-Q", "10-Q")])
    told = moments(None, None, "2024-04-20T12:00").alias("known_at")
    out = with_publication(frame.with_columns(told))
    assert out["known_at"][2] == told[2]
    assert out["known_at"][0] - out["known_at"][1] == timedelta(days=55)
    assert all(name in LAGS for name in ("10-Q", "10-K", "8-K"))


def test_lags_that_cannot_be_told_are_mistakes() -> None:
    with pytest.raises(ValueError, match="no publication lag for form 13F"):
        with_publication(silent("2024-03-31T00:00", "13F"))
    with pytest.raises(ValueError, match="the exchange's calendar"):
        with_publication(silent("2060-03-31T00:00", "x"), {"x": Lag(1, exchange="XSHG")})
    with pytest.raises(ValueError, match="before the day itself"):
        Lag(-1)
