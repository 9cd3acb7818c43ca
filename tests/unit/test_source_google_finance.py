"""Google Finance: zeros that mean missing, levels in shares of 2017, half days."""

import io
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from landing_files import copy, drop, read, rules
from shared_data import folder

from lim_pipelines.exchanges import sessions
from lim_pipelines.sources.base import RejectedFileError
from lim_pipelines.sources.google_finance import GoogleFinance

CSV = """,Open,High,Low,Close,Volume
2010-11-05 16:00:00-04:00,0.0,6.1,5.9,6.0,1200
2010-11-08 16:00:00-05:00,5.99,0.0,0.0,0.0,0
2010-11-26 13:00:00-05:00,6.0,6.2,5.9,6.1,300
"""


def test_a_zip_of_csv_files(tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("NASDAQ_CVCY_30Y.csv", CSV)
        archive.writestr("NYSE_JW.B_30Y.csv", CSV)
    drop(tmp_path, "google_finance/sample.zip", content.getvalue())
    parsed = read(GoogleFinance(), tmp_path)
    assert rules(parsed) == {"missing_close": 2}
    rows = parsed.rows.filter(pl.col("symbol") == "CVCY")
    assert rows.select("exchange", "ts", "open", "volume").rows() == [
        ("XNAS", datetime(2010, 11, 5, 20, tzinfo=UTC), None, 1200),
        # The day after Thanksgiving closes at 13:00, as the vendor's stamp says.
        ("XNAS", datetime(2010, 11, 26, 18, tzinfo=UTC), 6.0, 300),
    ]
    listing = dict(parsed.listings.select("instrument_id", "name").iter_rows())
    assert listing["XNYS:JW.B@2017"] == "JW.B, split-adjusted to December 2017"
    assert rows["file"].str.ends_with("sample.zip#NASDAQ_CVCY_30Y.csv").all()


def test_a_file_that_names_no_exchange_is_refused(tmp_path: Path) -> None:
    drop(tmp_path, "google_finance/CVCY.csv", CSV)
    with pytest.raises(RejectedFileError, match="file_name"):
        read(GoogleFinance(), tmp_path)


@pytest.mark.slow
def test_the_collections_table(tmp_path: Path) -> None:
    copy(tmp_path, "google_finance", folder("us_equity_daily_rsr"), only="ohlcv_daily.parquet")
    parsed = read(GoogleFinance(), tmp_path)
    assert (parsed.rows.height, rules(parsed)) == (2_723_150, {"missing_close": 1})
    assert parsed.rejected.select("symbol", "date").rows() == [("CVCY", date(2010, 11, 8))]
    assert dict(parsed.rows.group_by("exchange").agg(pl.col("symbol").n_unique()).iter_rows()) == {
        "XNAS": 506,
        "XNYS": 848,
    }
    # Zeros are missing now; of 8,694 opens, 8,682 highs and 8,686 lows one row each went with CVCY's close.
    assert parsed.rows.select("open", "high", "low", "volume").null_count().row(0) == (
        8_694,
        8_681,
        8_685,
        11_020,
    )
    # What contradicts itself goes on, for validation to hold back (`ohlc_order`).
    crossed = (pl.col("high") < pl.max_horizontal("open", "close", "low")) | (
        pl.col("low") > pl.min_horizontal("open", "close", "high")
    )
    assert parsed.rows.filter(crossed).height == 794
    apple = parsed.rows.filter((pl.col("symbol") == "AAPL") & (pl.col("date") == date(2008, 7, 1)))
    assert apple["close"].to_list() == [24.95]
    assert parsed.rows.filter(pl.col("date") == date(2010, 4, 1))["symbol"].n_unique() == 731


def test_the_vendors_files(tmp_path: Path) -> None:
    real = folder("us_equity_daily_rsr")
    copy(tmp_path, "google_finance", real / "raw")
    parsed = read(GoogleFinance(), tmp_path)
    assert (parsed.rows.height, rules(parsed)) == (136_011, {})
    assert parsed.listings["instrument_id"].n_unique() == 24
    first = parsed.rows.filter(pl.col("symbol") == "AAPL").row(0, named=True)
    assert (first["date"], first["open"], first["close"]) == (date(1987, 12, 11), None, 1.2143)
    # Every day that the vendor stamps 13:00 closes early by the calendar, too.
    table = pl.read_parquet(real / "ohlcv_daily.parquet", columns=["date", "close_time_local"])
    half = table.filter(pl.col("close_time_local").str.starts_with("13:00"))["date"].unique()
    closes = sessions("XNYS", date(2008, 7, 1), date(2016, 12, 30)).with_columns(
        at=pl.col("close").dt.convert_time_zone("America/New_York").dt.hour()
    )
    assert set(half) <= set(closes.filter(pl.col("at") == 13)["date"])
