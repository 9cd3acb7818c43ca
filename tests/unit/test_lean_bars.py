"""Small files of every shape that LEAN ships."""

import os
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from lean_world import FEED, LeanWorld

from lim_pipelines.schemas import QUARANTINE, RAW_QUOTES
from lim_pipelines.sources.base import RejectedFileError


@pytest.fixture
def world(tmp_path: Path) -> LeanWorld:
    return LeanWorld(tmp_path)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


def test_daily_shares(world: LeanWorld) -> None:
    world.zip(
        "equity/usa/daily/aapl.zip",
        {
            "aapl.csv": "20140605 00:00,6460000,6495000,6445000,6473500,75951141\n"
            "20140606 00:00,6499000,6514400,6444700,6455700,87484634"
        },
    )
    parsed = world.read("equity/usa/daily/aapl.zip")
    assert parsed.rows.schema == RAW_QUOTES.schema
    first = parsed.rows.row(0, named=True)
    assert (first["open"], first["high"], first["low"], first["close"]) == (646.0, 649.5, 644.5, 647.35)
    assert (first["volume"], first["freq"], first["price_type"]) == (75951141, "1d", "trade")
    assert (first["ts"], first["date"]) == (utc(2014, 6, 5, 20), date(2014, 6, 5))
    # The session lies within the vendor's day: known after its close, not at midnight.
    assert first["known_at"] == utc(2014, 6, 5, 20, 15)
    assert (first["file"], first["line"]) == ("lean/history/Data/equity/usa/daily/aapl.zip#aapl.csv", 1)
    (listing,) = parsed.listings.iter_rows(named=True)
    assert (listing["instrument_id"], listing["asset_class"], listing["currency"]) == (
        "XNAS:AAPL",
        "equity",
        "USD",
    )
    assert listing["tick_size"] == 0.01


def test_a_feed_is_known_when_it_arrives(tmp_path: Path) -> None:
    world = LeanWorld(tmp_path, FEED)
    file = world.zip("equity/usa/daily/aapl.zip", {"aapl.csv": "20140605 00:00,1,1,1,1,1"})
    os.utime(file, (1.5e9, 1.5e9))
    assert world.read("equity/usa/daily/aapl.zip").rows["known_at"].to_list() == [utc(2017, 7, 14, 2, 40)]


def test_two_firms_in_one_file_are_on_their_own_exchanges(world: LeanWorld) -> None:
    world.text("equity/usa/map_files/fb.csv", "20120518,fb,Q\n20501231,fb,Q\n")
    world.text("equity/usa/map_files/fb.1.csv", "19990929,fb\n20030328,fb\n")
    days = ("19990930", "20030401", "20120518")
    world.zip("equity/usa/daily/fb.zip", {"fb.csv": "\n".join(f"{day} 00:00,1,1,1,1,1" for day in days)})
    parsed = world.read("equity/usa/daily/fb.zip")
    assert parsed.rows["exchange"].to_list() == ["XNYS", "XNAS", "XNAS"]
    assert parsed.rows.columns == list(RAW_QUOTES.columns)
    # Nobody vouches for the days between.
    listed = parsed.listings.select("instrument_id", "first", "last").sort("first").rows()
    assert listed == [
        ("XNYS:FB~1999", date(1999, 9, 29), date(2003, 3, 28)),
        ("XNAS:FB", date(2012, 5, 18), None),
    ]


def test_ex_factor_gives_the_total_return(world: LeanWorld) -> None:
    """A 7:1 split on 2014-06-09 and .47 a share on 2014-08-07, Apple's."""
    world.text("equity/usa/map_files/aapl.csv", "19980102,aapl,Q\n20501231,aapl,Q\n")
    kept = 1 - 0.47 / 94.96
    world.text(
        "equity/usa/factor_files/aapl.csv",
        f"19980102,{kept},0.1428571,1\n20140606,{kept},0.1428571,645.57\n20140806,{kept},1,94.96\n20501231,1,1,0",
    )
    closes = {"20140606": 6455700, "20140609": 937000, "20140806": 949600, "20140807": 944800}
    world.zip(
        "equity/usa/daily/aapl.zip",
        {"aapl.csv": "\n".join(f"{day} 00:00,1,1,1,{close},1" for day, close in closes.items())},
    )
    rows = world.read("equity/usa/daily/aapl.zip").rows
    back = rows["close"] / (rows["close"].shift(1) * rows["ex_factor"]) - 1
    assert rows["ex_factor"][1] == 1 / 7
    assert back[1] == pytest.approx(93.70 * 7 / 645.57 - 1)
    assert back[3] == pytest.approx(94.48 / (94.96 - 0.47) - 1)
    assert rows["ex_factor"][2] == 1.0


