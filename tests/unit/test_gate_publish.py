"""Write, audit, publish: a partition that is held stays as it was, and so does all that is made of it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from gate_world import (
    DAYS,
    LAST,
    LATER,
    MIC,
    align,
    bars,
    gate,
    published,
    quarantined,
    scope,
    verdicts,
)

from lim_pipelines.derive import resample_bars
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import (
    ALIGNED_BARS,
    GATE_RESULTS,
    QUARANTINE,
    RESAMPLED_BARS,
    VALIDATED_BARS,
)

TODAY = pl.col("date") == LAST
HALF = pl.col("instrument_id") < f"{MIC}:I10"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake with many good sessions, published."""
    lake = Lake(tmp_path / "lake")
    align(lake, bars())
    gate(lake)
    return lake


def minutes(close: float, revision: int = 0) -> pl.DataFrame:
    """Half an hour of minute bars of one instrument on the last two days."""
    days = bars(1, DAYS[-2:]).with_columns(freq=pl.lit("1m"), open=close, high=close, low=close, close=close)
    ends = pl.int_ranges(0, 30).alias("minute")
    rows = days.with_columns(ends).explode("minute", empty_as_null=False)
    ts = pl.col("ts") - pl.duration(minutes="minute")
    known = ts + timedelta(minutes=1 + 60 * 24 * 30 * revision)
    return ALIGNED_BARS.conform(rows.with_columns(ts=ts, known_at=known))


def test_good_partitions_are_published_whole_with_a_line_each(lake: Lake) -> None:
    assert published(lake).equals(bars())
    found = lake.revisions(GATE_RESULTS).collect()
    assert found.height == len(DAYS)
    assert set(found["rule"]) == {""}
    row = verdicts(lake)[""]
    assert (row["rows"], row["failed"], row["held"]) == (24, 0, False)
    (figures,) = json.loads(str(row["evidence"]))
    assert (figures["source"], figures["instruments"], figures["coverage"]) == ("csv_drop", 24, 1.0)


def test_a_held_partition_keeps_what_was_published_and_the_others_go_on(lake: Lake) -> None:
    before = published(lake)
    both = pl.col("date").is_in(DAYS[-2:])
    cut = bars().filter(both & (HALF | ~TODAY)).with_columns(volume=pl.col("volume") + 1)
    align(lake, cut)
    step = gate(lake, *DAYS[-2:])
    assert published(lake, LAST).equals(before.filter(TODAY)), "as it was"
    assert published(lake, DAYS[-2]).equals(cut.filter(~TODAY)), "the other one is new"
    assert step.commit.changed["date"].to_list() == [DAYS[-2]]
    assert step.held.select("exchange", "date", "rule", "rows").rows() == [(MIC, LAST, "covered", 10)]

    row = quarantined(lake, "publish").row(0, named=True)
    assert (row["date"], row["rule"], row["symbol"], row["source"]) == (LAST, "covered", "", "csv_drop")
    assert "release" in row["reason"]
    assert json.loads(row["evidence"])[0]["coverage"] == pytest.approx(10 / 24, abs=1e-4)
    found = verdicts(lake)
    assert {rule: row["held"] for rule, row in found.items()} == {
        "": True,
        "covered": True,
        "well_covered": False,
    }
    assert (found["covered"]["failed"], found["covered"]["released"]) == (10, 0)


def test_a_partition_that_never_was_published_stays_empty(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    align(lake, bars().filter(HALF | ~TODAY))
    gate(lake)
    assert published(lake).equals(bars(days=DAYS[:-1]))


def test_nothing_downstream_of_a_held_partition_changes(lake: Lake) -> None:
    align(lake, pl.concat([bars(days=DAYS[-2:]), minutes(50.0)]))
    gate(lake, *DAYS[-2:])
    resample_bars(lake, scope(*DAYS[-2:]))
    before = lake.revisions(RESAMPLED_BARS).sort(RESAMPLED_BARS.row_key).collect()
    assert set(before["date"]) == set(DAYS[-2:])
    news = pl.concat([bars(days=DAYS[-2:]).filter(HALF | ~TODAY), minutes(50.0), minutes(60.0, revision=1)])
    align(lake, news)
    assert gate(lake, *DAYS[-2:]).held["date"].to_list() == [LAST]
    commit = resample_bars(lake, scope(*DAYS[-2:]))
    assert commit.changed["date"].to_list() == [DAYS[-2]]
    after = lake.revisions(RESAMPLED_BARS).sort(RESAMPLED_BARS.row_key).collect()
    assert after.filter(TODAY).equals(before.filter(TODAY))


def test_a_corrected_file_is_published_without_a_release(lake: Lake) -> None:
    cut = bars(days=[LAST]).filter(HALF)
    align(lake, cut)
    gate(lake, LAST)
    rest = bars(days=[LAST]).filter(~HALF).with_columns(known_at=pl.lit(LATER))
    align(lake, pl.concat([cut, rest]))
    assert gate(lake, LAST).held.is_empty()
    assert published(lake, LAST).height == 24
    assert quarantined(lake, "publish").is_empty()
    assert set(verdicts(lake)) == {""}


def test_bad_rows_of_a_good_partition_are_quarantined_and_the_others_published(lake: Lake) -> None:
    one = pl.col("instrument_id") == f"{MIC}:I03"
    align(lake, bars(days=[LAST]).with_columns(volume=pl.when(one).then(-1.0).otherwise("volume")))
    step = gate(lake, LAST)
    assert (step.rows_in, step.commit.rows, step.quarantined.height, step.held.height) == (24, 23, 1, 0)
    found = verdicts(lake)["volume_not_negative"]
    assert (found["rows"], found["failed"], found["level"], found["held"]) == (24, 1, "row", False)
    (sample,) = json.loads(str(found["evidence"]))
    assert (sample["instrument_id"], sample["volume"]) == (f"{MIC}:I03", "-1.0")


def test_the_same_again_changes_nothing(lake: Lake) -> None:
    align(lake, bars(days=DAYS[-2:]).filter(HALF | ~TODAY).with_columns(volume=pl.col("volume") + 1))
    gate(lake, *DAYS[-2:])
    tables = (VALIDATED_BARS, QUARANTINE, GATE_RESULTS)
    versions = [lake.version(table) for table in tables]
    gate(lake, *DAYS[-2:])
    gate(lake, LAST)
    gate(lake)
    assert [lake.version(table) for table in tables] == versions, "no commit, however they are grouped"


def test_a_session_without_bars_leaves_no_verdict(lake: Lake) -> None:
    align(lake, ALIGNED_BARS.empty(), [LAST])
    assert gate(lake, LAST).held.is_empty()
    assert published(lake, LAST).is_empty()
    assert verdicts(lake) == {}
