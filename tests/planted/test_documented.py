"""Defects that the READMEs beside the vendor files name: each is found, with its count."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from landing_files import copy, drop, read, read_tables, rules
from planted_vendors import table
from shared_data import folder

from lim_pipelines.align import bars as align_bars
from lim_pipelines.schemas import LISTINGS, VALIDATED_BARS
from lim_pipelines.sources import QUOTE_SOURCES, macro_series
from lim_pipelines.sources.base import Parsed
from lim_pipelines.sources.findkg import FinDKG
from lim_pipelines.sources.pystock_filings import PystockFilings
from lim_pipelines.sources.stocknet import StocknetTweets
from lim_pipelines.validate.beside import BEFORE_SESSIONS, NOTHING, Beside
from lim_pipelines.validate.prepare import prepare
from lim_pipelines.validate.rules import rules_of


def parsed(landing: Path, source: str) -> Parsed:
    return read(next(one for one in QUOTE_SOURCES if one.name == source), landing)


def judged(given: Parsed) -> pl.DataFrame:
    """Aligned bars, and a column a rule: whether the row fails."""
    listings = given.listings.unique(LISTINGS.key, keep="first", maintain_order=True)
    rows = align_bars.align(given.rows, listings).rows.sort(VALIDATED_BARS.row_key)
    frame = prepare(rows, VALIDATED_BARS, Beside(listings, NOTHING.actions, NOTHING.members, NOTHING.before))
    return frame.select(
        "instrument_id",
        "date",
        "log_return",
        "sessions_since",
        **{rule.name: ~rule.passes() for rule in rules_of(VALIDATED_BARS)},
    )


def failing(frame: pl.DataFrame) -> dict[str, int]:
    names = [rule.name for rule in rules_of(VALIDATED_BARS)]
    return {name: n for name, n in frame.select(pl.col(names).sum()).row(0, named=True).items() if n}


def test_zeros_and_contradictions_of_a_simulated_file(tmp_path: Path) -> None:
    lines = [
        "2014-02-03 16:00:00-05:00,0.0,0.0,0.0,10.0,100",
        "2014-02-04 16:00:00-05:00,10.0,10.5,9.5,10.0,0",
        "2014-02-05 16:00:00-05:00,10.0,9.0,9.5,10.0,100",
        "2014-02-06 16:00:00-05:00,10.0,10.5,9.5,0.0,100",
        "2014-02-07 16:00:00-05:00,210.0,211.0,209.0,210.0,100",
    ]
    drop(tmp_path, "google_finance/NYSE_A_30Y.csv", "\n".join([",Open,High,Low,Close,Volume", *lines]) + "\n")
    given = parsed(tmp_path, "google_finance")
    assert rules(given) == {"missing_close": 1}
    assert failing(judged(given)) == {"ohlc_order": 1, "complete_bar": 2, "jump": 1, "gap": 1}


@pytest.mark.slow
def test_google_finance(tmp_path: Path) -> None:
    real = folder("us_equity_daily_rsr") / "ohlcv_daily.parquet"
    where = tmp_path / "google_finance" / "history"
    where.mkdir(parents=True)
    shutil.copy(real, where)
    given = parsed(tmp_path, "google_finance")
    assert rules(given) == {"missing_close": 1}, "CVCY on 2010-11-08"
    frame = judged(given)
    counts = failing(frame)
    raw = pl.read_parquet(real)
    zeros = raw.filter(
        (pl.col("close") > 0) & (pl.col("open") * pl.col("high") * pl.col("low") * pl.col("volume") == 0)
    )
    assert counts["complete_bar"] == zeros.height
    assert raw.filter(pl.col("open") == 0).height == 8694
    contradicting = (
        (pl.col("close") > 0)
        & (pl.col("high") > 0)
        & (pl.col("low") > 0)
        & (
            (pl.col("high") < pl.col("low"))
            | ~pl.col("close").is_between("low", "high")
            | ((pl.col("open") > 0) & ~pl.col("open").is_between("low", "high"))
        )
    )
    assert counts["ohlc_order"] == raw.filter(contradicting).height > 76
    doubled = frame.filter(pl.col("log_return").exp() > 2)
    assert doubled.height == 31, "32, one of which starts from the zero of CVCY"
    assert doubled.filter(pl.col("sessions_since") > BEFORE_SESSIONS).height == 11, "across holes of months"
    assert {("XNAS:NOVT@2017", date(2011, 2, 14)), ("XNAS:PPC@2017", date(2009, 12, 29))} <= set(
        doubled.select("instrument_id", "date").iter_rows()
    ), "those that the README names"
    assert doubled["jump"].all()
    assert (counts["jump"], counts["missed_split"], counts["gap"]) == (146, 36, 2302)
    gaps = frame.filter("gap").group_by("date").len().sort("len")
    assert gaps["date"][-1] == date(2010, 4, 5), "on 2010-04-01 there are 731 tickers of about 1,200"
    assert gaps["len"][-1] > 400


def test_pystock(tmp_path: Path) -> None:
    copy(tmp_path, "pystock", folder("us_equity_eod_and_filings_pystock") / "raw")
    given = parsed(tmp_path, "pystock")
    assert rules(given) == {"duplicate_bar": 48_467}
    assert failing(judged(given))["traded"] == 1396, "volume 0"
    filings = read_tables(PystockFilings(), tmp_path)
    assert rules(filings)["duplicate_filing"] == 44, "repeated reports"
    drops = filings.rows["raw_facts"]["file"].str.extract(r"(\d{8})\.tar").unique().to_list()
    assert {"20150824", "20150831"} <= set(drops), "the drops whose reports have no header"


def test_stocknet(tmp_path: Path) -> None:
    copy(tmp_path, "stocknet", folder("tweets_stocknet"), only="tweets.parquet")
    found = rules(read_tables(StocknetTweets(), tmp_path))
    assert found["duplicate_tweet"] == 35


def test_findkg(tmp_path: Path) -> None:
    copy(tmp_path, "findkg", folder("news_knowledge_graph_findkg"))
    given = read_tables(FinDKG(), tmp_path)
    same = given.rows["raw_relations"].filter(pl.col("subject") == pl.col("object"))
    assert same.height == 1067, "as a language model told them; linking names makes it 1,087"


def test_macro_series(tmp_path: Path) -> None:
    copy(tmp_path, "macro_series", folder("macro_series_datasets"), only="*csv")
    given = macro_series.collect_landed(tmp_path)
    recent = table((folder("macro_series_datasets") / "s-and-p-500__data.csv").read_text())
    zeros = [line for line in recent.lines[1:] if line.split(",")[2] == "0.0"]
    shiller = given.rejected.filter(pl.col("symbol") == "shiller_dividend")
    assert len(zeros) == shiller.height == 36
    paid = given.rows.filter((pl.col("series_id") == "wti_spot") & (pl.col("value") < 0))
    assert paid["value"].to_list() == [-36.98], "it was paid, and goes on"


def test_pysystemtrade(tmp_path: Path) -> None:
    copy(tmp_path, "pysystemtrade", folder("futures_pysystemtrade") / "raw")
    assert rules(parsed(tmp_path, "pysystemtrade"))["missing_value"] == 97
