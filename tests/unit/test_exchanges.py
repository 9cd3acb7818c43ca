"""Exchanges: sessions against known facts, stretches of trading, rules with dates, sessions of bars."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.exchanges import (
    EXCHANGES,
    FIRST_CALENDAR_YEAR,
    UnknownExchangeError,
    get_exchange,
    rules,
    segments,
    session_of,
    sessions,
)
from lim_pipelines.exchanges.exchange import Stretch
from lim_pipelines.exchanges.rules import Rules, changing
from lim_pipelines.schemas import UTC_TIME

ALL = sorted(EXCHANGES)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(mic: str, first: date, last: date | None = None) -> list[tuple[str, str, str]]:
    """Stretches of some sessions as (date, open, close) on the exchange's clock."""
    zone = get_exchange(mic).timezone
    shown = pl.col("open", "close").dt.convert_time_zone(zone).dt.strftime("%a %d %H:%M")
    frame = segments(mic, first, last or first).with_columns(shown)
    return frame.with_columns(pl.col("date").cast(pl.String)).rows()


@pytest.mark.parametrize(
    ("mic", "count", "digest"),
    [
        ("XNAS", 10329, "ceb12229eb51ac72"),
        ("XNYM", 10574, "e597f2776c0b1d84"),
        ("XNYS", 10329, "ceb12229eb51ac72"),
        ("XSIM", 10329, "ceb12229eb51ac72"),
    ],
)
def test_sessions_that_published_figures_stand_on_have_not_moved(mic: str, count: int, digest: str) -> None:
    """Opens and closes from 1986 to 2026, as they were before other exchanges came."""
    frame = sessions(mic, date(1986, 1, 1), date(2026, 12, 31)).select("date", "open", "close")
    assert frame.height == count
    assert hashlib.sha256(frame.write_csv().encode()).hexdigest()[:16] == digest


@pytest.mark.parametrize("mic", ["XNAS", "XNYS", "XSIM"])
def test_the_day_after_thanksgiving_ends_at_one(mic: str) -> None:
    assert local(mic, date(2018, 11, 22), date(2018, 11, 23)) == [
        ("2018-11-23", "Fri 23 09:30", "Fri 23 13:00")
    ]


def test_shanghai_has_lunch_and_a_golden_week() -> None:
    assert local("XSHG", date(2018, 9, 28), date(2018, 10, 8)) == [
        ("2018-09-28", "Fri 28 09:30", "Fri 28 11:30"),
        ("2018-09-28", "Fri 28 13:00", "Fri 28 15:00"),
        ("2018-10-08", "Mon 08 09:30", "Mon 08 11:30"),
        ("2018-10-08", "Mon 08 13:00", "Mon 08 15:00"),
    ]
    assert segments("XSHE", date(2018, 1, 1), date(2018, 12, 31)).equals(
        segments("XSHG", date(2018, 1, 1), date(2018, 12, 31))
    )


DAY = ["09:00-10:15", "10:30-11:30", "13:30-15:00"]


@pytest.mark.parametrize(
    ("mic", "session", "night"),
    [
        ("XSGE", date(2018, 9, 28), ("Thu 27 21:00", "Fri 28 02:30")),
        ("XSGE", date(2018, 9, 17), ("Fri 14 21:00", "Sat 15 02:30")),  # Friday night belongs to Monday
        ("XSGE", date(2018, 10, 8), None),  # none before Golden Week
        ("XSGE", date(2018, 9, 25), None),  # nor before Mid-Autumn Monday
        ("XSGE", date(2013, 7, 5), None),  # nights began that evening
        ("XSGE", date(2013, 7, 8), ("Fri 05 21:00", "Sat 06 02:30")),
        ("XSGE", date(2020, 2, 4), None),  # the pandemic
        ("XSGE", date(2020, 5, 6), None),
        ("XSGE", date(2020, 5, 7), ("Wed 06 21:00", "Thu 07 02:30")),
        ("XZCE", date(2018, 9, 28), ("Thu 27 21:00", "Thu 27 23:30")),
        ("XDCE", date(2014, 7, 4), None),
        ("XINE", date(2018, 3, 26), None),  # its first day
    ],
)
def test_chinese_futures(mic: str, session: date, night: tuple[str, str] | None) -> None:
    found = local(mic, session)
    assert [f"{opens[-5:]}-{closes[-5:]}" for _, opens, closes in found[-3:]] == DAY
    assert [(opens, closes) for _, opens, closes in found[:-3]] == ([night] if night else [])


