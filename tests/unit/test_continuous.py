"""Continuous futures: returns and differences of what is held, and nothing of what comes later."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_data import folder

from lim_pipelines.align.continuous import as_taken, back_adjusted, continuous, roll_dates
from lim_pipelines.exchanges import sessions
from lim_pipelines.schemas import ROLLS, UTC_TIME

ROOT = "XNYM:CL"
START = datetime(2020, 4, 13, 21, tzinfo=UTC)
LAG = timedelta(minutes=15)
FOREVER = datetime(2100, 1, 1, tzinfo=UTC)

Closes = dict[str, dict[int, float]]
"""Contract -> day -> close."""


def at(day: int) -> datetime:
    return START + timedelta(days=day)


def bars(closes: Closes) -> pl.DataFrame:
    rows = [(f"{ROOT}.{c}", at(d), close) for c, days in closes.items() for d, close in days.items()]
    frame = pl.DataFrame(
        rows, schema={"instrument_id": pl.String, "ts": UTC_TIME, "close": pl.Float64}, orient="row"
    )
    return frame.with_columns(
        freq=pl.lit("1d"),
        price_type=pl.lit("trade"),
        open="close",
        ex_factor=pl.lit(1.0),
        known_at=pl.col("ts") + LAG,
    )


def calendar(*rolls: tuple[int, str, str], known_after: timedelta = timedelta(0)) -> pl.DataFrame:
    return ROLLS.conform(
        pl.DataFrame(
            [(at(day), f"{ROOT}.{old}", f"{ROOT}.{new}") for day, old, new in rolls],
            schema={"ts": UTC_TIME, "current_contract": pl.String, "next_contract": pl.String},
            orient="row",
        ).with_columns(
            source=pl.lit("test"),
            exchange=pl.lit("XNYM"),
            root=pl.lit(ROOT),
            file=pl.lit("rolls.csv"),
            line=pl.int_range(2, pl.len() + 2),
            known_at=pl.col("ts") + known_after,
        )
    )


def returns(series: pl.DataFrame) -> list[float]:
    change = pl.col("close") / (pl.col("close").shift(1) * pl.col("ex_factor")) - 1
    return series.select(change).to_series().drop_nulls().to_list()


def test_a_roll_by_hand() -> None:
    closes = {"202005": {0: 100.0, 1: 110.0, 2: 99.0, 3: 90.0}, "202006": {1: 120.0, 2: 132.0, 3: 125.4}}
    series = continuous(bars(closes), calendar((2, "202005", "202006")))
    assert series["instrument_id"].unique().to_list() == [ROOT]
    assert series["close"].to_list() == [
        100.0,
        110.0,
        99.0,
        125.4,
    ]  # as traded; the bar at the roll is the old one's
    assert series["contract"].to_list() == [f"{ROOT}.202005"] * 3 + [f"{ROOT}.202006"]
    assert series["ex_factor"].to_list() == pytest.approx([1, 1, 1, 132 / 99])
    assert series["roll_gap"].to_list() == [0, 0, 0, 33.0]
    assert returns(series) == pytest.approx([0.1, -0.1, -0.05])
    panama = back_adjusted(series, FOREVER, "panama")
    assert panama["close"].to_list() == [133.0, 143.0, 132.0, 125.4]
    assert panama["open"].to_list() == panama["close"].to_list()
    ratio = back_adjusted(series, FOREVER, "ratio")
    assert ratio["close"].to_list() == pytest.approx([400 / 3, 440 / 3, 132.0, 125.4])
    assert returns(ratio) == pytest.approx(returns(series))
    before = back_adjusted(series, at(2) + LAG, "panama")
    assert before["close"].to_list() == [100.0, 110.0, 99.0]  # the roll was not known


def test_the_last_moment_with_both_closes_counts_where_the_new_contract_trades_thinly() -> None:
    closes = {"202005": {0: 100.0, 1: 110.0, 2: 99.0}, "202006": {1: 121.0, 4: 130.0}}
    series = continuous(bars(closes), calendar((2, "202005", "202006")))
    assert series.row(-1, named=True)["ex_factor"] == pytest.approx(121 / 110)
    assert series["ts"].to_list() == [at(0), at(1), at(2), at(4)]


def test_contracts_that_never_met_earn_nothing_over_the_roll() -> None:
    closes = {"202005": {0: 100.0, 1: 110.0}, "202006": {3: 50.0, 4: 55.0}}
    series = continuous(bars(closes), calendar((1, "202005", "202006")))
    assert returns(series) == pytest.approx([0.1, 0.0, 0.1])
    assert back_adjusted(series, FOREVER, "panama")["close"].to_list() == [40.0, 50.0, 50.0, 55.0]


def test_a_close_below_zero_makes_no_ratio_but_a_difference() -> None:
    """The May 2020 contract of WTI: 18.27, then -37.63 on 20 April, rolled at that close."""
    closes = {"202005": {4: 18.27, 7: -37.63, 8: 10.01}, "202006": {4: 25.03, 7: 20.43, 8: 11.57}}
    series = continuous(bars(closes), calendar((7, "202005", "202006")))
    assert series["close"].to_list() == [18.27, -37.63, 11.57]
    assert series["ex_factor"].to_list() == pytest.approx([1, 1, 25.03 / 18.27])
    kept = series.filter(pl.col("close") > 0)  # what validation leaves
    assert returns(kept) == pytest.approx([11.57 / 25.03 - 1])
    panama = back_adjusted(series, FOREVER, "panama")
    assert panama["close"].diff().to_list()[1:] == pytest.approx([-37.63 - 18.27, 11.57 - 20.43])
    never = continuous(
        bars({"202005": {0: -1.0}, "202006": {0: 2.0, 1: 3.0}}), calendar((0, "202005", "202006"))
    )
    assert never["ex_factor"].to_list() == [1, 1]


def test_a_roll_takes_place_when_it_is_known() -> None:
    closes = {"202005": dict.fromkeys(range(5), 10.0), "202006": dict.fromkeys(range(5), 20.0)}
    series = continuous(bars(closes), calendar((1, "202005", "202006"), known_after=timedelta(days=2)))
    assert series["close"].to_list() == [10, 10, 10, 10, 20]


def test_a_calendar_that_is_corrected_later_moves_no_roll_of_the_past() -> None:
    told = calendar((5, "202005", "202006"), (12, "202006", "202007"))
    later = {"known_at": pl.lit(FOREVER, UTC_TIME)}
    moved = told.head(1).with_columns(ts=pl.lit(at(6), UTC_TIME), **later)
    restated = told.tail(1).with_columns(carry_contract=pl.lit("XNYM:CL.202008"), **later)
    assert as_taken(pl.concat([told, moved, restated])).equals(told)


def test_a_roll_that_is_moved_before_it_took_place_takes_place_then() -> None:
    early = calendar((5, "202005", "202006")).with_columns(known_at=pl.lit(at(0), UTC_TIME))
    moved = early.with_columns(ts=pl.lit(at(7), UTC_TIME), known_at=pl.lit(at(2), UTC_TIME))
    assert as_taken(pl.concat([moved, early])).equals(moved)


def test_a_contract_that_never_trades_is_passed_over() -> None:
    closes = {"202005": {0: 10.0, 1: 10.0}, "202007": {1: 30.0, 3: 33.0}}
    rolls = calendar((1, "202005", "202006"), (2, "202006", "202007"))
    assert returns(continuous(bars(closes), rolls)) == pytest.approx([0, 0.1])


def test_what_cannot_be_stitched_is_explained() -> None:
    closes = {"202005": {0: 10.0}, "202006": {0: 20.0}}
    with pytest.raises(
        ValueError, match=r"leaves XNYM:CL.202007, but XNYM:CL.202006 was held.*rolls.csv, line 3"
    ):
        continuous(bars(closes), calendar((1, "202005", "202006"), (2, "202007", "202008")))
    with pytest.raises(ValueError, match="repeat a key"):
        continuous(pl.concat([bars(closes)] * 2), calendar((1, "202005", "202006")))


@st.composite
def markets(draw: st.DrawFn) -> tuple[Closes, list[tuple[int, str, str]]]:
    """A few contracts that all trade on all days, and a chain of rolls."""
    days = draw(st.integers(4, 14))
    names = [f"2020{month:02d}" for month in range(5, 5 + draw(st.integers(2, 5)))]
    price = st.floats(1.0, 200.0)
    closes = {name: {d: draw(price) for d in range(days)} for name in names}
    moments = draw(
        st.lists(st.integers(0, days), min_size=len(names) - 1, max_size=len(names) - 1, unique=True)
    )
    return closes, [(d, old, new) for d, (old, new) in zip(sorted(moments), pairwise(names), strict=True)]


def held(rolls: list[tuple[int, str, str]], day: int) -> str:
    """The contract whose bar that ends on `day` is earned, by the words of the contract."""
    name = rolls[0][1]
    for moment, _, new in rolls:
        if moment < day:
            name = new
    return name


@given(markets())
@settings(max_examples=60)
def test_returns_and_differences_are_those_of_holding(
    market: tuple[Closes, list[tuple[int, str, str]]],
) -> None:
    closes, rolls = market
    days = sorted(closes[rolls[0][1]])
    series = continuous(bars(closes), calendar(*rolls))
    owned = [closes[held(rolls, d)] for d in days]
    assert series["close"].to_list() == [c[d] for c, d in zip(owned, days, strict=True)]
    assert returns(series) == pytest.approx(
        [c[d] / c[d - 1] - 1 for c, d in zip(owned[1:], days[1:], strict=True)]
    )
    panama = back_adjusted(series, FOREVER, "panama")["close"]
    assert panama.diff().to_list()[1:] == pytest.approx(
        [c[d] - c[d - 1] for c, d in zip(owned[1:], days[1:], strict=True)], abs=1e-9
    )
    assert panama[-1] == series["close"][-1]


@given(markets(), st.integers(0, 14), st.data())
@settings(max_examples=60)
def test_what_comes_later_changes_nothing_before(
    market: tuple[Closes, list[tuple[int, str, str]]], until: int, data: st.DataObject
) -> None:
    closes, rolls = market
    dropped = data.draw(st.sets(st.sampled_from(sorted(closes))))
    thin = {c: {d: x for d, x in days.items() if c not in dropped or d % 3} for c, days in closes.items()}
    moment = at(until) + LAG
    contracts, rolled = bars(thin), calendar(*rolls)
    whole = continuous(contracts, rolled)
    known = continuous(contracts.filter(pl.col("known_at") <= moment), rolled)
    assert known.equals(whole.filter(pl.col("known_at") <= moment))
    calendar_then = rolled.filter(pl.col("known_at") <= moment)
    if calendar_then.height:
        then = continuous(contracts.filter(pl.col("known_at") <= moment), calendar_then)
        assert then.equals(known)


def test_rolls_are_made_from_expiries() -> None:
    listed = pl.DataFrame(
        {
            "exchange": ["XNYM"] * 3,
            "root": [ROOT] * 3,
            "instrument_id": [f"{ROOT}.202006", f"{ROOT}.202005", f"{ROOT}.202007"],
            "expiry": [date(2020, 5, 19), date(2020, 4, 21), date(2020, 6, 22)],
        }
    )
    rolls = roll_dates(listed, 5)
    close = dict(sessions("XNYM", date(2020, 4, 1), date(2020, 6, 30)).select("date", "close").iter_rows())
    assert rolls.select("ts", "current_contract", "next_contract").rows() == [
        (close[date(2020, 4, 14)], f"{ROOT}.202005", f"{ROOT}.202006"),
        (close[date(2020, 5, 12)], f"{ROOT}.202006", f"{ROOT}.202007"),
    ]
    assert rolls["known_at"].equals(rolls["ts"])
    on_a_sunday = listed.with_columns(expiry=pl.col("expiry").replace(date(2020, 5, 19), date(2020, 5, 17)))
    assert roll_dates(on_a_sunday, 0)["ts"][1] == close[date(2020, 5, 15)]
    # The calendar of China is not known so far ahead: no session to roll on can be named.
    unknown = listed.with_columns(exchange=pl.lit("XSGE"), expiry=pl.col("expiry").dt.offset_by("40y"))
    assert roll_dates(unknown, 5).is_empty()


@pytest.mark.parametrize("root", ["US10", "WHEAT", "LUMBER"])
def test_real_contracts_give_the_vendors_own_panama_series(root: str) -> None:
    """pysystemtrade ships contract prices, its roll calendar, and the series it made of them."""
    data = folder("futures_pysystemtrade")
    utc = pl.col("ts").dt.cast_time_unit("us").dt.replace_time_zone("UTC")

    def table(name: str) -> pl.DataFrame:
        return pl.read_parquet(data / name).filter(pl.col("instrument") == root).with_columns(utc)

    def named(column: str) -> pl.Expr:
        return pl.format("X:{}.{}", "instrument", pl.col(column).str.slice(0, 6)).alias(column)

    prices, legs = table("multiple_prices.parquet"), ("price", "carry", "forward")
    contracts = pl.concat(
        prices.select("ts", instrument_id=named(f"{leg}_contract"), close=pl.col(leg)).drop_nulls()
        for leg in legs
    ).unique(["ts", "instrument_id"], keep="first")
    contracts = contracts.with_columns(
        freq=pl.lit("1d"), price_type=pl.lit("trade"), ex_factor=pl.lit(1.0), known_at="ts"
    )
    rolls = table("roll_calendars.parquet").with_columns(
        named("current_contract"),
        named("next_contract"),
        root=pl.lit(f"X:{root}"),
        known_at="ts",
        file=pl.lit("roll_calendars.parquet"),
        line=pl.int_range(pl.len()),
    )
    ours = back_adjusted(continuous(contracts, rolls), FOREVER, "panama")
    theirs = table("adjusted_prices.parquet").drop_nulls()
    both = ours.join(theirs, on="ts").sort("ts")
    assert both.height == ours.height > 15_000
    assert (both["close"].diff() - both["price"].diff()).abs().max() < 1e-6  # type: ignore[operator]
