"""Inputs of real companies at real sessions, worked out by hand."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from shared_data import folder
from strategy_world import bars_of, session_days

from lim_pipelines.inputs.build import build_inputs
from lim_pipelines.inputs.registry import OWNER
from lim_pipelines.lake import Lake
from lim_pipelines.modalities import MiniLM, Vader
from lim_pipelines.modalities.embed import embed_texts
from lim_pipelines.modalities.store import Vectors
from lim_pipelines.schemas import (
    MODEL_INPUTS,
    VALIDATED_BARS,
    VALIDATED_EVENTS,
    VALIDATED_FACTS,
    VALIDATED_TEXTS,
    Table,
)
from lim_pipelines.sources.pystock_filings import PystockCollectionFilings

IBM = "XNYS:IBM"


def put(lake: Lake, table: Table, rows: pl.DataFrame) -> None:
    lake.write(table, rows, rows.select(table.partition_key).unique())


def inputs(lake: Lake, vectors: Path, bars: pl.DataFrame, block: str) -> dict[date, list[float]]:
    """Values of a block by session."""
    put(lake, VALIDATED_BARS, bars)
    build_inputs(lake, vectors, bars.select("exchange", "date").unique())
    rows = lake.revisions(MODEL_INPUTS, pl.col("block") == block).select("date", "values").collect()
    return dict(rows.iter_rows())


def of(values: list[float], feature: str) -> float:
    return values[OWNER[feature].place(feature)[0]]


def about_ibm(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("symbol") == "IBM").with_columns(entity_id=pl.lit(f"issuer:{IBM}"))


def test_ratios_of_ibm_from_the_filings_as_collected(tmp_path: Path) -> None:
    """10-Q of March 2015: collected on 28 April, so known at the open of the 29th."""
    data = folder("us_equity_eod_and_filings_pystock")
    landing = tmp_path / "landing" / "pystock_collection" / "history"
    landing.mkdir(parents=True)
    mine = pl.col("symbol") == "IBM"
    pl.read_parquet(data / "reports.parquet").filter(mine).write_parquet(landing / "reports.parquet")
    source, lake = PystockCollectionFilings(), Lake(tmp_path / "lake")
    for file in source.files(tmp_path / "landing"):
        for block in source.read(file, tmp_path / "landing"):
            put(lake, VALIDATED_FACTS, VALIDATED_FACTS.conform(about_ibm(block.rows["raw_facts"])))
    prices = pl.read_parquet(data / "prices_first_seen.parquet").filter(mine).sort("date")
    prices = prices.filter(pl.col("date").is_in(session_days("XNYS", date(2015, 4, 1), date(2015, 5, 29))))
    closes = dict(prices.select("date", "close").iter_rows())
    found = inputs(
        lake, tmp_path / "vectors", bars_of(IBM, list(closes), list(closes.values())), "fundamentals"
    )
    assert min(found) == date(2015, 4, 29), "not on the day of its collection"
    day = date(2015, 5, 15)
    assert of(found[day], "net_margin") == pytest.approx(2.328e9 / 1.959e10, rel=1e-3)
    shares = 2.328e9 / 2.36
    assert of(found[day], "book_to_price") == pytest.approx(1.2289e10 / (shares * closes[day]), rel=1e-3)
    assert math.isnan(of(found[day], "earnings_yield")), "no 10-K is among them"
    # Known at 13:30 UTC of 29 April; decided at 02:00 UTC of 16 May.
    assert of(found[day], "filing_age") == pytest.approx(16 + 12.5 / 24)


def filing(field: str, period: str, end: date, value: float, known: datetime) -> dict[str, object]:
    return {
        "source": "test",
        "entity_id": f"issuer:{IBM}",
        "year": end.year,
        "field": field,
        "period": period,
        "ts": datetime(end.year, end.month, end.day, 23, tzinfo=UTC),
        "value": value,
        "unit": "USD/share" if field == "eps_basic" else "USD",
        "form": "10-K",
        "file": "test.csv",
        "line": 1,
        "known_at": known,
    }


def test_ratios_of_a_simulated_filing_and_none_across_a_split(tmp_path: Path) -> None:
    known, end = datetime(2018, 2, 27, 14, 30, tzinfo=UTC), date(2017, 12, 31)
    year = {"revenues": 80.0, "net_income": 8.0, "eps_basic": 4.0}
    rows = [filing(field, "FY", end, value, known) for field, value in year.items()]
    rows.append(filing("revenues", "FY", date(2016, 12, 31), 40.0, known - timedelta(days=365)))
    rows += [filing(f, "instant", end, v, known) for f, v in (("assets", 100.0), ("equity", 20.0))]
    rows.append(filing("cash_flow_op", "YTD", end, 6.0, known))
    lake = Lake(tmp_path / "lake")
    put(lake, VALIDATED_FACTS, VALIDATED_FACTS.conform(pl.DataFrame(rows)))
    days = session_days("XNYS", date(2018, 2, 26), date(2018, 3, 6))
    split = days.index(date(2018, 3, 2))
    closes = [50.0] * split + [25.0] * (len(days) - split)
    factors = [0.5 if n == split else 1.0 for n in range(len(days))]
    found = inputs(lake, tmp_path / "vectors", bars_of(IBM, days, closes, factors), "fundamentals")
    before = found[date(2018, 3, 1)]
    want = {
        "earnings_yield": 4 / 50,
        "book_to_price": 20 / (2 * 50),
        "net_margin": 0.1,
        "accruals": 0.02,
        "revenue_growth": math.log(2),
    }
    assert {name: of(before, name) for name in want} == pytest.approx(want)
    after = found[date(2018, 3, 2)]
    assert math.isnan(of(after, "earnings_yield"))
    assert math.isnan(of(after, "book_to_price"))
    assert of(after, "net_margin") == pytest.approx(0.1)
    assert math.isnan(of(found[date(2018, 2, 26)], "net_margin")), (
        "of the year before there are revenues only"
    )


def test_days_around_earnings(tmp_path: Path) -> None:
    def event(kind: str, ts: datetime, known_at: datetime) -> dict[str, object]:
        about = {"source": "test", "entity_id": f"issuer:{IBM}", "year": 2018, "file": "test.csv", "line": 1}
        return {**about, "kind": kind, "ts": ts, "known_at": known_at}

    released = datetime(2018, 4, 17, 20, tzinfo=UTC)
    rows = [
        event("earnings_release", released, datetime(2018, 4, 18, 13, 30, tzinfo=UTC)),
        event("earnings_scheduled", released, datetime(2018, 4, 10, tzinfo=UTC)),
    ]
    lake = Lake(tmp_path / "lake")
    put(lake, VALIDATED_EVENTS, VALIDATED_EVENTS.conform(pl.DataFrame(rows)))
    days = session_days("XNYS", date(2018, 4, 6), date(2018, 4, 20))
    found = inputs(lake, tmp_path / "vectors", bars_of(IBM, days, [1.0] * len(days)), "events")
    assert min(found) == date(2018, 4, 9), "decided at 02:00 UTC of the 10th"
    # Decided at 02:00 UTC of the day after: 6 days and 18 hours before the release, then 6 hours after it.
    assert of(found[date(2018, 4, 10)], "days_to_earnings") == pytest.approx(6.75)
    assert date(2018, 4, 17) not in found, "released, and not known before the next open"
    assert of(found[date(2018, 4, 18)], "days_since_earnings") == pytest.approx(1.25)


@pytest.mark.slow
def test_tweets_of_apple_are_those_of_five_days_known_by_then(tmp_path: Path) -> None:
    tweets = pl.read_parquet(folder("tweets_stocknet") / "tweets.parquet")
    text = "text" if "text" in tweets.columns else "text_tokens"
    tweets = tweets.filter(pl.col("ticker") == "AAPL").select(
        ts=pl.col("created_at_utc").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"), text=pl.col(text)
    )
    near = tweets.filter(pl.col("ts").dt.date().is_between(date(2014, 2, 3), date(2014, 2, 14)))
    rows = near.with_row_index("line", 1).with_columns(
        source=pl.lit("test"),
        entity_id=pl.lit("issuer:XNAS:AAPL"),
        date=pl.col("ts").dt.date(),
        text_id=pl.format("{}", pl.col("line").cast(pl.String).str.zfill(16)),
        file=pl.lit("tweets.parquet"),
        known_at="ts",
    )
    lake, vectors = Lake(tmp_path / "lake"), tmp_path / "vectors"
    put(lake, VALIDATED_TEXTS, VALIDATED_TEXTS.conform(rows))
    days = session_days("XNAS", date(2014, 2, 10), date(2014, 2, 12))
    for encoder in (MiniLM(), Vader()):
        embed_texts(Vectors(vectors), encoder, rows.select("text_id", "text", "source", "known_at"))
    found = inputs(lake, vectors, bars_of("XNAS:AAPL", days, [1.0] * len(days)), "text")
    decided = datetime(2014, 2, 13, 3, tzinfo=UTC)  # the close of the 12th, 21:00 UTC, and six hours
    mine = rows.filter(pl.col("ts").is_between(decided - timedelta(days=5), decided, closed="right"))
    assert mine.height > 5
    values = found[date(2014, 2, 12)]
    assert of(values, "text_count") == mine.height
    texts = mine["text"].to_list()
    assert of(values, "text_sentiment") == pytest.approx(Vader().encode(texts)[:, 0].mean(), abs=1e-6)
    assert values[:384] == pytest.approx(MiniLM().encode(texts).mean(axis=0).tolist(), abs=1e-6)
