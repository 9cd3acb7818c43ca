"""TradeMaster: Chinese futures with their nights, Shanghai shares with their auction."""

import io
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
from landing_files import copy, drop, read, rules
from shared_data import folder

from lim_pipelines.sources.trademaster_futures import TrademasterFutures
from lim_pipelines.sources.trademaster_shares import TrademasterShares

FUTURES = """datetime,open,high,low,close,volume,hold,symbol
2023-03-10 22:05:00,3084.0,3089.0,3083.0,3088.0,19713,410081,FU2305
2023-03-13 09:05:00,3088.0,3092.0,3085.0,3090.0,18173,409475,FU2305
2023-03-13 09:05:00,560.1,561.0,560.0,560.5,100,2000,SC2305
2023-03-13 09:05:00,1,1,1,1,1,1,QQ2305
"""
SHARES = """ticker,bar_time_cst,open,high,low,close
600000,2019-10-28 09:30:00,12.75,12.75,12.75,12.75
600000,2019-10-28 10:30:00,12.76,12.88,12.68,12.69
"""


def test_a_night_belongs_to_the_next_trading_day(tmp_path: Path) -> None:
    drop(tmp_path, "trademaster_futures/data.csv", FUTURES)
    parsed = read(TrademasterFutures(), tmp_path)
    fuel = parsed.rows.filter(pl.col("symbol") == "FU2305")
    assert fuel.select("date", "ts").rows() == [
        (date(2023, 3, 13), datetime(2023, 3, 10, 14, 5, tzinfo=UTC)),
        (date(2023, 3, 13), datetime(2023, 3, 13, 1, 5, tzinfo=UTC)),
    ]
    assert fuel["open_interest"].to_list() == [410_081, 409_475]
    assert dict(parsed.listings.select("instrument_id", "multiplier").iter_rows()) == {
        "XSGE:FU.202305": 10,
        "XINE:SC.202305": 1000,
    }
    assert rules(parsed) == {"unknown_exchange": 1}


def test_the_auction_is_no_bar(tmp_path: Path) -> None:
    drop(tmp_path, "trademaster_shares/valid.csv", SHARES)
    parsed = read(TrademasterShares(), tmp_path)
    assert parsed.rows.select("ts", "freq", "close").rows() == [
        (datetime(2019, 10, 28, 2, 30, tzinfo=UTC), "1h", 12.69)
    ]
    assert parsed.rejected.select("rule", "line").rows() == [("auction_print", 2)]
    assert parsed.listings["instrument_id"].to_list() == ["XSHG:600000"]


def test_parquet_says_the_same(tmp_path: Path) -> None:
    content = io.BytesIO()
    pl.read_csv(SHARES.encode(), try_parse_dates=True).cast({"ticker": pl.String}).write_parquet(content)
    drop(tmp_path, "trademaster_shares/bars.parquet", content.getvalue())
    parsed = read(TrademasterShares(), tmp_path)
    assert (parsed.rows["close"].to_list(), rules(parsed)) == ([12.69], {"auction_print": 1})


def test_the_vendors_futures(tmp_path: Path) -> None:
    copy(tmp_path, "trademaster_futures", folder("cn_futures_5min_trademaster"))
    parsed = read(TrademasterFutures(), tmp_path)
    assert (parsed.rows.height, rules(parsed)) == (10_140, {})
    counts = dict(parsed.rows.group_by("symbol").len().iter_rows())
    assert counts.pop("WR2305") == 933
    assert set(counts.values()) == {1_023}
    assert parsed.listings["instrument_id"].n_unique() == 10
    assert dict(parsed.rows.group_by("exchange").agg(pl.col("symbol").n_unique()).iter_rows()) == {
        "XSGE": 7,
        "XINE": 3,
    }
    first = parsed.rows.row(0, named=True)
    assert (first["symbol"], first["close"], first["open_interest"]) == ("FU2305", 3088.0, 410_081)
    assert first["date"] == date(2023, 3, 8)


def test_the_vendors_shares(tmp_path: Path) -> None:
    copy(tmp_path, "trademaster_shares", folder("cn_equity_intraday_trademaster"))
    parsed = read(TrademasterShares(), tmp_path)
    assert (parsed.rows.height, rules(parsed)) == (10_712, {"auction_print": 2_678})
    assert parsed.rows.height + parsed.rejected.height == 13_390
    assert parsed.listings.height == 26
    times = parsed.rows["ts"].dt.convert_time_zone("Asia/Shanghai").dt.time().unique().sort()
    assert [f"{time:%H:%M}" for time in times] == ["10:30", "11:30", "14:00", "15:00"]
