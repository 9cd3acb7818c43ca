"""Real tweets, filings and relations, from the landing folder to validated tables."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import shared_data
from landing_files import copy

from lim_pipelines.alternative.entity_master import build_entities
from lim_pipelines.alternative.load import LoadedFiles, load_raw
from lim_pipelines.alternative.steps import SHAPES, ShapeStep, align_shape, validate_shape
from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.reference import register
from lim_pipelines.schemas import QUARANTINE
from lim_pipelines.sources.pystock import Pystock

pytestmark = pytest.mark.slow

Steps = dict[str, tuple[ShapeStep, ShapeStep]]


@pytest.fixture(scope="module")
def through(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, Path, LoadedFiles, Steps]:
    """Everything loaded once: declared as history, with the listings that pystock's prices bring."""
    root = tmp_path_factory.mktemp("real")
    lake, landing = Lake(root / "lake"), root / "landing"
    copy(landing, "pystock", shared_data.folder("us_equity_eod_and_filings_pystock") / "raw")
    tweets = shared_data.folder("tweets_stocknet")
    for only in ("tweets*", "tickers.parquet"):
        copy(landing, "stocknet", tweets, only=only)
    copy(landing, "findkg", shared_data.folder("news_knowledge_graph_findkg"))
    loaded = load_raw(lake, landing)
    source = Pystock()
    for block in source.read(source.files(landing)[0], landing):
        register(lake, block.listings)
    build_entities(lake, landing)
    return (
        lake,
        landing,
        loaded,
        {shape: (align_shape(lake, shape), validate_shape(lake, shape)) for shape in SHAPES},
    )


def test_nothing_is_refused_or_lost(through: tuple[Lake, Path, LoadedFiles, Steps]) -> None:
    lake, _, loaded, steps = through
    assert not loaded.refused
    assert loaded.rows["raw_relations"] == 206_196
    for shape, (aligned, validated) in steps.items():
        raw = lake.revisions(SHAPES[shape].raw).select(pl.len()).collect().item()
        assert aligned.rows_in == raw
        assert validated.rows_in == validated.rows + validated.quarantined["rows"].sum()
        if shape == "relations":  # A name that is linked later leaves a row, and makes two: weights stay.
            tables = (SHAPES[shape].raw, SHAPES[shape].aligned)
            told, kept = (lake.read(t, as_of=LATEST).select(pl.col("weight").sum()) for t in tables)
            assert kept.collect().item() == told.collect().item() == 222_732
        else:
            assert aligned.rows_in == aligned.rows + aligned.quarantined["rows"].sum()
        held = lake.revisions(
            QUARANTINE, pl.col("evidence").str.contains(f'"table":"(raw|aligned)_{shape}"')
        ).select(pl.len())
        quarantined = aligned.quarantined["rows"].sum() + validated.quarantined["rows"].sum()
        assert held.collect().item() == quarantined, "what does not go on is in the quarantine"


def test_counts_of_what_goes_on(through: tuple[Lake, Path, LoadedFiles, Steps]) -> None:
    lake, _, _, steps = through
    texts, relations = steps["texts"], steps["relations"]
    assert (texts[0].rows_in, texts[1].rows) == (55_104, 55_104), "all 41 tickers are listed"
    tickers = lake.revisions(SHAPES["texts"].validated).select(pl.col("entity_id").n_unique())
    assert 35 <= tickers.collect().item() <= 41
    # 1,087 as reported, and 76 revisions that take such a row from a name that was linked later.
    assert relations[1].quarantined.rows() == [("findkg", "self_relation", 1163)]
    assert (steps["facts"][0].rows_in, steps["facts"][1].rows) == (1394, 1394)


def test_tweets_about_apple_are_about_its_issuer(through: tuple[Lake, Path, LoadedFiles, Steps]) -> None:
    lake, _, _, _ = through
    apple = lake.revisions(SHAPES["texts"].validated, pl.col("entity_id") == "issuer:XNAS:AAPL").collect()
    raw = lake.revisions(SHAPES["texts"].raw, pl.col("symbol") == "AAPL").collect()
    assert apple.height == raw.height > 1000
    assert apple.select((pl.col("known_at") >= pl.col("ts")).all()).item()


def test_again_commits_nothing(through: tuple[Lake, Path, LoadedFiles, Steps]) -> None:
    lake, landing, _, _ = through
    assert load_raw(lake, landing).read == 0
    for shape in ("facts", "texts"):
        assert (align_shape(lake, shape).changed, validate_shape(lake, shape).changed) == (0, 0)