def test_ex_factor_of_minutes_goes_to_the_first_bar_after_the_open(world: LeanWorld) -> None:
    world.text("equity/usa/map_files/aapl.csv", "19980102,aapl,Q\n20501231,aapl,Q\n")
    world.text("equity/usa/factor_files/aapl.csv", "19980102,1,0.5,1\n20140606,1,0.5,645.57\n20501231,1,1,0")
    minutes = [4 * 60, 9 * 60 + 29, 9 * 60 + 30, 9 * 60 + 31]
    bars = "\n".join(f"{60000 * m},1,1,1,1,1" for m in minutes)
    name = "equity/usa/minute/aapl/{}_trade.zip"
    world.zip(name.format("20140609"), {"20140609_aapl_minute_trade.csv": bars})
    world.zip(name.format("20140610"), {"20140610_aapl_minute_trade.csv": bars})
    rows = world.read(name.format("20140609")).rows
    assert rows["ts"].to_list()[1:] == [utc(2014, 6, 9, 13, m) for m in (30, 31, 32)]
    assert rows["ex_factor"].to_list() == [1.0, 1.0, 0.5, 1.0]
    assert world.read(name.format("20140610")).rows["ex_factor"].to_list() == [1.0] * 4


def test_quotes_are_two_rows_and_a_missing_side_none(world: LeanWorld) -> None:
    path = "equity/usa/minute/foxa/20130701_quote.zip"
    lines = (
        "14400000,270000,270000,270000,270000,100,,,,,0\n"
        "34200000,294200,294300,294100,294200,400,298000,298000,297500,297500,100"
    )
    world.zip(path, {"20130701_foxa_minute_quote.csv": lines})
    rows = world.read(path).rows
    assert rows.select("price_type", "line", "close", "volume").sort("line", "price_type").rows() == [
        ("bid", 1, 27.0, 100.0),
        ("ask", 2, 29.75, 100.0),
        ("bid", 2, 29.42, 400.0),
    ]


def test_currencies_on_a_fixed_clock_without_volume(world: LeanWorld) -> None:
    path = "forex/fxcm/minute/eurusd/20140701_quote.zip"
    bar = "0,1.1,1.2,1.0,1.15,0,1.11,1.21,1.01,1.16,0"
    world.zip(path, {"20140701_eurusd_minute_quote.csv": bar})
    rows = world.read(path).rows
    # Midnight five hours behind Greenwich, also in summer.
    assert rows["ts"].to_list() == [utc(2014, 7, 1, 5, 1)] * 2
    assert rows["volume"].null_count() == 2
    assert set(rows["exchange"]) == {"FXCM"}
    assert world.read(path).listings["instrument_id"].to_list() == ["FXCM:EURUSD"]


def test_a_vendors_day_that_is_no_session_is_known_when_it_is_over(world: LeanWorld) -> None:
    world.zip("forex/oanda/daily/eurusd.zip", {"eurusd.csv": "20140702 00:00,1,1,1,1,0,2,2,2,2,0"})
    world.zip("crypto/coinbase/daily/btcusd_trade.zip", {"btcusd.csv": "20140702 00:00,1,1,1,1,2"})
    fx = world.read("forex/oanda/daily/eurusd.zip").rows.row(0, named=True)
    assert (fx["ts"], fx["known_at"]) == (utc(2014, 7, 2, 21), utc(2014, 7, 3, 0, 15))
    coin = world.read("crypto/coinbase/daily/btcusd_trade.zip").rows.row(0, named=True)
    assert (coin["ts"], coin["known_at"]) == (utc(2014, 7, 3), utc(2014, 7, 3, 0, 15))


