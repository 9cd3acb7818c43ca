"""Model inputs through the real lake: nothing known later changes a bit, nor does the way they are built."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from inputs_world import END, START, Facts, build, random_facts, rows, scope, world

from lim_pipelines.align.moments import session_for
from lim_pipelines.inputs import build as building
from lim_pipelines.inputs.build import build_inputs
from lim_pipelines.inputs.decisions import moments
from lim_pipelines.inputs.registry import BLOCKS, OWNER
from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.schemas import INPUT_SCALES, MODEL_INPUTS, VALIDATED_BARS

MOMENTS = [datetime(2015, 5, 14, 3, tzinfo=UTC), datetime(2015, 7, 7, 1, tzinfo=UTC)]


@pytest.fixture(scope="module")
def facts() -> Facts:
    return random_facts(7)


@pytest.fixture(scope="module")
def whole(facts: Facts, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return build(tmp_path_factory.mktemp("whole"), facts)[0]


def test_every_block_and_feature_has_values_in_this_world(whole: Lake) -> None:
    inputs = whole.revisions(MODEL_INPUTS).collect()
    for block in BLOCKS.values():
        own = inputs.filter(pl.col("block") == block.name)
        assert own["values"].list.len().unique().to_list() == [block.width]
        assert own["spec"].unique().to_list() == [block.spec()]
        for feature in block.features:
            place = block.place(feature.name)[0]
            assert own["values"].list.get(place).is_finite().sum() > 20, feature.name
            assert own["scaled"].list.get(place).is_finite().sum() > 20, feature.name
    assert (inputs["newest"] <= inputs["known_at"]).all()
    scales = whole.revisions(INPUT_SCALES).collect()
    assert (scales["fitted_last"] <= scales["known_at"]).all()
    assert set(scales["feature"]) == set(OWNER)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("way", ["known_by", "changed_after"])
def test_what_becomes_known_later_changes_no_bit(
    facts: Facts, whole: Lake, tmp_path: Path, moment: datetime, way: str
) -> None:
    other, _ = build(tmp_path, getattr(facts, way)(moment))
    for table in (MODEL_INPUTS, INPUT_SCALES):
        before = pl.col("known_at") <= moment
        one = rows(whole, table, before)
        assert one["block"].n_unique() == len(BLOCKS)
        assert one.equals(rows(other, table, before))
        assert not rows(whole, table, ~before).equals(rows(other, table, ~before)), "the change is noticed"


def test_one_session_at_a_time_gives_the_same_bits_and_a_rebuild_commits_nothing(
    facts: Facts, whole: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, vectors = world(tmp_path, facts)
    monkeypatch.setattr(building, "PERIOD_DECISIONS", 50)
    half = scope().filter(pl.col("date").dt.month() < 7)
    first = build_inputs(lake, vectors, half)
    build_inputs(lake, vectors, scope().filter(pl.col("date").dt.month() >= 7))
    for table in (MODEL_INPUTS, INPUT_SCALES):
        assert rows(lake, table, pl.lit(True)).equals(rows(whole, table, pl.lit(True)))
    again = build_inputs(lake, vectors, half)
    assert (again.changed, again.version) == (0, first.version)
    assert again.coverage.equals(first.coverage)


def test_a_bar_that_comes_late_has_inputs_from_the_next_decision_after_it_and_moves_no_earlier_scale(
    facts: Facts, whole: Lake
) -> None:
    inputs = rows(whole, MODEL_INPUTS, pl.col("block") == "macro")
    decided = inputs.group_by("date").agg(pl.col("known_at").min().alias("decided_at"))
    late = inputs.join(decided, on="date").filter(pl.col("known_at") > pl.col("decided_at"))
    assert late.height > 5
    bars = facts.tables["validated_bars"].group_by("instrument_id", "date").agg(pl.col("known_at").min())
    arrived = late.join(bars, on=["instrument_id", "date"], suffix="_bar")
    turn = session_for(arrived["known_at_bar"], "XNAS")["decided_at"]
    assert (arrived["known_at"] == turn).all()


def test_a_vendor_whose_days_are_out_with_the_next_open_has_ratios_and_scales(
    facts: Facts, tmp_path: Path
) -> None:
    bars = facts.tables["validated_bars"].with_columns(known_at=pl.col("ts") + pl.duration(hours=17))
    bars = bars.unique(VALIDATED_BARS.row_key, keep="last", maintain_order=True)
    lake, _ = build(tmp_path, Facts({**facts.tables, "validated_bars": bars}))
    inputs = lake.revisions(MODEL_INPUTS, pl.col("block") == "fundamentals").collect()
    decided = inputs.join(moments("XNAS", START, END), on="date")
    assert (decided["known_at"] > decided["decided_at"]).all()
    for feature in BLOCKS["fundamentals"].features:
        place = BLOCKS["fundamentals"].place(feature.name)[0]
        assert inputs["values"].list.get(place).is_finite().sum() > 20, feature.name
        assert inputs["scaled"].list.get(place).is_finite().sum() > 20, feature.name
    scales = lake.read(INPUT_SCALES, as_of=LATEST, where=pl.col("feature") == "filing_age").collect()
    assert scales["fitted_on"].max() > 5
