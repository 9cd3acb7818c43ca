"""Resampling within sessions: breaks, nights and half days; steps and leaps agree; no look-ahead."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.align.resample import resample
from lim_pipelines.exchanges import segments
from lim_pipelines.schemas import ALIGNED_BARS, INTRADAY


def intraday(
    mic: str, first: date, last: date, freq: str, seed: int = 0, price_type: str = "trade"
) -> pl.DataFrame:
    """Every bar of some sessions; whole numbers, so that sums are exact."""
    grid = segments(mic, first, last).select(
        "date", ts=pl.datetime_ranges("open", "close", INTRADAY[freq], closed="right")
    )
    grid = grid.explode("ts")
    rng = np.random.default_rng(seed)
    close = 1000.0 + rng.integers(-3, 4, grid.height).cumsum()
    opened = close + rng.integers(-2, 3, grid.height)
    frame = grid.with_columns(
        exchange=pl.lit(mic),
        instrument_id=pl.lit(f"{mic}:ONE"),
        freq=pl.lit(freq),
        price_type=pl.lit(price_type),
        open=opened,
        close=close,
        high=np.maximum(opened, close) + rng.integers(0, 3, grid.height),
        low=np.minimum(opened, close) - rng.integers(0, 3, grid.height),
        volume=rng.integers(0, 1000, grid.height).astype(float),
        turnover=rng.integers(0, 10**6, grid.height).astype(float),
        trades=rng.integers(0, 50, grid.height),
        vwap=close + 0.5,
        open_interest=rng.integers(0, 10**5, grid.height).astype(float),
        ex_factor=pl.lit(1.0),
        asset_class=pl.lit("future"),
        source=pl.lit("test"),
    )
    return ALIGNED_BARS.conform(frame.with_columns(known_at=pl.col("ts") + timedelta(minutes=15)))


MARKETS = {
    # A lunch break; a night session, a coffee break and lunch; a half day; Sunday evening; never closed.
    "XSHG": (date(2019, 3, 7), date(2019, 3, 8)),
    "XSGE": (date(2019, 3, 8), date(2019, 3, 11)),
    "XNYS": (date(2018, 11, 21), date(2018, 11, 23)),
    "XNYM": (date(2019, 3, 8), date(2019, 3, 11)),
    "BINANCE": (date(2019, 3, 9), date(2019, 3, 10)),
}


@pytest.mark.parametrize("mic", MARKETS)
@pytest.mark.parametrize("freq", ["5m", "20m", "30m", "1h"])
def test_no_bar_reaches_over_a_break_or_a_close(mic: str, freq: str) -> None:
    minutes = intraday(mic, *MARKETS[mic], "1m")
    bars = resample(minutes, freq)
    grid = segments(mic, *MARKETS[mic])
    expected = [
        end
        for begins, ends in grid.select("open", "close").iter_rows()
        for end in [*_steps(begins, ends, INTRADAY[freq])]
    ]
    assert bars["ts"].to_list() == expected
    for one, before in zip(bars.iter_rows(named=True), [None, *expected], strict=False):
        stretch = grid.filter((pl.col("open") < one["ts"]) & (pl.col("close") >= one["ts"])).row(
            0, named=True
        )
        begins = max(stretch["open"], before or stretch["open"])
        inside = minutes.filter((pl.col("ts") > begins) & (pl.col("ts") <= one["ts"]))
        assert (one["open"], one["close"]) == (inside["open"][0], inside["close"][-1])
        assert (one["high"], one["low"]) == (inside["high"].max(), inside["low"].min())
        assert one["volume"] == inside["volume"].sum()
        assert one["trades"] == inside["trades"].sum()
        assert one["date"] == stretch["date"]
        assert one["known_at"] == one["ts"] + timedelta(minutes=15)
        weighted = (inside["vwap"] * inside["volume"]).sum() / inside["volume"].sum()
        assert one["vwap"] == pytest.approx(weighted)
        assert one["open_interest"] == inside["open_interest"][-1]


def _steps(begins: datetime, ends: datetime, step: timedelta) -> Iterator[datetime]:
    while begins < ends:
        begins = min(begins + step, ends)
        yield begins


def test_price_types_do_not_meet() -> None:
    span = MARKETS["XSHG"]
    bid, ask = (intraday("XSHG", *span, "1m", seed, name) for seed, name in enumerate(("bid", "ask")))
    both = resample(pl.concat([bid, ask]), "1h")
    apart = pl.concat([resample(bid, "1h"), resample(ask, "1h")]).sort(ALIGNED_BARS.key)
    assert both.equals(apart)
    assert both["price_type"].value_counts().sort("price_type").rows() == [("ask", 8), ("bid", 8)]


@settings(max_examples=20)
@given(
    st.sampled_from(sorted(MARKETS)),
    st.sampled_from(
        [
            ("1s", "15s", "1m", "20m", "1h"),
            ("15s", "1m", "5m", "15m", "30m", "1h", "1d"),
            ("1m", "20m", "1h", "1d"),
            ("1m", "5m", "20m", "1h", "1d", "1mo"),
            ("5m", "15m", "1h", "1d", "1w"),
        ]
    ),
    st.integers(0, 10**6),
    st.floats(0, 0.9),
)
def test_steps_give_what_one_leap_gives(mic: str, ladder: tuple[str, ...], seed: int, lost: float) -> None:
    first, last = MARKETS[mic]
    shortest, *rest = ladder
    bars = intraday(mic, last if shortest == "1s" else first, last, shortest, seed)
    if shortest == "1s":
        bars = bars.head(2 * 3600)
    kept = np.random.default_rng(seed).random(bars.height) >= lost
    kept[-1] = True
    bars = bars.filter(pl.Series(kept))
    stepped = bars
    for freq in rest:
        leaped = resample(bars, freq)
        stepped = resample(stepped, freq)
        # Nothing is lost or made on the way.
        over = bars.filter(pl.col("ts") <= (leaped["ts"].max() if leaped.height else bars["ts"].min()))
        if leaped.height:
            for name in ("volume", "turnover", "trades"):
                assert leaped[name].sum() == over[name].sum()
            assert leaped["high"].max() == over["high"].max()
            assert leaped["low"].min() == over["low"].min()
        # Steps may know it later, where all bars at a period's end are lost: the one that shows that the
        # period is over must itself be over. They may not know it earlier.
        on = [*ALIGNED_BARS.key]
        same = leaped.join(stepped.select(*on, stepped_at="known_at"), on=on)
        assert (same["known_at"] <= same["stepped_at"]).all()
        assert (leaped.height - stepped.height) in ((0,) if lost == 0 else (0, 1))
        exact = [name for name in leaped.columns if name not in ("known_at", "vwap")]
        assert stepped.select(exact).equals(leaped.head(stepped.height).select(exact))
        assert np.allclose(
            stepped["vwap"].to_numpy(), leaped["vwap"].head(stepped.height).to_numpy(), equal_nan=True
        )
        if lost == 0:
            assert stepped["known_at"].equals(leaped["known_at"])


@settings(max_examples=40)
@given(
    st.sampled_from(sorted(MARKETS)),
    st.sampled_from([("1m", "20m"), ("5m", "1h"), ("20m", "1d")]),
    st.integers(0, 10**6),
    st.floats(0, 0.5),
    st.floats(0, 1),
)
def test_what_is_known_later_changes_nothing_known_before(
    mic: str, lengths: tuple[str, str], seed: int, lost: float, when: float
) -> None:
    rng = np.random.default_rng(seed)
    bars = intraday(mic, *MARKETS[mic], lengths[0], seed)
    late = pl.Series(rng.choice([0, 0, 0, 45, 600], bars.height) * 60_000_000).cast(pl.Duration("us"))
    bars = bars.with_columns(pl.col("known_at") + late).filter(pl.Series(rng.random(bars.height) >= lost))
    everything = resample(bars, lengths[1])
    moments = bars["known_at"].sort()
    moment = moments[int(when * (len(moments) - 1))]
    before = resample(bars.filter(pl.col("known_at") <= moment), lengths[1])
    assert (before["known_at"] <= moment).all()
    # A bar that is late makes a period known late, and another one than was known before.
    known = everything.filter(pl.col("known_at") <= moment)
    assert known.join(before, on=before.columns, how="anti", nulls_equal=True).is_empty()
    if not late.is_in([timedelta(0)]).not_().any():
        assert known.equals(before)
