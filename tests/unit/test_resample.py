"""Resampling: volume conserved, highs and lows respected, sessions and half days, no look-ahead."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.align.resample import resample
from lim_pipelines.exchanges import sessions
from lim_pipelines.schemas import ALIGNED_BARS

GRID = sessions("XNYS", date(2018, 11, 5), date(2018, 12, 31))


def daily(instrument: str = "XNYS:IBM", seed: int = 0, grid: pl.DataFrame = GRID) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    prices = 100 + rng.normal(0, 1, (grid.height, 4)).cumsum(axis=0)
    frame = grid.select(
        "date",
        ts="close",
        exchange=pl.lit("XNYS"),
        instrument_id=pl.lit(instrument),
        freq=pl.lit("1d"),
        open=pl.Series(prices[:, 0]),
        high=pl.Series(prices.max(axis=1) + 1),
        low=pl.Series(prices.min(axis=1) - 1),
        close=pl.Series(prices[:, 3]),
        volume=pl.Series(rng.integers(1, 1000, grid.height)).cast(pl.Float64),
        ex_factor=pl.lit(1.0),
        asset_class=pl.lit("equity"),
        source=pl.lit("test"),
    ).with_columns(known_at=pl.col("ts") + timedelta(minutes=15))
    return ALIGNED_BARS.conform(frame)


def row(frame: pl.DataFrame, day: date) -> dict[str, object]:
    return frame.filter(pl.col("date") == day).row(0, named=True)


def test_a_week_by_hand() -> None:
    days = daily().filter(pl.col("date").is_between(date(2018, 11, 19), date(2018, 11, 23)))
    assert days.height == 4  # Thanksgiving, and a half day after it
    week = row(resample(days, "1w"), date(2018, 11, 23))
    assert week["ts"] == datetime(2018, 11, 23, 18, 0, tzinfo=UTC)
    assert week["known_at"] == datetime(2018, 11, 23, 18, 15, tzinfo=UTC)
    assert week["open"] == days["open"][0]
    assert week["close"] == days["close"][-1]
    assert (week["high"], week["low"]) == (days["high"].max(), days["low"].min())
    assert week["volume"] == days["volume"].sum()
    assert week["freq"] == "1w"


def test_a_week_that_is_not_over_is_not_given() -> None:
    days = daily().filter(pl.col("date") <= date(2018, 12, 20))
    assert resample(days, "1w")["date"].max() == date(2018, 12, 14)
    assert resample(daily(), "1w")["date"].max() == date(2018, 12, 28)  # 31 December begins a week


def test_a_week_without_its_last_bar_is_known_when_the_exchange_is_past_it() -> None:
    friday = date(2018, 12, 14)
    gap = daily().filter(pl.col("date") != friday)
    week = row(resample(gap, "1w"), friday)
    assert week["close"] == row(gap, date(2018, 12, 13))["close"]
    assert week["known_at"] == row(gap, date(2018, 12, 17))["known_at"]
    other = pl.concat([gap, daily("XNYS:SPX")])
    known = resample(other, "1w").filter(date=friday, instrument_id="XNYS:IBM")["known_at"].item()
    assert known == row(daily(), friday)["known_at"]


def test_a_split_within_the_week_changes_the_scale_once() -> None:
    days = daily().filter(pl.col("date").is_between(date(2018, 12, 10), date(2018, 12, 14)))
    split = pl.col("date") >= date(2018, 12, 12)
    prices = pl.col("open", "high", "low", "close")
    halved = days.with_columns(
        pl.when(split).then(prices / 2).otherwise(prices),
        ex_factor=pl.when(pl.col("date") == date(2018, 12, 12)).then(0.5).otherwise(1.0),
    )
    plain, adjusted = resample(days, "1w").row(0, named=True), resample(halved, "1w").row(0, named=True)
    assert adjusted["ex_factor"] == 0.5
    for price in ("open", "high", "low", "close"):
        assert adjusted[price] == pytest.approx(plain[price] / 2)


def test_missing_values_stay_missing() -> None:
    closes = daily().with_columns(
        pl.lit(None, pl.Float64).alias(c) for c in ("open", "high", "low", "volume")
    )
    weeks = resample(closes, "1w")
    assert weeks.height == 8
    assert weeks.select("open", "high", "low", "volume").null_count().row(0) == (8, 8, 8, 8)


def test_a_day_without_trades_has_no_average_and_the_week_has_one() -> None:
    days = daily().filter(pl.col("date").is_between(date(2018, 12, 10), date(2018, 12, 14)))
    traded = days.with_columns(
        volume=pl.Series([1.0, 0.0, 3.0, 0.0, 0.0]), vwap=pl.Series([10.0, None, 20.0, None, 7.0])
    )
    assert resample(traded, "1w")["vwap"].to_list() == [17.5]
    unknown = traded.with_columns(vwap=pl.Series([10.0, None, None, None, 7.0]))
    assert resample(unknown, "1w")["vwap"].to_list() == [None]
    idle = traded.with_columns(volume=pl.lit(0.0))
    assert resample(idle, "1w").select("vwap", "volume").rows() == [(None, 0.0)]


def test_minutes_to_hours_and_days() -> None:
    """A half day of 210 minutes: three hours and a half."""
    half = GRID.filter(pl.col("date") == date(2018, 12, 24))
    minutes = half.select(pl.datetime_ranges("open", "close", "1m", closed="right").alias("close")).explode(
        "close"
    )
    grid = minutes.with_columns(date=pl.lit(date(2018, 12, 24)))
    bars = daily(grid=grid).with_columns(freq=pl.lit("1m"))
    hours = resample(bars, "1h")
    assert hours["ts"].dt.to_string("%H:%M").to_list() == ["15:30", "16:30", "17:30", "18:00"]
    day = resample(bars, "1d")
    assert day["ts"].to_list() == half["close"].to_list()
    assert day["volume"].item() == hours["volume"].sum() == bars["volume"].sum()
    assert resample(bars.head(100), "1h").height == 1
    assert resample(bars.head(100), "1d").is_empty()


def test_several_lengths_or_revisions_are_refused() -> None:
    mixed = pl.concat([daily(), daily().with_columns(freq=pl.lit("1m"))])
    with pytest.raises(ValueError, match="one length"):
        resample(mixed, "1w")
    with pytest.raises(ValueError, match="one revision"):
        resample(pl.concat([daily(), daily()]), "1w")
    with pytest.raises(ValueError, match="1d, 1w"):
        resample(daily(), "1y")


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.sets(st.integers(0, GRID.height - 1), max_size=25), st.integers(0, 60))
def test_laws(seed: int, gaps: set[int], cut: int) -> None:
    bars = pl.concat([daily("XNYS:IBM", seed), daily("XNYS:SPX", seed + 1)])
    bars = bars.filter(
        ~((pl.col("instrument_id") == "XNYS:IBM") & pl.col("date").is_in(GRID["date"][list(gaps)]))
    )
    weeks = resample(bars, "1w")
    assert ALIGNED_BARS.conform(weeks).equals(weeks)
    # Volume is conserved over whole weeks, highs and lows are those of the days.
    whole = bars.filter(pl.col("date") <= weeks["date"].max())
    assert weeks["volume"].sum() == whole["volume"].sum()
    assert weeks["high"].max() == whole["high"].max()
    assert weeks["low"].min() == whole["low"].min()
    assert (weeks["high"] >= weeks.select(pl.max_horizontal("open", "close", "low")).to_series()).all()
    # Read as of a moment, then resample: the weeks known at that moment, to the bit.
    moment = datetime(2018, 11, 5, tzinfo=UTC) + timedelta(days=cut)
    before = resample(bars.filter(pl.col("known_at") <= moment), "1w")
    assert before.equals(weeks.filter(pl.col("known_at") <= moment))


def test_lengths_that_do_not_make_up_whole_ones_are_refused() -> None:
    for have, want in (
        ("15m", "20m"),
        ("20m", "30m"),
        ("1d", "1h"),
        ("1h", "1m"),
        ("1w", "1mo"),
        ("1w", "1d"),
    ):
        with pytest.raises(ValueError, match=f"bars of {have} do not make up whole ones of {want}"):
            resample(daily().with_columns(freq=pl.lit(have)), want)


def test_a_month_by_hand() -> None:
    longer = daily(grid=sessions("XNYS", date(2018, 9, 17), date(2018, 12, 20)))
    months = resample(longer, "1mo")
    # The first is a part of a month, as it begins with the data; December is not over.
    assert months["date"].to_list() == [date(2018, 9, 28), date(2018, 10, 31), date(2018, 11, 30)]
    days = longer.filter(pl.col("date").is_between(date(2018, 11, 1), date(2018, 11, 30)))
    month = row(months, date(2018, 11, 30))
    assert (month["open"], month["close"]) == (days["open"][0], days["close"][-1])
    assert (month["high"], month["low"]) == (days["high"].max(), days["low"].min())
    assert month["volume"] == days["volume"].sum()
    assert month["ts"] == datetime(2018, 11, 30, 21, 0, tzinfo=UTC)
    assert month["freq"] == "1mo"
    one_more = resample(daily(grid=sessions("XNYS", date(2018, 11, 1), date(2018, 12, 31))), "1mo")
    assert one_more["date"].to_list() == [date(2018, 11, 30), date(2018, 12, 31)]
