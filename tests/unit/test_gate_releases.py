"""Releases: what a person lets through goes on, as it was looked at and no other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from gate_world import DAYS, LAST, LATER, MIC, align, bars, gate, published, quarantined, scope, verdicts
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.lake import Lake
from lim_pipelines.schemas import ALIGNED_BARS, RELEASES, VALIDATED_BARS
from lim_pipelines.validate.releases import releasable, released
from lim_pipelines.validate.since import known_since

TODAY = pl.col("date") == LAST
HALF = pl.col("instrument_id") < f"{MIC}:I10"
ONE = pl.col("instrument_id") == f"{MIC}:I03"
RELEASED_AT = LATER + timedelta(days=3)


def release(
    lake: Lake, rule: str, symbol: str | None = None, since: str = "arrival", at: datetime = RELEASED_AT
) -> int:
    """Release whatever the rule holds on the last day; return how much that is."""
    what = releasable(lake, MIC, LAST, LAST, rule, symbol).with_columns(
        since=pl.lit(since), released_by=pl.lit("ann"), why=pl.lit("it is right"), known_at=pl.lit(at)
    )
    lake.update(RELEASES, scope(LAST), lambda there: pl.concat([there, RELEASES.conform(what)]))
    return what.height


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake whose last session is held, and has one bad row beside."""
    lake = Lake(tmp_path / "lake")
    bad = pl.when(ONE & TODAY).then(-1.0).otherwise("volume").alias("volume")
    align(lake, bars().filter(~TODAY | HALF).with_columns(bad))
    gate(lake)
    assert published(lake, LAST).is_empty()
    return lake


def test_a_released_partition_is_published_but_for_its_failing_rows(lake: Lake) -> None:
    assert release(lake, "covered") == 1
    step = gate(lake, LAST)
    assert (step.commit.rows, step.quarantined.height, step.held.height) == (9, 1, 0)
    assert published(lake, LAST).equals(bars(days=[LAST]).filter(HALF & ~ONE)), "known as it arrived"
    assert quarantined(lake, "publish").is_empty()
    found = verdicts(lake)
    assert (found["covered"]["failed"], found["covered"]["released"], found["covered"]["held"]) == (
        10,
        10,
        False,
    )
    assert found[""]["held"] is False
    assert releasable(lake, MIC, LAST, LAST, "covered").is_empty()


def test_a_released_row_is_published(lake: Lake) -> None:
    release(lake, "covered")
    assert release(lake, "volume_not_negative", f"{MIC}:I03") == 1
    gate(lake, LAST)
    assert published(lake, LAST).filter(ONE)["volume"].to_list() == [-1.0]
    assert quarantined(lake, "validate").is_empty()
    found = verdicts(lake)
    assert (found["volume_not_negative"]["failed"], found["volume_not_negative"]["released"]) == (1, 1)
    assert (found[""]["failed"], found[""]["released"]) == (1, 1)


def test_a_release_of_other_content_waives_nothing(lake: Lake) -> None:
    release(lake, "covered")
    release(lake, "volume_not_negative")
    other = bars(10, [LAST]).with_columns(volume=pl.when(ONE).then(-2.0).otherwise("volume"))
    align(lake, other)
    step = gate(lake, LAST)
    assert step.held["rule"].to_list() == ["covered"]
    assert step.quarantined["rule"].to_list() == ["volume_not_negative"]
    assert published(lake, LAST).is_empty()


def test_a_release_of_one_rule_leaves_the_others(lake: Lake) -> None:
    bad = bars(10, [LAST]).with_columns(volume=pl.when(ONE).then(-1.0).otherwise("volume"))
    bad = bad.with_columns(high=pl.when(ONE).then("low").otherwise("high"))
    align(lake, bad)
    gate(lake, LAST)
    release(lake, "covered")
    assert release(lake, "volume_not_negative") == 0, "the row stands under the first rule that it fails"
    assert release(lake, "ohlc_order") == 1
    assert gate(lake, LAST).quarantined["rule"].to_list() == ["volume_not_negative"]
    assert release(lake, "volume_not_negative") == 1
    assert gate(lake, LAST).quarantined.is_empty()
    assert published(lake, LAST).height == 10


