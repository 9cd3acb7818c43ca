"""The window store from cutoff to cutoff: the same as from scratch, and only what must be is written."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from store_world import (
    BARS,
    CONFIG,
    CUTOFFS,
    DAYS,
    IBM,
    KO,
    SPX,
    at,
    brought_up,
    expected,
    put,
    revision,
    stored,
)

from lim_pipelines.foundation.store import Shown, clear, index, stretches
from lim_pipelines.foundation.store.shelf import BYTES
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import VALIDATED_BARS


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path / "lake")
    put(lake, BARS)
    return lake


def rows(one: index.Index, instrument: str, freq: str = "1d") -> dict[str, object]:
    return one.series.row(
        by_predicate=(pl.col("instrument_id") == instrument) & (pl.col("freq") == freq), named=True
    )


def test_a_new_session_is_appended_and_nothing_else_is_written(lake: Lake, tmp_path: Path) -> None:
    early, _ = brought_up(lake, tmp_path / "w", CUTOFFS[0])
    late, done = brought_up(lake, tmp_path / "w", CUTOFFS[1])
    assert late.digest(CONFIG) == expected(lake, CUTOFFS[1])
    grown = sum(int(rows(late, n)["length"]) - int(rows(early, n)["length"]) for n in (IBM, SPX, KO))  # type: ignore[call-overload]
    assert grown == 3 * 23, "sessions of March"
    assert (done["1d"].appended, done["1d"].rewritten, done["1d"].written) == (3, 0, grown * BYTES)
    assert done["1w"].written <= 3 * 5 * BYTES
    assert rows(late, IBM)["offset"] == rows(early, IBM)["offset"]
    assert stored(early) == early.series["digest"].to_list(), "the earlier cutoff as it was"


def test_a_correction_rewrites_its_own_series_and_earlier_cutoffs_show_the_old_value(
    lake: Lake, tmp_path: Path
) -> None:
    early, _ = brought_up(lake, tmp_path / "w", CUTOFFS[0])
    put(lake, BARS, revision(10, IBM, at(CUTOFFS[0], 9), 1.5))
    late, done = brought_up(lake, tmp_path / "w", CUTOFFS[1])
    assert late.digest(CONFIG) == expected(lake, CUTOFFS[1])
    assert (done["1d"].rewritten, done["1w"].rewritten) == (1, 1)
    assert rows(late, IBM)["offset"] != rows(early, IBM)["offset"]
    assert rows(late, SPX)["offset"] == rows(early, SPX)["offset"]
    assert stored(early) == early.series["digest"].to_list()
    again, _ = brought_up(lake, tmp_path / "w", CUTOFFS[0])
    assert again.digest(CONFIG) == early.digest(CONFIG) == expected(lake, CUTOFFS[0])


def test_a_bar_that_was_known_and_came_late_is_read_at_the_same_cutoff(lake: Lake, tmp_path: Path) -> None:
    without = BARS.filter((pl.col("instrument_id") != KO) | (pl.col("ts") != DAYS[7]))
    put(lake, without)
    before, _ = brought_up(lake, tmp_path / "w", CUTOFFS[0])
    put(lake, BARS)
    after, done = brought_up(lake, tmp_path / "w", CUTOFFS[0])
    assert after.digest(CONFIG) == expected(lake, CUTOFFS[0]) != before.digest(CONFIG)
    assert done["1d"].rewritten == 1
    put(lake, without)
    assert brought_up(lake, tmp_path / "w", CUTOFFS[0])[0].digest(CONFIG) == before.digest(CONFIG)


def test_who_reads_an_index_that_was_replaced_reads_on(lake: Lake, tmp_path: Path) -> None:
    brought_up(lake, tmp_path / "w", CUTOFFS[0])
    held, _ = brought_up(lake, tmp_path / "w", CUTOFFS[2])
    put(lake, BARS, revision(45, IBM, DAYS[45] + timedelta(hours=2), 1.5))
    replaced, _ = brought_up(lake, tmp_path / "w", CUTOFFS[2])
    assert rows(replaced, IBM)["offset"] != rows(held, IBM)["offset"]
    # March, with the corrected bar, behind what the first cutoff shows of the extent that was left.
    assert brought_up(lake, tmp_path / "w", CUTOFFS[1])[0].digest(CONFIG) == expected(lake, CUTOFFS[1])
    assert stored(held) == held.series["digest"].to_list()


def test_a_lake_that_was_made_anew_is_read_anew(lake: Lake, tmp_path: Path) -> None:
    held, _ = brought_up(lake, tmp_path / "w", CUTOFFS[0])
    shutil.rmtree(lake.root)
    other = Lake(lake.root)
    put(other, BARS.with_columns(pl.col("close") * 1.01))
    found, _ = brought_up(other, tmp_path / "w", CUTOFFS[0])
    assert found.digest(CONFIG) == expected(other, CUTOFFS[0]) != held.digest(CONFIG)
    assert stored(held) == held.series["digest"].to_list()


def test_a_store_of_which_most_is_nobodys_is_made_anew_and_who_reads_it_reads_on(
    lake: Lake, tmp_path: Path
) -> None:
    root = tmp_path / "w"
    assert clear(root) == 0
    held, _ = brought_up(lake, root, CUTOFFS[1])
    mapped, picks = Shown(CONFIG, held).windows(), np.array([[0, 30], [3, 5]])
    before = mapped.batch(picks)
    assert clear(root) == 0, "all of it is named"
    for factor in (1.1, 1.2):
        put(lake, BARS.with_columns(pl.col("close") * pl.col("ts").rank().pow(factor)))
        found, _ = brought_up(lake, root, CUTOFFS[1])
    assert clear(root) > found.series["length"].sum() * BYTES
    assert not held.folder.exists()
    np.testing.assert_array_equal(mapped.batch(picks).values, before.values)
    with pytest.raises(FileNotFoundError, match=r"rows\.f32"):
        Shown(CONFIG, held).windows()
    again, _ = brought_up(lake, root, CUTOFFS[1])
    assert again.digest(CONFIG) == found.digest(CONFIG)
    assert again.folder != held.folder


def test_nothing_new_writes_nothing(lake: Lake, tmp_path: Path) -> None:
    first, _ = brought_up(lake, tmp_path / "w", CUTOFFS[1])
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "w").rglob("*.*")}
    again, done = brought_up(lake, tmp_path / "w", CUTOFFS[1])
    assert again.series.equals(first.series)
    assert [one.written for one in done.values()] == [0, 0]
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "w").rglob("*.*")} == stamps
    put(lake, BARS, revision(100, IBM, at(CUTOFFS[3], 9), 2.0))
    again, done = brought_up(lake, tmp_path / "w", CUTOFFS[1])
    assert again.series.equals(first.series), "a later correction"
    assert [one.written for one in done.values()] == [0, 0]


def test_where_the_lake_has_forgotten_what_it_showed_unchanged_series_stay(
    lake: Lake, tmp_path: Path
) -> None:
    before, _ = brought_up(lake, tmp_path / "w", CUTOFFS[1])
    there = set((tmp_path / "lake").rglob("*.parquet"))
    gone = (pl.col("instrument_id") == KO) & (pl.col("ts") == DAYS[20])
    put(lake, BARS.filter(~gone), revision(30, IBM, at(DAYS[30].date(), 23), 1.1))
    log = lake.open(VALIDATED_BARS)
    assert log is not None
    live = {Path(path).name for path in log.files()["path"]}
    for path in there:
        if path.name not in live:
            path.unlink()
    after, done = brought_up(lake, tmp_path / "w", CUTOFFS[1])
    assert after.digest(CONFIG) == expected(lake, CUTOFFS[1])
    assert done["1d"].rewritten == 2
    assert rows(after, SPX) == rows(before, SPX)


NAMES = st.sampled_from([IBM, SPX, KO])
EVENT = st.tuples(
    NAMES,
    st.integers(0, 105),  # the day that it is about
    st.sampled_from(["correct", "withdraw", "late", "other class"]),
    st.integers(0, 3),  # between which cutoffs it became known
    st.integers(0, 3),  # before which update it was committed
)


# Without shrinking: an example takes a second.
@settings(
    max_examples=3,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@example(events=[(IBM, 69, "correct", 0, 3)], again=[], at_once=stretches.STRETCH_ROWS)
@example(events=[(KO, 39, "late", 1, 2), (KO, 38, "withdraw", 1, 1)], again=[0], at_once=40)
@given(st.lists(EVENT, max_size=6), st.lists(st.integers(0, 3), max_size=2), st.sampled_from((40, 1000)))
def test_whatever_happens_it_is_the_same_as_from_scratch(
    tmp_path_factory: pytest.TempPathFactory,
    events: list[tuple[str, int, str, int, int]],
    again: list[int],
    at_once: int,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        # A million bars, so that they are read in several stretches, take too long.
        patch.setattr(stretches, "STRETCH_ROWS", at_once)
        _whatever_happens(tmp_path_factory, events, again)


def _whatever_happens(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[str, int, str, int, int]], again: list[int]
) -> None:
    root = tmp_path_factory.mktemp("any")
    lake, seen = Lake(root / "lake"), {}
    for step, cutoff in enumerate(CUTOFFS):
        put(lake, *_content(events, step))
        for one in [cutoff, *(CUTOFFS[i] for i in again if i < step)]:
            found, _ = brought_up(lake, root / "w", one)
            seen[one] = found
            assert found.digest(CONFIG) == expected(lake, one)
    fresh, _ = brought_up(lake, root / "fresh", CUTOFFS[-1])
    columns = ["instrument_id", "freq", "asset_class", "length", "first_ts", "last_ts", "last_close"]
    assert seen[CUTOFFS[-1]].series.select(columns).equals(fresh.series.select(columns))
    for one in CUTOFFS:
        assert stored(seen[one]) == seen[one].series["digest"].to_list()
    assert index.cutoffs(fresh.folder) == [CUTOFFS[-1]]
    assert index.cutoffs(seen[CUTOFFS[0]].folder) == list(CUTOFFS)


def _content(events: list[tuple[str, int, str, int, int]], step: int) -> list[pl.DataFrame]:
    """All rows that are in the lake at a step."""
    first, late = [BARS], []
    for name, day, what, known, committed in events:
        moment = at(CUTOFFS[known], -9) if known else DAYS[day] + timedelta(hours=1)
        moment = max(moment, DAYS[day] + timedelta(hours=1))
        gone = (pl.col("instrument_id") == name) & (pl.col("ts") == DAYS[day])
        if what == "late" and step < committed:
            first = [frame.filter(~gone) for frame in first]
        elif step >= committed and what == "correct":
            late.append(revision(day, name, moment, 1.07))
        elif step >= committed and what == "withdraw":
            late.append(revision(day, name, moment, withdrawn=True))
        elif step >= committed and what == "other class":
            late.append(revision(day, name, moment, asset_class="etf" if name == KO else "index"))
    return [*first, *late]
