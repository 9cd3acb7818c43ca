"""Alignment: nothing lost, stable ids, the session grid, source priorities that respect time."""

import json
from datetime import UTC, date, datetime, timedelta
from random import Random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_quotes import CLOSE, LAG, MONDAY, quote, raw

from lim_pipelines.align import bars
from lim_pipelines.align.outcome import Outcome
from lim_pipelines.instruments import listings
from lim_pipelines.schemas import ALIGNED_BARS, QUARANTINE, RAW_QUOTES


def align(frame: pl.DataFrame) -> Outcome:
    return bars.align(frame, listings())


def held(*rows: dict[str, object]) -> list[str]:
    outcome = align(raw(*rows))
    assert outcome.rows.height + outcome.quarantined.height == len(rows)
    return sorted(outcome.quarantined["rule"])


def test_a_quote_gets_its_instrument() -> None:
    outcome = align(raw(quote(symbol="FB"), quote(exchange="XNYS", symbol="IBM")))
    assert outcome.rows["instrument_id"].to_list() == ["XNAS:FB", "XNYS:IBM"]
    assert ALIGNED_BARS.conform(outcome.rows).equals(outcome.rows)
    assert outcome.quarantined.is_empty()


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("unknown_symbol", {"symbol": "NOPE"}),
        # Since the split of 2014 another share class.
        ("unknown_symbol", {"symbol": "GOOG"}),
        ("unknown_symbol", {"exchange": "XNYS"}),
        ("unknown_freq", {"freq": "7x"}),
        ("future_bar", {"known_at": CLOSE - LAG}),
        ("closed_session", {"date": date(2018, 12, 16)}),
        ("closed_session", {"date": date(2018, 12, 5), "ts": CLOSE - timedelta(days=12)}),
        ("closed_session", {"date": date(1901, 1, 1), "ts": datetime(1901, 1, 1, tzinfo=UTC)}),
        ("outside_session", {"freq": "1m", "ts": CLOSE + timedelta(minutes=1)}),
        ("outside_session", {"freq": "1m", "ts": CLOSE - timedelta(hours=6, minutes=30)}),
        ("off_grid", {"freq": "5m", "ts": CLOSE - timedelta(minutes=3)}),
        ("off_grid", {"freq": "1d", "ts": CLOSE - timedelta(minutes=30)}),
    ],
)
def test_what_does_not_fit_is_held(rule: str, changes: dict[str, object]) -> None:
    assert held(quote(), quote(line=3, **changes)) == [rule]


def test_the_short_last_hour_is_on_the_grid() -> None:
    assert held(quote(freq="1h"), quote(freq="1h", ts=CLOSE - timedelta(minutes=30))) == []


def test_evening_bars_belong_to_the_next_session() -> None:
    """CME's session of Monday begins on Sunday evening; its first bars are known before its date in UTC."""
    evening = datetime(2018, 12, 16, 23, 30, tzinfo=UTC)
    bar = quote(
        exchange="XNYM", source="csv_drop", symbol="WTI", freq="30m", ts=evening, known_at=evening + LAG
    )
    assert held(bar) == []


def test_quarantine_says_where_and_why() -> None:
    outcome = align(raw(quote(symbol="NOPE", open=float("nan"), close=float("inf"))))
    row = outcome.quarantined.row(0, named=True)
    assert (row["stage"], row["file"], row["line"], row["symbol"]) == ("align", "a.csv", 2, "NOPE")
    assert "add a listing" in row["reason"]
    evidence = json.loads(row["evidence"])
    assert (evidence["close"], evidence["open"], evidence["volume"]) == ("inf", "NaN", "40000000.0")
    assert QUARANTINE.conform(outcome.quarantined).equals(outcome.quarantined)


def test_bids_and_asks_of_one_bar_are_no_duplicates() -> None:
    sides = [quote(price_type=name, line=i) for i, name in enumerate(("trade", "bid", "ask"))]
    assert held(*sides) == []
    assert held(*sides, quote(price_type="bid", line=9)) == ["duplicate_bar"]


def test_repeated_bars_keep_one_and_contradictions_none() -> None:
    assert held(quote(), quote(line=3)) == ["duplicate_bar"]
    assert held(quote(), quote(line=3, close=164.0)) == ["conflicting_duplicate"] * 2


def test_the_better_source_wins_when_it_is_known_no_later() -> None:
    other = quote(source="hv_apple", close=160.0)
    outcome = align(raw(quote(), other))
    assert outcome.rows["source"].to_list() == ["bokeh_stocks"]
    assert outcome.quarantined["rule"].to_list() == ["superseded_source"]


def test_a_better_source_that_comes_later_is_a_revision() -> None:
    late = quote(source="csv_drop", known_at=CLOSE + timedelta(days=3))
    outcome = align(raw(quote(), late, quote(source="hv_apple", known_at=CLOSE + timedelta(days=4))))
    assert outcome.rows["source"].to_list() == ["bokeh_stocks", "csv_drop"]
    assert outcome.quarantined["source"].to_list() == ["hv_apple"]


def test_nothing_in_nothing_out() -> None:
    outcome = align(RAW_QUOTES.empty())
    assert outcome.rows.schema == ALIGNED_BARS.schema
    assert outcome.quarantined.schema == QUARANTINE.schema


@st.composite
def quotes(draw: st.DrawFn) -> pl.DataFrame:
    days = st.sampled_from([MONDAY, date(2018, 12, 16), date(2018, 12, 18), date(2018, 12, 5)])
    rows = []
    for line in range(2, 2 + draw(st.integers(1, 12))):
        day = draw(days)
        shift = timedelta(days=(day - MONDAY).days)
        ts = CLOSE + shift + draw(st.sampled_from([timedelta(0), timedelta(0), timedelta(minutes=-7)]))
        known_after = draw(st.sampled_from([LAG, LAG, timedelta(days=1), timedelta(days=2), -LAG]))
        rows.append(
            quote(
                date=day,
                symbol=draw(st.sampled_from(["AAPL", "AAPL", "AAPL", "NOPE"])),
                source=draw(st.sampled_from(["bokeh_stocks", "hv_apple", "csv_drop"])),
                freq=draw(st.sampled_from(["1d", "1d", "1m", "7x"])),
                ts=ts,
                known_at=ts + known_after,
                close=draw(st.sampled_from([163.9, 164.0])),
                line=line,
            )
        )
    return raw(*rows)


@settings(max_examples=60)
@given(quotes(), st.randoms(use_true_random=False), st.integers(0, 100))
def test_laws(frame: pl.DataFrame, random: Random, hours: int) -> None:
    outcome = align(frame)
    # Nothing is lost, nothing made.
    assert outcome.rows.height + outcome.quarantined.height == frame.height
    assert outcome.quarantined["line"].n_unique() == outcome.quarantined.height
    assert ALIGNED_BARS.conform(outcome.rows).equals(outcome.rows)
    # The order of rows does not matter.
    order = list(range(frame.height))
    random.shuffle(order)
    shuffled = align(frame[order])
    assert shuffled.rows.equals(outcome.rows)
    assert shuffled.quarantined.equals(outcome.quarantined)
    # Partitions do not meet.
    parts = [align(part).rows for part in frame.partition_by("date")]
    assert pl.concat(parts).sort(ALIGNED_BARS.row_key).equals(outcome.rows)
    # What is known later changes nothing known before.
    moment = CLOSE - timedelta(hours=20) + timedelta(hours=hours)
    before = align(frame.filter(pl.col("known_at") <= moment)).rows
    assert before.equals(outcome.rows.filter(pl.col("known_at") <= moment))
