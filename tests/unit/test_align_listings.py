"""Alignment: which instrument a symbol means on a date, and the stretches of trading that bars lie in."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from raw_quotes import CLOSE, LAG, MONDAY, quote, raw

from lim_pipelines.align import bars
from lim_pipelines.exchanges import calendar_ends
from lim_pipelines.instruments import listings
from lim_pipelines.schemas import LISTINGS, VALIDATED_BARS
from lim_pipelines.validate.gate import validate


def minutes(mic: str, symbol: str, day: date, *ends: datetime, freq: str = "1h") -> pl.DataFrame:
    """Bars that end at some moments, known with the feed's lag."""
    return raw(
        *(
            quote(exchange=mic, symbol=symbol, date=day, freq=freq, ts=ts, known_at=ts + LAG, line=line)
            for line, ts in enumerate(ends, start=2)
        )
    )


def listed(*rows: dict[str, object]) -> pl.DataFrame:
    """Listings of the source bokeh_stocks."""
    said = {
        "source": "bokeh_stocks",
        "name": "a firm",
        "asset_class": "equity",
        "currency": "USD",
        "file": "f",
    }
    known_at = datetime(2019, 1, 1, tzinfo=UTC)
    return LISTINGS.conform(
        pl.DataFrame(
            [said | {"known_at": known_at, "first": date(1900, 1, 1), "last": None} | row for row in rows],
            schema_overrides={"last": pl.Date},
            infer_schema_length=None,
        )
    )


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("mic", "day", "good", "held_back"),
    [
        # Shanghai: 09:30-11:30, 13:00-15:00 China time; nothing ends in the lunch break or at its end.
        (
            "XSHG",
            date(2019, 3, 7),
            ["2019-03-07T02:30", "2019-03-07T03:30", "2019-03-07T06:00", "2019-03-07T07:00"],
            {
                "2019-03-07T04:00": "outside_session",
                "2019-03-07T05:00": "outside_session",
                "2019-03-07T02:10": "off_grid",
                "2019-03-07T05:30": "off_grid",
            },
        ),
        # Shanghai futures: Friday's night is of Monday; 75 minutes before the coffee break hold a short bar.
        (
            "XSGE",
            date(2019, 3, 11),
            [
                "2019-03-08T14:00",
                "2019-03-08T18:30",
                "2019-03-11T02:15",
                "2019-03-11T03:30",
                "2019-03-11T07:00",
            ],
            {
                "2019-03-08T07:00": "outside_session",  # Friday's own day
                "2019-03-08T20:00": "outside_session",
                "2019-03-11T02:30": "outside_session",
                "2019-03-11T03:10": "off_grid",
            },
        ),
        # Never closed: the day ends at midnight, and the next day's first hour is not of it.
        (
            "BINANCE",
            date(2019, 3, 9),
            ["2019-03-09T01:00", "2019-03-09T12:00", "2019-03-10T00:00"],
            {"2019-03-09T00:00": "outside_session", "2019-03-10T01:00": "outside_session"},
        ),
        # Currencies: the week begins on Sunday evening in New York, which puts its clock forward that night.
        (
            "FXCM",
            date(2019, 3, 11),
            ["2019-03-10T22:00", "2019-03-11T12:00", "2019-03-11T21:00"],
            {"2019-03-10T21:00": "outside_session", "2019-03-11T22:00": "outside_session"},
        ),
        ("FXCM", date(2019, 3, 10), [], {"2019-03-10T12:00": "closed_session"}),
    ],
)
def test_bars_lie_in_stretches_of_trading(
    mic: str, day: date, good: list[str], held_back: dict[str, str]
) -> None:
    ends = [at(text) for text in (*good, *held_back)]
    known = listed({"symbol": "ONE", "exchange": mic, "instrument_id": f"{mic}:ONE"})
    outcome = bars.align(minutes(mic, "ONE", day, *ends), known)
    assert outcome.rows["ts"].to_list() == sorted(at(text) for text in good)
    found = outcome.quarantined.sort("line").select("line", "rule").rows()
    assert found == [(len(good) + 2 + i, rule) for i, rule in enumerate(held_back.values())]
    # Bars of one day and of others are judged alike whoever else is in the frame.
    other = quote(date=date(2018, 12, 18), ts=CLOSE + timedelta(days=1), known_at=CLOSE + timedelta(days=2))
    both = pl.concat([known, listings()])
    together = bars.align(pl.concat([minutes(mic, "ONE", day, *ends), raw(other)]), both)
    assert together.rows.filter(pl.col("exchange") == mic).equals(outcome.rows)
    assert together.rows.height == outcome.rows.height + 1


def test_a_ticker_that_is_used_again_means_two_firms() -> None:
    known = listed(
        {"symbol": "S", "exchange": "XNAS", "instrument_id": "XNAS:S", "last": date(2018, 12, 17)},
        {"symbol": "S", "exchange": "XNAS", "instrument_id": "XNAS:S~2018", "first": date(2018, 12, 19)},
    )
    days = [date(2018, 12, 17) + timedelta(days=i) for i in range(4)]
    rows = [
        quote(symbol="S", date=day, ts=CLOSE + timedelta(days=i), known_at=CLOSE + timedelta(days=i), line=i)
        for i, day in enumerate(days)
    ]
    outcome = bars.align(raw(*rows), known)
    assert outcome.rows.sort("date").select("date", "instrument_id").rows() == [
        (days[0], "XNAS:S"),
        (days[2], "XNAS:S~2018"),
        (days[3], "XNAS:S~2018"),
    ]
    # Between the two nobody bore the name.
    assert outcome.quarantined.select("rule", "line").rows() == [("unknown_symbol", 1)]


