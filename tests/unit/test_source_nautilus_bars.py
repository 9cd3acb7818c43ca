"""Futures minutes named as NautilusTrader names them: contract, exchange and decade from the file's name."""

from datetime import UTC, date, datetime, time
from pathlib import Path

import polars as pl
import pytest
from landing_files import copy, drop, read, rules
from shared_data import folder

from lim_pipelines.sources.base import RejectedFileError
from lim_pipelines.sources.nautilus_bars import NautilusBars, delivery

HEADER = "timestamp_utc,open,high,low,close,volume\n"
ROW = "2024-01-01 23:01:00,1.1076,1.10785,1.1076,1.1078,205\n"


def test_contract_exchange_and_session_come_from_name_and_hours(tmp_path: Path) -> None:
    drop(tmp_path, "nautilus_bars/6EH4.XCME_1min_bars_20240101_20240131.csv.gz", HEADER + ROW)
    parsed = read(NautilusBars(), tmp_path)
    row = parsed.rows.row(0, named=True)
    assert (row["exchange"], row["symbol"], row["date"]) == ("XCME", "6EH4", date(2024, 1, 2))
    listing = parsed.listings.row(0, named=True)
    assert (listing["instrument_id"], listing["root"]) == ("XCME:6E.202403", "XCME:6E")
    assert (listing["multiplier"], listing["tick_size"], listing["asset_class"]) == (
        125_000,
        0.00005,
        "future",
    )


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (("H", 4, 2024), date(2024, 3, 1)),
        (("Z", 9, 2019), date(2019, 12, 1)),
        (("F", 0, 2019), date(2020, 1, 1)),
    ],
)
def test_decade_of_a_contract(code: tuple[str, int, int], expected: date) -> None:
    assert delivery(*code) == expected


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("6EH4_1min.csv", "file_name"),
        ("XYH4.XCME_1min_bars_20240101_20240131.csv", "unknown_root"),
    ],
)
def test_what_cannot_be_known_is_refused(tmp_path: Path, name: str, rule: str) -> None:
    drop(tmp_path, f"nautilus_bars/{name}", HEADER + ROW)
    with pytest.raises(RejectedFileError, match=rule):
        read(NautilusBars(), tmp_path)


def test_the_vendors_file(tmp_path: Path) -> None:
    copy(tmp_path, "nautilus_bars", folder("futures_minute_6EH4"))
    parsed = read(NautilusBars(), tmp_path)
    assert (parsed.rows.height, rules(parsed)) == (29_996, {})
    assert parsed.rows["volume"].sum() == 4_310_578
    assert parsed.rows.row(0, named=True)["close"] == 1.1078
    # Payrolls at 13:30 UTC move the bar that ends at 13:31.
    day = parsed.rows.filter(pl.col("date") == date(2024, 1, 5))
    widest = day.sort(pl.col("high") - pl.col("low")).row(-1, named=True)
    assert widest["ts"] == datetime(2024, 1, 5, 13, 31, tzinfo=UTC)
    # No bar ends within the daily rest, and none at its end.
    rest = parsed.rows["ts"].dt.time().is_between(time(22, 1), time(23))
    assert not rest.any()
