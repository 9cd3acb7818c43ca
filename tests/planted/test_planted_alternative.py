"""Defects planted into real files of alternative and macro data: each is caught by the rule meant for it."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from landing_files import drop
from planted_text import Lines
from planted_vendors import table
from shared_data import folder

from lim_pipelines import ingest
from lim_pipelines.alternative.load import load_raw
from lim_pipelines.alternative.steps import SHAPES, align_shape, validate_shape
from lim_pipelines.lake import Lake
from lim_pipelines.reference import register
from lim_pipelines.schemas import QUARANTINE
from lim_pipelines.sources.pystock import Pystock

Frames = dict[str, pl.DataFrame]
NEVER = datetime(2030, 1, 6, tzinfo=UTC)


@dataclass(frozen=True)
class Planted:
    """A defect: what went wrong, the rule, words of the row, and how it gets into the frames or the lines."""

    name: str
    rule: str
    says: str
    plant: Callable[[Frames, Lines, Lines], None]


def _cell(frame: str, row: int, **values: object) -> Callable[[Frames, Lines, Lines], None]:
    """Set fields of one row of a table."""

    def plant(frames: Frames, _: Lines, __: Lines) -> None:
        here = pl.int_range(pl.len()) == row
        old = frames[frame]
        frames[frame] = old.with_columns(
            pl.when(here).then(pl.lit(value, old.schema[name])).otherwise(pl.col(name)).alias(name)
            for name, value in values.items()
        )

    return plant


def _filing(symbol: str, **values: str) -> Callable[[Frames, Lines, Lines], None]:
    return lambda _, reports, __: reports.set(symbol, **values)


def _vix(day: str, **values: str) -> Callable[[Frames, Lines, Lines], None]:
    return lambda _, __, vix: vix.set(day, **values)


def _again(frames: Frames, _: Lines, __: Lines) -> None:
    frames["tweets"] = pl.concat([frames["tweets"], frames["tweets"].slice(20, 1)])


def _filed_twice(_: Frames, reports: Lines, __: Lines) -> None:
    reports.again("AEO", revenues="1.0")


PLANTED = (
    Planted("a relation without an object", "missing_value", "Wells Fargo", _cell("graph", 1, object="")),
    Planted(
        "a week that begins on Monday", "not_a_sunday", "2018-01-08", _cell("graph", 2, week=date(2018, 1, 8))
    ),
    Planted(
        "a relation to oneself",
        "self_relation",
        "planted firm",
        _cell("graph", 3, subject="planted firm", object="planted firm"),
    ),
    Planted("a week to come", "after_arrival", "2030-01-06", _cell("graph", 4, week=date(2030, 1, 6))),
    Planted("a tweet of no words", "missing_value", '"text":""', _cell("tweets", 5, text_tokens="")),
    Planted("a tweet to come", "after_arrival", "2030", _cell("tweets", 6, created_at_utc=NEVER)),
    Planted("a tweet twice", "duplicate_tweet", "AAPL", _again),
    Planted("a release of nobody", "missing_value", "2003-08-18", _cell("releases", 0, ticker="")),
    Planted(
        "a release to come", "after_arrival", "2030", _cell("releases", 1, earnings_date=date(2030, 1, 7))
    ),
    Planted("infinite earnings", "not_a_number", "inf", _cell("surprises", 2, reported_eps=float("inf"))),
    Planted(
        "a figure in the wrong unit", "possible_amount", "7000000000000000", _filing("CATO", assets="7e15")
    ),
    Planted("assets below nothing", "not_negative", "-5.0", _filing("ARAY", assets="-5.0")),
    Planted("a period to come", "after_collection", "2015-12-31", _filing("AOSL", end_date="2015-12-31")),
    Planted("words for a figure", "unparsable_number", "none", _filing("AMWD", revenues="none")),
    Planted("another form", "unknown_form", "S-1", _filing("CHS", doc_type="S-1")),
    Planted("a filing told twice, differently", "contradicting_filings", "AEO", _filed_twice),
    Planted("volatility below nothing", "positive_level", "-17.2", _vix("1990-01-03", CLOSE="-17.2")),
    Planted("a month of no year", "unparsable_date", "1990-13-05", _vix("1990-01-05", DATE="1990-13-05")),
)


def _files(landing: Path, plant: bool) -> None:
    tweets, graph = folder("tweets_stocknet"), folder("news_knowledge_graph_findkg")
    earnings, pystock = folder("earnings_dates"), folder("us_equity_eod_and_filings_pystock")
    frames = {
        "tweets": pl.read_parquet(tweets / "tweets.parquet").head(200),
        "graph": pl.read_parquet(graph / "quadruples_train.parquet").head(300),
        "releases": pl.read_parquet(earnings / "earnings_dates.parquet").head(100),
        "surprises": pl.read_parquet(earnings / "eps_surprises.parquet").head(100),
    }
    drops = {}
    with tarfile.open(pystock / "raw" / "2015" / "20150828.tar.gz") as archive:
        for name in ("symbols.txt", "prices.csv", "reports.csv"):
            member = archive.extractfile(name)
            assert member is not None
            drops[name] = member.read().decode()
    reports = table(drops["reports.csv"])
    vix = table((folder("macro_series_datasets") / "finance-vix__vix-daily.csv").read_text())
    vix.lines = vix.lines[:200]
    for defect in PLANTED if plant else ():
        defect.plant(frames, reports, vix)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in (drops | {"reports.csv": reports.text}).items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    drop(landing, "pystock/2015/20150828.tar.gz", packed.getvalue())
    drop(landing, "macro_series/finance-vix__vix-daily.csv", vix.text)
    for name, path in (
        ("tweets", "stocknet/tweets.parquet"),
        ("graph", "findkg/quadruples_train.parquet"),
        ("releases", "earnings_dates/earnings_dates.parquet"),
        ("surprises", "earnings_dates/eps_surprises.parquet"),
    ):
        content = io.BytesIO()
        frames[name].write_parquet(content)
        drop(landing, path, content.getvalue())


def _held(root: Path, plant: bool) -> pl.DataFrame:
    lake, landing = Lake(root / "lake"), root / "landing"
    _files(landing, plant)
    loaded = load_raw(lake, landing)
    assert not loaded.refused
    for block in Pystock().read(Pystock().files(landing)[0], landing):
        register(lake, block.listings)
    for shape in SHAPES:
        align_shape(lake, shape)
        validate_shape(lake, shape)
    ingest.load_raw_macro(lake, landing)
    ingest.align_macro_series(lake)
    ingest.validate_macro_series(lake)
    return lake.revisions(QUARANTINE).collect()


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """What is in quarantine with the defects."""
    return _held(tmp_path_factory.mktemp("planted"), plant=True)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """What is in quarantine of the files as they are."""
    return _held(tmp_path_factory.mktemp("clean"), plant=False)


@pytest.mark.parametrize("defect", PLANTED, ids=lambda defect: defect.name)
def test_a_planted_defect_is_caught_by_its_rule(
    planted: pl.DataFrame, clean: pl.DataFrame, defect: Planted
) -> None:
    mine = (pl.col("rule") == defect.rule) & (pl.col("evidence") + pl.col("symbol")).str.contains(
        defect.says, literal=True
    )
    assert planted.filter(mine).height, planted.filter(rule=defect.rule).select("symbol", "evidence").rows()
    assert clean.filter(mine).height < planted.filter(mine).height