@pytest.mark.parametrize(
    ("mic", "session", "opens", "closes"),
    [
        ("XCME", date(2018, 3, 9), "2018-03-08 23:00", "2018-03-09 22:00"),
        ("XCME", date(2018, 3, 12), "2018-03-11 22:00", "2018-03-12 21:00"),  # summer time since Sunday
        ("XCME", date(2018, 11, 5), "2018-11-04 23:00", "2018-11-05 22:00"),  # and winter time
        ("XCME", date(2013, 10, 8), "2013-10-07 22:00", "2013-10-08 21:15"),  # closed later until 2015
        ("XCME", date(2024, 1, 15), "2024-01-14 23:00", "2024-01-15 22:00"),  # currencies trade on
        ("XCEC", date(2018, 3, 12), "2018-03-11 22:00", "2018-03-12 21:00"),
        ("XNYM", date(2024, 1, 15), "2024-01-14 23:00", "2024-01-15 18:00"),
        ("XNYM", date(2024, 1, 16), "2024-01-15 23:00", "2024-01-16 22:00"),
        ("FXCM", date(2018, 3, 9), "2018-03-08 22:00", "2018-03-09 22:00"),
        ("FXCM", date(2018, 3, 12), "2018-03-11 21:00", "2018-03-12 21:00"),
        ("OANDA", date(2018, 11, 5), "2018-11-04 22:00", "2018-11-05 22:00"),
        ("XEUR", date(2024, 6, 3), "2024-06-02 23:10", "2024-06-03 20:00"),
        ("BINANCE", date(2024, 3, 31), "2024-03-31 00:00", "2024-04-01 00:00"),
        (
            "IFEU",
            date(2018, 3, 12),
            "2018-03-12 00:00",
            "2018-03-12 22:00",
        ),  # New York's clock, London's not yet
        ("XNSE", date(2019, 1, 1), "2019-01-01 03:45", "2019-01-01 10:00"),
    ],
)
def test_one_stretch_in_utc(mic: str, session: date, opens: str, closes: str) -> None:
    assert segments(mic, session, session).rows() == [(session, utc(opens), utc(closes))]


def test_the_maintenance_hour_of_nymex_is_session_but_not_trading() -> None:
    day = date(2018, 9, 28)
    assert sessions("XNYM", day, day)["close"].item() == utc("2018-09-28 22:00")
    assert segments("XNYM", day, day)["close"].item() == utc("2018-09-28 21:00")


def test_fx_rests_on_weekends_christmas_and_new_year() -> None:
    found = sessions("FXCM", date(2018, 12, 21), date(2019, 1, 2))["date"]
    assert found.to_list() == [date(2018, 12, d) for d in (21, 24, 26, 27, 28, 31)] + [date(2019, 1, 2)]
    # The evening of Christmas belongs to the 26th.
    evening = pl.Series([utc("2018-12-25 21:30"), utc("2018-12-25 22:00"), utc("2018-12-25 22:01")]).cast(
        UTC_TIME
    )
    assert session_of("FXCM", evening)["date"].to_list() == [None, None, date(2018, 12, 26)]


