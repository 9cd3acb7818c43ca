"""Dropped macro series: counts, units, lags, zeros that mean missing, and a price that was negative."""

import gzip
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from shared_data import folder

from lim_pipelines.sources.macro import MACRO_SERIES
from lim_pipelines.sources.macro_series import SERIES, collect_landed

ARRIVED = datetime(2026, 9, 1, tzinfo=UTC)


def drop(landing: Path, name: str, text: str, *, history: bool = True) -> None:
    path = landing / "macro_series" / ("history" if history else "") / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (ARRIVED.timestamp(), ARRIVED.timestamp()))


def only(rows: pl.DataFrame, series: str) -> pl.DataFrame:
    return rows.filter(pl.col("series_id") == series)


def test_series_are_named_once_and_apart_from_the_embedded_ones() -> None:
    ids = [series.series_id for series in (*MACRO_SERIES, *SERIES)]
    assert len(set(ids)) == len(ids)


def test_simulated_files_of_each_shape(tmp_path: Path) -> None:
    drop(tmp_path, "oil-prices__wti-daily.csv", "Date,Price\n2020-04-17,18.31\n2020-04-20,-36.98\n")
    drop(tmp_path, "natural-gas__daily.csv", "Date,Price\n2018-01-05,\n2018-01-08,2.88\n")
    drop(
        tmp_path,
        "s-and-p-500__data.csv",
        "Date,SP500,Dividend,Earnings,Consumer Price Index,Long Interest Rate,PE10\n"
        "2023-06-01,4345.37,68.71,181.17,305.11,3.75,29.5\n2023-07-01,4508.08,0.0,0.0,305.69,3.9,30.9\n",
    )
    drop(
        tmp_path,
        "exchange-rates__monthly.csv",
        "Date,Country,Exchange rate\n2018-01-01,Japan,110.9\n2018-01-01,Atlantis,1\n",
    )
    drop(
        tmp_path,
        "zipline__treasury_curves.csv",
        "Time Period,"
        + ",".join(f"{m}month" for m in (1, 3, 6))
        + ","
        + ",".join(f"{y}year" for y in (1, 2, 3, 5, 7, 10, 20, 30))
        + "\n1990-01-02 00:00:00+00:00,,.0783,.0789,.0781,.0787,.079,.0787,.0798,.0794,,.08\n",
    )
    text = (
        '"LOCATION","FREQUENCY","TIME","Value"\n"CHE","Q","1974-Q2",9.5\n'
        '"CHE","M","1974-04",9.4\n"CHE","A","1974",9.3\n'
    )
    drop(tmp_path, "interest-rate.csv", "DATE,PCREDIT8\n2023-07-27,5.5\nsoon,5\n")
    where = tmp_path / "macro_series" / "history" / "oecd__short-term-interest.csv.gz"
    where.write_bytes(gzip.compress(text.encode()))
    parsed = collect_landed(tmp_path)
    assert only(parsed.rows, "wti_spot")["value"].to_list() == [18.31, -36.98]
    assert only(parsed.rows, "shiller_earnings").height == 1
    assert only(parsed.rows, "shiller_sp500").height == 2
    assert only(parsed.rows, "treasury_3month")["value"].to_list() == [0.0783]
    ends = {
        row["series_id"]: row["ts"]
        for row in parsed.rows.filter(pl.col("series_id").str.starts_with("oecd")).iter_rows(named=True)
    }
    assert ends == {
        "oecd_short_rate_che_quarterly": datetime(1974, 6, 30, 23, 59, 59, tzinfo=UTC),
        "oecd_short_rate_che_monthly": datetime(1974, 4, 30, 23, 59, 59, tzinfo=UTC),
        "oecd_short_rate_che_annual": datetime(1974, 12, 31, 23, 59, 59, tzinfo=UTC),
    }
    assert dict(parsed.rejected.group_by("rule").len().iter_rows()) == {
        "missing_value": 1 + 2 + 2,
        "unknown_series": 1,
        "unparsable_date": 1,
    }


def test_a_dropped_file_is_known_when_it_arrived_and_history_after_its_lag(tmp_path: Path) -> None:
    text = "Date,Index,Inflation\n2018-01-01,247.867,\n"
    drop(tmp_path, "cpi-us__cpiai.csv", text, history=False)
    assert collect_landed(tmp_path).rows["known_at"].to_list() == [ARRIVED]
    shutil.rmtree(tmp_path / "macro_series")
    drop(tmp_path, "cpi-us__cpiai.csv", text)
    known = collect_landed(tmp_path).rows["known_at"].to_list()
    assert known == [datetime(2018, 1, 31, 23, 59, 59, tzinfo=UTC) + timedelta(days=31)]


@pytest.mark.parametrize(
    ("name", "text", "rule"),
    [
        ("copper.csv", "Date,Price\n2018-01-01,1\n", "file_name"),
        ("natural-gas__daily.csv", "Day,Price\n2018-01-01,1\n", "wrong_columns"),
        ("natural-gas__daily.csv", "", "empty_file"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_row_of_the_quarantine(
    tmp_path: Path, name: str, text: str, rule: str
) -> None:
    drop(tmp_path, name, text)
    parsed = collect_landed(tmp_path)
    assert parsed.rows.is_empty()
    assert parsed.rejected["rule"].to_list() == [rule]


def test_the_vendors_files(tmp_path: Path) -> None:
    shutil.copytree(folder("macro_series_datasets"), tmp_path / "macro_series" / "history")
    (tmp_path / "macro_series" / "history" / "README.md").unlink()
    parsed = collect_landed(tmp_path)
    counts = dict(parsed.rows.group_by("series_id").len().iter_rows())
    lost = {
        (symbol, rule): n for symbol, rule, n in parsed.rejected.group_by("symbol", "rule").len().iter_rows()
    }
    assert counts["wti_spot"] == 10_226
    assert counts["brent_spot"] == 9_958
    assert (counts["henry_hub_spot"], lost["henry_hub_spot", "missing_value"]) == (7_436, 1)
    assert (counts["gold_price"], counts["cboe_vix"]) == (2_322, 9_235)
    assert (counts["us_cpi"], counts["us_10y_yield"]) == (1_360, 879)
    assert (counts["shiller_sp500"], counts["shiller_dividend"]) == (1_866, 1_866 - 36)
    assert lost["shiller_dividend", "missing_value"] == lost["shiller_earnings", "missing_value"] == 36
    assert lost["shiller_cape", "missing_value"] == 153
    assert lost["treasury_1month", "missing_value"] == 2_899
    assert counts["treasury_10year"] == 6_816
    assert sum(n for name, n in counts.items() if name.startswith("usd_rate_")) == 17_237
    assert sum(n for name, n in counts.items() if name.startswith("oecd_")) == 24_125
    assert {rule for _, rule in lost} == {"missing_value"}
    negative = only(parsed.rows, "wti_spot").filter(pl.col("value") < 0)
    assert negative.select("value", "ts").rows() == [(-36.98, datetime(2020, 4, 20, 20, 0, tzinfo=UTC))]
    assert (parsed.rows["known_at"] > parsed.rows["ts"]).all()