def test_releasable_is_what_is_held_and_nothing_else(lake: Lake) -> None:
    assert releasable(lake, MIC, LAST, LAST, "not_a_copy").is_empty()
    assert releasable(lake, MIC, LAST, LAST, "well_covered").is_empty(), "a warning holds nothing"
    assert releasable(lake, MIC, DAYS[0], DAYS[-2], "covered").is_empty()
    assert releasable(lake, "XNAS", LAST, LAST, "covered").is_empty()
    assert releasable(lake, MIC, LAST, LAST, "covered", f"{MIC}:I03").is_empty()
    assert releasable(lake, MIC, LAST, LAST, "volume_not_negative", f"{MIC}:I04").is_empty()
    assert releasable(lake, MIC, LAST, LAST, "volume_not_negative").height == 1
    assert released(lake, scope(LAST)).is_empty()


def test_what_is_known_from_the_release_on_was_not_known_before(lake: Lake) -> None:
    release(lake, "covered", since="release")
    gate(lake, LAST)
    assert (
        lake.read(VALIDATED_BARS, as_of=RELEASED_AT - timedelta(seconds=1), where=TODAY).collect().is_empty()
    )
    assert lake.read(VALIDATED_BARS, as_of=RELEASED_AT, where=TODAY).collect().height == 9
    versions = lake.version(VALIDATED_BARS)
    gate(lake, LAST)
    assert lake.version(VALIDATED_BARS) == versions


def test_what_was_published_stays_known_since_it_was(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    align(lake, bars())
    gate(lake)
    worse = bars(days=[LAST]).with_columns(
        known_at=pl.lit(LATER), **{p: pl.col(p) * 100 for p in ("open", "high", "low", "close")}
    )
    align(lake, pl.concat([bars(days=[LAST]), worse]))
    assert gate(lake, LAST).held["rule"].to_list() == ["no_common_jump"]
    release(lake, "no_common_jump", since="release")
    for _ in range(2):
        gate(lake, LAST)
        assert published(lake, LAST)["known_at"].unique().sort().to_list() == [
            bars(days=[LAST])["known_at"][0],
            RELEASED_AT,
        ]
        assert lake.read(VALIDATED_BARS, as_of=LATER, where=TODAY).collect().equals(bars(days=[LAST]))


MOMENTS = st.lists(st.integers(0, 20), min_size=1, max_size=6, unique=True)


@settings(max_examples=60)
@given(MOMENTS, st.integers(0, 20), st.data())
def test_revisions_stay_in_order_and_none_is_known_earlier(
    moments: list[int], at: int, data: st.DataObject
) -> None:
    start = datetime(2018, 12, 21, 21, tzinfo=UTC)
    known = [start + timedelta(microseconds=m) for m in sorted(moments)]
    row = bars(1, [LAST])
    frame = pl.concat(row.with_columns(known_at=pl.lit(k), close=float(i)) for i, k in enumerate(known))
    frame = ALIGNED_BARS.conform(frame)
    chosen = data.draw(st.lists(st.integers(0, len(known) - 1), unique=True))
    moment = start + timedelta(microseconds=at)
    waived = pl.DataFrame(
        {"row": chosen, "since": ["release"] * len(chosen), "released_at": [moment] * len(chosen)},
        schema={"row": pl.UInt32, "since": pl.String, "released_at": pl.Datetime("us", "UTC")},
    )
    failed = pl.DataFrame(
        schema={
            **{"exchange": pl.String, "date": pl.Date, "released": pl.Boolean},
            **{"since": pl.String, "released_at": pl.Datetime("us", "UTC")},
        }
    )
    said = RELEASES.conform(
        scope(*[LAST] * len(chosen)).select(
            **{name: pl.lit("") for name in ("rule", "symbol", "released_by", "why")},
            exchange="exchange",
            date="date",
            content=pl.int_range(pl.len()).cast(pl.String),
            since=pl.lit("release"),
            known_at=pl.lit(moment),
        )
    )
    moved = known_since(frame, frame, waived, failed, said, VALIDATED_BARS.empty())
    assert moved.columns == frame.columns
    assert moved["close"].to_list() == frame["close"].to_list(), "same order"
    assert (moved["known_at"] >= frame["known_at"]).all()
    assert moved["known_at"].is_unique().all()
    if chosen and max(chosen) == len(known) - 1:
        assert moved["known_at"][-1] >= moment
    untouched = [i for i in range(len(known)) if i not in chosen]
    assert moved["known_at"].gather(untouched).to_list() == [known[i] for i in untouched]