def test_hong_kong_futures_trade_the_night_before_a_holiday_for_the_day_after() -> None:
    assert local("XHKF", date(2018, 10, 2)) == [
        ("2018-10-02", "Fri 28 17:00", "Sat 29 03:00"),
        ("2018-10-02", "Tue 02 09:15", "Tue 02 12:00"),
        ("2018-10-02", "Tue 02 13:00", "Tue 02 16:30"),
    ]


@pytest.mark.parametrize("mic", ALL)
def test_laws_of_the_calendar(mic: str) -> None:
    start, end = date(FIRST_CALENDAR_YEAR, 1, 1), date(2026, 12, 31)
    days, traded = sessions(mic, start, end), segments(mic, start, end)
    assert days.height > 5_000
    assert (days["date"].diff().drop_nulls() > timedelta(0)).all()
    # The session before may close at the moment that this one opens.
    assert (days["open"] < days["close"]).all()
    assert (days["close"].shift(1).drop_nulls() <= days["open"][1:]).all()
    assert (traded["open"] < traded["close"]).all()
    assert (traded["close"].shift(1).drop_nulls() <= traded["open"][1:]).all()
    inside = traded.join(days, on="date", how="left", suffix="_session")
    assert (inside["open"] >= inside["open_session"]).all()
    assert (inside["close"] <= inside["close_session"]).all()
    assert set(traded["date"]) == set(days["date"])
    # A session is named after the day on which it closes, on the exchange's clock; 0:00 ends a UTC day.
    closes = (days["close"] - timedelta(microseconds=1)).dt.convert_time_zone(get_exchange(mic).timezone)
    assert (closes.dt.date() == days["date"]).all()
    assert get_exchange(mic).decision_lag < days["close"].diff().min()  # type: ignore[operator]


@given(
    st.sampled_from(["XNYS", "XSHG", "XSGE", "XCME", "XNYM", "FXCM", "CRYPTO", "XHKF"]),
    st.lists(
        st.integers(0, 10 * 365 * 24 * 60).map(lambda m: utc("2012-01-01") + timedelta(minutes=m)),
        min_size=1,
        max_size=40,
    ),
)
@settings(max_examples=60)
def test_every_moment_finds_the_stretch_that_holds_it(mic: str, moments: list[datetime]) -> None:
    ts = pl.Series("ts", moments, UTC_TIME)
    # Ends of stretches are where it could go wrong.
    days = segments(mic, date(2018, 9, 20), date(2018, 10, 10))
    ts = pl.concat([ts, days["open"].alias("ts"), days["close"].alias("ts")]).sample(
        fraction=1, shuffle=True, seed=1
    )
    found = session_of(mic, ts)
    stretches = segments(mic, date(2011, 12, 1), date(2022, 2, 1)).rows()
    for moment, row in zip(ts, found.iter_rows(), strict=True):
        holding = [s for s in stretches if s[1] < moment <= s[2]]
        assert row == (holding[0] if holding else (None, None, None))


def test_moments_that_are_missing_or_out_of_reach_have_no_session() -> None:
    ts = pl.Series(
        [utc("1969-06-02 15:00"), None, utc("2018-10-01 15:00"), utc("2018-10-06 15:00")], dtype=UTC_TIME
    )
    assert session_of("XNYS", ts)["date"].to_list() == [None, None, date(2018, 10, 1), None]
    assert session_of("XSHG", ts[:1])["date"].to_list() == [None]
    assert session_of("XNYS", pl.Series([None], dtype=UTC_TIME)).rows() == [(None, None, None)]
    assert session_of("XNYS", pl.Series([], dtype=UTC_TIME)).height == 0


def test_years_without_a_calendar() -> None:
    assert sessions("XNYS", date(1970, 1, 1), date(1970, 1, 5))["date"].to_list() == [
        date(1970, 1, 2),
        date(1970, 1, 5),
    ]
    with pytest.raises(ValueError, match="XNYS: sessions before 1970 are not known"):
        sessions("XNYS", date(1969, 12, 31), date(1970, 1, 5))
    assert sessions("XSHG", date(1970, 1, 1), date(1990, 1, 1)).is_empty()
    # Holidays of China are announced a year ahead: nothing is guessed beyond.
    assert sessions("XSGE", date(2049, 1, 1), date(2049, 12, 31)).is_empty()


