"""BTC perpetual: minutes in UTC stamped with their end, notional as turnover."""

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
from landing_files import copy, drop, read, rules
from shared_data import folder

from lim_pipelines.sources.btc_perp import BtcPerp

HEADER = "timestamp,open,high,low,close,volume\n"


def test_notional_is_turnover_and_midnight_closes_the_day(tmp_path: Path) -> None:
    rows = "2022-01-01 00:00:00.000000,46319.0,46385.0,46319.0,46377.0,2300413.7295\n"
    drop(tmp_path, "btc_perp/btc-perp-20211231-20220101_1m.csv.gz", HEADER + rows)
    parsed = read(BtcPerp(), tmp_path)
    row = parsed.rows.row(0, named=True)
    assert (row["turnover"], row["volume"]) == (2300413.7295, None)
    assert (row["date"], row["ts"]) == (date(2021, 12, 31), datetime(2022, 1, 1, tzinfo=UTC))
    assert parsed.listings["instrument_id"].to_list() == ["CRYPTO:BTC-PERP"]


def test_the_vendors_file(tmp_path: Path) -> None:
    copy(tmp_path, "btc_perp", folder("crypto_minute_btcperp"))
    parsed = read(BtcPerp(), tmp_path)
    assert (parsed.rows.height, rules(parsed)) == (45_031, {})
    assert parsed.rows["ts"].min() == datetime(2021, 12, 31, 23, 1, tzinfo=UTC)
    assert parsed.rows["ts"].max() == datetime(2022, 2, 1, 5, 31, tzinfo=UTC)
    assert parsed.rows.row(-1, named=True)["close"] == 38544.0
    # Consumer prices at 13:30 UTC: the minute after it is the busiest of that day's hour.
    hour = parsed.rows.filter(
        pl.col("ts").is_between(*(datetime(2022, 1, 12, h, tzinfo=UTC) for h in (13, 14)))
    )
    busiest = hour.sort("turnover").row(-1, named=True)
    assert busiest["ts"] == datetime(2022, 1, 12, 13, 31, tzinfo=UTC)