def test_a_firm_that_changes_its_symbol_keeps_its_id() -> None:
    known = listed(
        {"symbol": "FB", "exchange": "XNAS", "instrument_id": "XNAS:META", "last": date(2018, 12, 17)},
        {"symbol": "META", "exchange": "XNAS", "instrument_id": "XNAS:META", "first": date(2018, 12, 18)},
    )
    day = timedelta(days=1)
    rows = [
        quote(symbol="FB"),
        quote(symbol="META", date=MONDAY + day, ts=CLOSE + day, known_at=CLOSE + day),
        quote(symbol="FB", date=MONDAY + day, ts=CLOSE + day, known_at=CLOSE + day, line=9),
    ]
    outcome = bars.align(raw(*rows), known)
    assert outcome.rows["instrument_id"].to_list() == ["XNAS:META"] * 2
    assert outcome.quarantined.select("rule", "line").rows() == [("unknown_symbol", 9)]


def test_where_two_listings_claim_a_date_the_later_one_holds() -> None:
    known = listed(
        {"symbol": "S", "exchange": "XNAS", "instrument_id": "XNAS:OLD"},
        {
            "symbol": "S",
            "exchange": "XNAS",
            "instrument_id": "XNAS:NEW",
            "first": MONDAY,
            "asset_class": "index",
        },
    )
    day = timedelta(days=3)
    friday = quote(symbol="S", date=MONDAY - day, ts=CLOSE - day, known_at=CLOSE - day)
    outcome = bars.align(raw(quote(symbol="S"), friday), known)
    assert outcome.rows.select("instrument_id", "asset_class").rows() == [
        ("XNAS:OLD", "equity"),
        ("XNAS:NEW", "index"),
    ]


def test_sources_do_not_share_their_symbols() -> None:
    known = listed({"symbol": "S", "exchange": "XNAS", "instrument_id": "XNAS:S"})
    outcome = bars.align(raw(quote(symbol="S", source="other")), known)
    assert outcome.quarantined["rule"].to_list() == ["unknown_symbol"]


def test_a_bar_of_a_worse_source_does_not_come_back_if_the_better_one_fails_later() -> None:
    """Alignment chooses between sources before validation looks at prices; the quarantine names the loser."""
    outcome = bars.align(raw(quote(close=-1.0), quote(source="hv_apple")), listings())
    assert validate(outcome.rows, VALIDATED_BARS).rows.is_empty()
    assert outcome.quarantined.select("rule", "source").rows() == [("superseded_source", "hv_apple")]


def test_hours_of_the_clock_are_hours_too() -> None:
    """Some vendors cut hours at the whole hour though New York opens at half past nine."""
    ends = [at(text) for text in ("2019-03-08T15:00", "2019-03-08T15:30", "2019-03-08T21:00")]
    known = listed({"symbol": "ONE", "exchange": "XNYS", "instrument_id": "XNYS:ONE"})
    outcome = bars.align(minutes("XNYS", "ONE", date(2019, 3, 8), *ends), known)
    assert outcome.rows["ts"].to_list() == ends
    odd = bars.align(minutes("XNYS", "ONE", date(2019, 3, 8), at("2019-03-08T15:10")), known)
    assert odd.quarantined["rule"].to_list() == ["off_grid"]


def test_of_equal_sources_the_first_name_holds() -> None:
    """Two vendors of one rank never agree to the last digit; neither is a mistake of the other."""
    known = listed(
        {"symbol": "ONE", "exchange": "XNYS", "instrument_id": "XNYS:ONE"},
        {"symbol": "ONE", "exchange": "XNYS", "instrument_id": "XNYS:ONE", "source": "another"},
    )
    one = minutes("XNYS", "ONE", date(2019, 3, 8), at("2019-03-08T15:30"))
    other = one.with_columns(source=pl.lit("another"), close=pl.col("close") * 1.001)
    outcome = bars.align(pl.concat([one, other]), known)
    assert outcome.rows["source"].to_list() == [min("another", one["source"][0])]
    assert outcome.quarantined["rule"].to_list() == ["superseded_source"]


def test_a_date_beyond_the_calendar_says_so() -> None:
    known = listed({"symbol": "ONE", "exchange": "XSHG", "instrument_id": "XSHG:ONE"})
    ends = calendar_ends("XSHG")
    assert ends is not None
    day = ends + timedelta(days=40)
    moment = datetime(day.year, day.month, day.day, 7, tzinfo=UTC)
    outcome = bars.align(minutes("XSHG", "ONE", day, moment), known)
    assert outcome.quarantined["rule"].to_list() == ["beyond_calendar"]
    assert calendar_ends("XNYS") is None