@pytest.mark.parametrize(
    ("mic", "on", "expected"),
    [
        ("XNYS", "1990-01-02", {"settlement_days": 5, "tick_size": 0.125, "short_sale": "uptick"}),
        ("XNYS", "2017-09-04", {"settlement_days": 3, "tick_size": 0.01, "short_sale": "located"}),
        ("XNAS", "2017-09-05", {"settlement_days": 2}),
        ("XNAS", "2024-05-27", {"settlement_days": 2}),
        ("XNAS", "2024-05-28", {"settlement_days": 1, "same_day_sale": True, "price_limit": None}),
        ("XSHG", "1994-12-30", {"same_day_sale": True, "price_limit": None}),
        ("XSHG", "2023-08-27", {"same_day_sale": False, "price_limit": 0.1, "sale_tax_bps": 10}),
        ("XSHE", "2023-08-28", {"lot_size": 100, "sale_tax_bps": 5, "purchase_tax_bps": 0}),
        ("XHKG", "2022-01-03", {"sale_tax_bps": 13, "settlement_days": 2, "lot_size": None}),
        ("XNYM", "2018-10-01", {"settlement_days": 1, "short_sale": "free"}),
        ("XSGE", "2018-10-08", {"same_day_sale": True, "lot_size": 1}),
        ("XSIM", "2018-10-01", {"settlement_days": 0, "same_day_sale": True}),
        ("BINANCE", "2022-01-01", {"settlement_days": 0}),
    ],
)
def test_rules_hold_from_their_date(mic: str, on: str, expected: dict[str, object]) -> None:
    found = rules(mic, date.fromisoformat(on))
    assert {name: getattr(found, name) for name in expected} == expected


def test_descriptions_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="must follow"):
        changing(Rules(2), ("2020-01-01", {"settlement_days": 1}), ("2019-01-01", {"settlement_days": 0}))
    with pytest.raises(ValueError, match="calendar_hours is False and hours is empty"):
        replace(EXCHANGES["XNYS"], calendar_hours=False)
    with pytest.raises(UnknownExchangeError, match=r"'XXXX' is not registered.*lim_pipelines/exchanges/"):
        sessions("XXXX", date(2018, 1, 1), date(2018, 1, 5))


def test_all_exchanges_are_told_apart_and_keep_to_their_kind() -> None:
    assert {"XNAS", "XNYS", "XSHG", "XSHE", "XCME", "XCBT", "XNYM", "XCEC", "IFUS", "IFEU"} <= set(ALL)
    assert {"XSGE", "XINE", "XDCE", "XZCE", "XEUR", "XHKF", "XHKG", "XNSE", "FXCM", "OANDA"} <= set(ALL)
    assert {"BINANCE", "COINBASE", "BITFINEX", "BYBIT", "DYDX", "CRYPTO", "XSIM"} <= set(ALL)
    assert [mic for mic, exchange in EXCHANGES.items() if exchange.simulated] == ["XSIM"]
    for exchange in EXCHANGES.values():
        ZoneInfo(exchange.timezone)
        assert min(exchange.commission_bps, exchange.half_spread_bps, exchange.borrow_bps_per_year) >= 0
        assert all(isinstance(s, Stretch) and isinstance(s.opens, time) for s in exchange.hours)


def test_every_exchange_has_its_row_in_the_docs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "adding-an-exchange.md").read_text()
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| ")][1:]
    assert set(re.findall(r"\b[A-Z]{4,}\b", " ".join(rows))) == set(ALL)


def test_importing_exchanges_loads_no_pandas() -> None:
    heavy = "pandas", "exchange_calendars"
    code = f"import sys, lim_pipelines.exchanges; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
