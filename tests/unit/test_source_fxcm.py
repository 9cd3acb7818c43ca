"""FXCM minutes: two sides, stamped with their start."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from landing_files import ARRIVED, copy, drop, read, rules
from shared_data import folder

from lim_pipelines.sources.base import RejectedFileError
from lim_pipelines.sources.fxcm import Fxcm

HEADER = "timestamp,open,high,low,close\n"


def test_two_sides_of_a_pair_are_rows_of_two_price_types(tmp_path: Path) -> None:
    drop(tmp_path, "fxcm/eurusd-m1-bid-2012.csv", HEADER + "2012-02-05 22:00:00+00:00,1.31,1.32,1.30,1.315\n")
    drop(
        tmp_path,
        "fxcm/eurusd-m1-ask-2012.csv.gz",
        HEADER + "2012-02-05 22:00:00+00:00,1.32,1.33,1.31,1.316\n",
    )
    parsed = read(Fxcm(), tmp_path)
    assert dict(parsed.rows.select("price_type", "close").iter_rows()) == {"bid": 1.315, "ask": 1.316}
    # The week's first minute, which begins at 17:00 on Sunday in New York, is Monday's.
    assert parsed.rows["ts"].unique().to_list() == [datetime(2012, 2, 5, 22, 1, tzinfo=UTC)]
    assert parsed.rows["date"].unique().to_list() == [date(2012, 2, 6)]
    listing = parsed.listings.row(0, named=True)
    assert (listing["instrument_id"], listing["asset_class"], listing["currency"]) == (
        "FXCM:EURUSD",
        "fx",
        "USD",
    )


def test_a_feed_is_known_when_it_arrived(tmp_path: Path) -> None:
    drop(
        tmp_path,
        "fxcm/usdjpy-m1-bid-2012.csv",
        HEADER + "2012-02-06 08:00:00+00:00,76,77,75,76\n",
        history=False,
    )
    parsed = read(Fxcm(), tmp_path)
    assert parsed.rows["known_at"].to_list() == [ARRIVED]
    assert parsed.listings["currency"].to_list() == ["JPY"]


def test_a_file_without_a_side_is_refused(tmp_path: Path) -> None:
    drop(tmp_path, "fxcm/eurusd-m1-2012.csv", HEADER)
    with pytest.raises(RejectedFileError, match="file_name"):
        read(Fxcm(), tmp_path)


def test_the_vendors_files(tmp_path: Path) -> None:
    copy(tmp_path, "fxcm", folder("fx_minute_fxcm"))
    parsed = read(Fxcm(), tmp_path)
    assert dict(parsed.rows.group_by("price_type").len().iter_rows()) == {"bid": 30_117, "ask": 30_117}
    assert rules(parsed) == {}
    first = parsed.rows.filter(pl.col("price_type") == "bid").row(0, named=True)
    assert (first["ts"], first["open"], first["close"]) == (
        datetime(2012, 2, 1, 0, 1, tzinfo=UTC),
        1.57597,
        1.57576,
    )
    sides = parsed.rows.pivot("price_type", index="ts", values="close")
    assert sides.filter(pl.col("bid") > pl.col("ask")).height == 347
    # Stamped with the start: no bar ends outside the week, which opens and closes at 22:00 UTC in February.
    weekend = pl.col("ts").diff() > timedelta(hours=24)
    mondays = parsed.rows.filter(pl.col("price_type") == "bid").filter(weekend)["ts"].to_list()
    assert min(monday.strftime("%H:%M") for monday in mondays) == "22:01"
    fridays = parsed.rows.filter(pl.col("ts").dt.weekday() == 5)["ts"].dt.time()
    assert fridays.max().strftime("%H:%M") == "22:00"  # type: ignore[union-attr]
