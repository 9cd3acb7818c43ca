"""Mid bars: the middle of bid and ask, as known at every moment, and only where nobody prints trades."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.align.bars import align
from lim_pipelines.align.mid import with_mid
from lim_pipelines.lake import LATEST, as_of_view
from lim_pipelines.schemas import ALIGNED_BARS, LISTINGS, RAW_QUOTES

START = datetime(2019, 3, 7, 12, 0, tzinfo=UTC)
OHLC = ["open", "high", "low", "close"]


def side(
    price_type: str, price: float, minute: int = 1, known: int = 0, **changes: object
) -> dict[str, object]:
    """One minute bar, known some minutes after its end."""
    ts = START + timedelta(minutes=minute)
    return {
        "exchange": "FXCM",
        "date": date(2019, 3, 7),
        "instrument_id": "FXCM:EURUSD",
        "freq": "1m",
        "price_type": price_type,
        "ts": ts,
        "open": price,
        "high": price + 3,
        "low": price - 1,
        "close": price + 2,
        "volume": 7.0,
        "ex_factor": 1.0,
        "asset_class": "fx",
        "source": "test",
        "withdrawn": False,
        "known_at": ts + timedelta(minutes=known),
        **changes,
    }


def bars(*rows: dict[str, object]) -> pl.DataFrame:
    return ALIGNED_BARS.conform(pl.DataFrame(rows, schema=ALIGNED_BARS.schema))


def mids(*rows: dict[str, object]) -> pl.DataFrame:
    given_rows = bars(*rows)
    found = with_mid(given_rows)
    assert ALIGNED_BARS.conform(found).equals(found)
    mid = found.filter(pl.col("price_type") == "mid")
    before = given_rows.filter(pl.col("price_type") != "mid")
    assert found.filter(pl.col("price_type") != "mid").equals(before), "what was given stays as it was"
    return mid


def test_the_mid_lies_between_bid_and_ask() -> None:
    row = mids(
        side("bid", 10.0), side("ask", 12.0, known=5, volume=1.0, trades=3, turnover=1.0, vwap=2.0)
    ).row(0, named=True)
    assert [row[name] for name in OHLC] == [11.0, 14.0, 10.0, 13.0]
    assert row["known_at"] == row["ts"] + timedelta(minutes=5), "known when the later of the two was"
    # A size quoted is nothing traded.
    assert [row[name] for name in ("volume", "turnover", "vwap", "trades")] == [None] * 4


@pytest.mark.parametrize("price_type", ["bid", "ask", "trade"])
def test_one_side_alone_has_no_mid(price_type: str) -> None:
    assert mids(side(price_type, 10.0), side(price_type, 10.5, known=9)).is_empty()
    other = "bid" if price_type != "bid" else "ask"
    assert mids(side(price_type, 10.0), side(other, 11.0, minute=2)).is_empty(), "another minute's side"
    different = side(other, 11.0, instrument_id="FXCM:GBPUSD")
    assert mids(side(price_type, 10.0), different).is_empty(), "another instrument's side"


@pytest.mark.parametrize("asset_class", ["equity", "future", "crypto", "index"])
def test_what_trades_has_no_mid(asset_class: str) -> None:
    sides = [side(name, 10.0, asset_class=asset_class) for name in ("bid", "ask", "trade")]
    assert mids(*sides).is_empty()


def test_contracts_for_difference_have_one() -> None:
    assert mids(*(side(name, 10.0, asset_class="cfd") for name in ("bid", "ask"))).height == 1


def test_a_price_that_one_side_lacks_is_missing() -> None:
    row = mids(side("bid", 10.0, open=None), side("ask", 12.0)).row(0, named=True)
    assert (row["open"], row["close"]) == (None, 13.0)


def test_a_side_taken_back_takes_the_mid_with_it_and_a_new_one_brings_it_back() -> None:
    found = mids(
        side("bid", 10.0),
        side("ask", 12.0),
        side("bid", 10.0, known=5, withdrawn=True),
        side("bid", 11.0, known=9),
    )
    assert found.select("close", "withdrawn").rows() == [(13.0, False), (13.0, True), (13.5, False)]


def test_the_vendors_own_mid_stays() -> None:
    found = mids(side("bid", 10.0), side("ask", 12.0), side("mid", 50.0))
    assert found["close"].to_list() == [52.0]
    later = mids(side("bid", 10.0), side("ask", 12.0), side("mid", 50.0, known=3))
    assert later["close"].to_list() == [13.0, 52.0]


def test_alignment_makes_them() -> None:
    quotes = [
        side(name, price, symbol="EURUSD", file="f", line=2) for name, price in (("bid", 1.0), ("ask", 3.0))
    ]
    raw = RAW_QUOTES.conform(pl.DataFrame(quotes))
    listing = {"source": "test", "symbol": "EURUSD", "exchange": "FXCM", "instrument_id": "FXCM:EURUSD"}
    about = {"name": "Euro", "asset_class": "fx", "currency": "USD", "file": "f", "known_at": START}
    outcome = align(raw, LISTINGS.conform(pl.DataFrame([listing | about])))
    assert outcome.quarantined.is_empty()
    assert outcome.rows.select("price_type", "close").rows() == [("ask", 5.0), ("bid", 3.0), ("mid", 4.0)]


revision = st.fixed_dictionaries(
    {
        "price_type": st.sampled_from(["bid", "ask"]),
        "price": st.integers(1, 50).map(float),
        "minute": st.integers(1, 2),
        "known": st.integers(0, 6),
        "withdrawn": st.sampled_from([False, False, False, True]),
        "source": st.sampled_from(["one", "two"]),
    }
)


@settings(max_examples=150)
@given(st.lists(revision, max_size=14, unique_by=lambda r: (r["price_type"], r["minute"], r["known"])))
def test_the_mid_as_of_a_moment_is_the_mid_of_what_was_known_then(drawn: list[dict[str, object]]) -> None:
    given_rows = bars(*(side(**row) for row in drawn))  # type: ignore[arg-type]
    everything = with_mid(given_rows)
    assert everything.equals(with_mid(given_rows.sample(fraction=1, shuffle=True, seed=1)))
    moments = [START + timedelta(minutes=m) for m in range(10)]
    for moment in (*moments, LATEST):
        view = as_of_view(everything, moment, ALIGNED_BARS)
        assert view.equals(with_mid(as_of_view(given_rows, moment, ALIGNED_BARS)))