def test_contracts_with_the_open_interest_of_the_day_before(world: LeanWorld) -> None:
    days = ("20131007", "20131008", "20131015")
    bars = "\n".join(f"{day} 00:00,1680,1690,1670,1685,1000" for day in days)
    world.zip("future/cme/daily/es_trade.zip", {"es_trade_201312.csv": bars, "es_trade_201403.csv": bars})
    world.zip(
        "future/cme/daily/es_openinterest.zip",
        {
            "es_openinterest_201312.csv": "20131007 00:00,2691941\n20131008 00:00,2674467",
            "es_openinterest_201406.csv": "20131007 00:00,7",
        },
    )
    parsed = world.read("future/cme/daily/es_trade.zip")
    front = parsed.rows.filter(pl.col("symbol") == "ES.201312").sort("date")
    # Its own day's is published the next morning; a week old says nothing.
    assert front["open_interest"].to_list() == [None, 2691941, None]
    assert parsed.rows.filter(pl.col("symbol") == "ES.201403")["open_interest"].null_count() == 3
    listing = parsed.listings.row(0, named=True)
    assert (listing["instrument_id"], listing["root"], listing["multiplier"]) == (
        "XCME:ES.201312",
        "XCME:ES",
        50.0,
    )
    # Open interest makes no bars, but its contracts are known.
    interest = world.read("future/cme/daily/es_openinterest.zip")
    assert (interest.rows.height, interest.rejected.height) == (0, 0)
    assert set(interest.listings["symbol"]) == {"ES.201312", "ES.201406"}


def test_evening_bars_of_futures_belong_to_the_next_session(world: LeanWorld) -> None:
    path = "future/cme/minute/es/20131007_trade.zip"
    bars = "72000000,1,1,1,1,1\n79200000,1,1,1,1,1"
    world.zip(path, {"20131007_es_minute_trade_201312.csv": bars})
    rows = world.read(path).rows
    assert rows["ts"].to_list() == [utc(2013, 10, 7, 20, 1), utc(2013, 10, 7, 22, 1)]
    assert rows["date"].to_list() == [date(2013, 10, 7), date(2013, 10, 8)]


def test_perpetuals_are_no_spot(world: LeanWorld) -> None:
    path = "cryptofuture/binance/minute/btcusd/20221213_trade.zip"
    world.zip(path, {"20221213_btcusd_minute_trade_perp.csv": "0,17204,17207.6,17203.9,17207.6,4242"})
    parsed = world.read(path)
    assert parsed.rows["symbol"].to_list() == ["BTCUSD.PERP"]
    (listing,) = parsed.listings.iter_rows(named=True)
    assert (listing["instrument_id"], listing["asset_class"]) == ("BINANCE:BTCUSD.PERP", "future")
    assert (listing["expiry"], listing["root"]) == (None, None)


def test_the_hour_in_which_trading_ends_is_known_when_it_ends(world: LeanWorld) -> None:
    """Hong Kong's day ended at 16:15 or 16:30; the calendar has the later."""
    bars = "\n".join(f"20131004 {hour}:00,1,1,1,1,1" for hour in ("11", "15", "16"))
    world.zip("future/hkfe/hour/hsi_trade.zip", {"hsi_trade_201310.csv": bars})
    rows = world.read("future/hkfe/hour/hsi_trade.zip").rows
    assert rows["ts"].to_list() == [utc(2013, 10, 4, 4), utc(2013, 10, 4, 8), utc(2013, 10, 4, 8, 30)]
    assert rows["known_at"].to_list() == [
        utc(2013, 10, 4, 4, 15),
        utc(2013, 10, 4, 8, 15),
        utc(2013, 10, 4, 8, 45),
    ]


def test_ticks_become_seconds(world: LeanWorld) -> None:
    path = "equity/usa/tick/ibm/20131007_trade.zip"
    ticks = [
        "34200100,1800000,100,P,1,0",
        "34200900,1810000,300,Q,1,0",
        "34200500,1790000,100,P,1,0",  # out of order
        "34200950,9990000,100,P,1,1",  # suspicious
        "34205000,1800000,x,P,1,0",
        "34210000,1820000,200,P,1,0",
    ]
    world.zip(path, {"20131007_ibm_Trade_Tick.csv": "\n".join(ticks)})
    parsed = world.read(path)
    first, second = parsed.rows.sort("ts").iter_rows(named=True)
    assert (first["open"], first["high"], first["low"], first["close"]) == (180.0, 181.0, 179.0, 181.0)
    assert (first["volume"], first["trades"], first["freq"]) == (500.0, 3, "1s")
    assert first["turnover"] == pytest.approx(180 * 100 + 181 * 300 + 179 * 100)
    assert first["vwap"] == pytest.approx(first["turnover"] / 500)
    assert (first["ts"], second["ts"]) == (utc(2013, 10, 7, 13, 30, 1), utc(2013, 10, 7, 13, 30, 11))
    held = parsed.rejected.select("rule", "line").rows()
    assert sorted(held) == [("suspicious_tick", 4), ("unparsable_tick", 5)]
    assert parsed.rejected.schema == QUARANTINE.schema
    assert "9990000" in parsed.rejected.filter(pl.col("rule") == "suspicious_tick")["evidence"][0]
    assert len(ticks) == parsed.rows["trades"].sum() + parsed.rejected.height


def test_quote_ticks(world: LeanWorld) -> None:
    share = "equity/usa/tick/ibm/20131007_quote.zip"
    world.zip(
        share,
        {
            "20131007_ibm_Quote_Tick.csv": "34200100,0,0,1836300,100,Q,1,0\n"
            "34200200,1800000,200,1835000,300,P,1,0\n34201000,1800100,100,0,0,P,1,0"
        },
    )
    rows = world.read(share).rows.sort("price_type", "ts")
    assert rows.select("price_type", "open", "close", "volume").rows() == [
        ("ask", 183.63, 183.50, 300.0),
        ("bid", 180.0, 180.0, 200.0),
        ("bid", 180.01, 180.01, 100.0),
    ]
    pair = "forex/oanda/tick/eurusd/20140501_quote.zip"
    world.zip(pair, {"20140501_eurusd_tick_quote.csv": "292,1.38676,1.38686\r\n350,1.38670,1.38690\r\n"})
    rows = world.read(pair).rows.sort("price_type")
    assert rows.select("price_type", "high", "low", "volume").rows() == [
        ("ask", 1.3869, 1.38686, None),
        ("bid", 1.38676, 1.3867, None),
    ]


def test_bad_lines_are_held_back_with_entry_and_line(world: LeanWorld) -> None:
    path = "crypto/coinbase/minute/btcusd/20161007_trade.zip"
    lines = [
        "0,1,1,1,1,1",
        "60000,1,1,1,one,1",
        "120000,1,1",
        "180000,1,1,1,,1",
        "x,1,1,1,1,1",
        "240000,2,2,2,2,2",
        "240000,2,2,2,2,2",
    ]
    world.zip(path, {"20161007_btcusd_minute_trade.csv": "\r\n".join(lines)})
    parsed = world.read(path)
    assert parsed.rows["close"].to_list() == [1.0, 2.0]
    assert parsed.rows.height + parsed.rejected.height == len(lines)
    assert sorted(parsed.rejected["line"]) == [2, 3, 4, 5, 7]
    assert set(parsed.rejected["file"]) == {f"lean/history/Data/{path}#20161007_btcusd_minute_trade.csv"}


def test_an_entry_of_another_day_is_held_back(world: LeanWorld) -> None:
    path = "index/usa/minute/spx/20210104_trade.zip"
    bars = "30600000,3764.61,3769.99,3764.61,3766.63,0\n30660000,3764.61,3769.99,3764.61,3766.63,0"
    world.zip(path, {"20210105_spx_minute_trade.csv": bars, "20210104_spx_minute_trade.csv": bars})
    parsed = world.read(path)
    assert parsed.rows.height == 2
    # Chicago's half past eight.
    assert parsed.rows["ts"][0] == utc(2021, 1, 4, 14, 31)
    assert parsed.rows["volume"].null_count() == 2
    assert parsed.rejected.select("rule", "line", "date").rows() == [
        ("wrong_day", 1, date(2021, 1, 4)),
        ("wrong_day", 2, date(2021, 1, 4)),
    ]


@pytest.mark.parametrize(
    ("path", "entry", "rule"),
    [
        (
            "crypto/nowhere/minute/btcusd/20161007_trade.zip",
            "20161007_btcusd_minute_trade.csv",
            "unknown_market",
        ),
        ("future/cme/minute/es/20131007_trade.zip", "20131007_es_minute_trade.csv", "unknown_entry"),
        ("equity/usa/tick/ibm/20131007_trade.zip", "20131007_ibm_Trade_Tick.csv", "wrong_columns"),
        ("equity/usa/minute/ibm/20131007_trade.zip", "ibm.csv", "file_name"),
    ],
)
def test_files_refused_as_a_whole(world: LeanWorld, path: str, entry: str, rule: str) -> None:
    world.zip(path, {entry: "34200000,1,1,1"})
    with pytest.raises(RejectedFileError) as refused:
        world.read(path)
    assert refused.value.rule == rule
    assert refused.value.remedy


def test_a_torn_file_gives_nothing(world: LeanWorld) -> None:
    path = "equity/usa/daily/aapl.zip"
    file = world.zip(path, {"aapl.csv": "\n".join(f"201406{day:02} 00:00,1,1,1,1,1" for day in range(2, 28))})
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(RejectedFileError, match="truncated"):
        world.read(path)
