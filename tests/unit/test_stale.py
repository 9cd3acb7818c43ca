"""What a correction in the past touches: found incrementally, and the same from scratch."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stale_world import CONFIG, CUTOFFS, DAYS, FAMILY, INSTRUMENTS, REPORTS, SPEC, Key, World, bar

from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.folders import atomic_folder
from lim_pipelines.lake import maintain
from lim_pipelines.lake.maintenance import compact
from lim_pipelines.schemas import VALIDATED_BARS
from lim_pipelines.stale import cause_of, current, listed, stale, state
from lim_pipelines.stale.redo import ALL, next_runs

BY_PEOPLE = {("small_robustness", ""), ("universality", "")}
LATE = datetime(2019, 3, 1, tzinfo=UTC)
FIRST, SECOND = bar(DAYS[0], INSTRUMENTS[0], 0)["known_at"], datetime(2018, 10, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything made once; tests work on copies."""
    root = tmp_path_factory.mktemp("stale")
    world = World(root)
    for key in world.made():
        world.make(*key)
    return root


@pytest.fixture
def world(template: Path, tmp_path: Path) -> World:
    return copy_of(template, tmp_path)


def copy_of(template: Path, root: Path) -> World:
    shutil.copytree(template, root, dirs_exist_ok=True)
    world = World(root)
    world.memory = {key: world.reads(key) for key in world.made()}
    return world


def keys(frame: pl.DataFrame) -> list[Key]:
    return frame.select("result", "partition").unique(maintain_order=True).rows()


def below(*cutoffs: date) -> set[Key]:
    names = (FAMILY, "small_model", "small_targets")
    return {(name, str(day)) for name in names for day in cutoffs} | {(name, "") for name in REPORTS}


def test_what_a_training_fills_is_not_looked_at_before_it_is_there(world: World) -> None:
    before = state(world.lake, world.models)
    made = world.models / FAMILY / str(CUTOFFS[0]) / "ab"
    with atomic_folder(made) as folder:
        (folder / checkpoint.META).write_text("")
        assert state(world.lake, world.models) == before
    assert state(world.lake, world.models) != before


def test_what_was_just_made_is_not_stale(world: World) -> None:
    assert world.stale().is_empty()
    assert world.expected() == set()


def test_the_same_rows_again_and_compaction_cause_nothing(world: World) -> None:
    world.put(*(bar(day, name, 100.0) for day in DAYS for name in INSTRUMENTS))
    compact(world.lake, VALIDATED_BARS)
    assert world.stale().is_empty()


def test_what_nobody_has_touched_since_is_not_looked_at_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put(bar(DAYS[2], INSTRUMENTS[0], 101.0))
    found = world.stale()
    with monkeypatch.context() as patch:
        patch.setattr("lim_pipelines.stale.judge.results", lambda *_: 1 / 0)
        assert world.stale().equals(found)
        assert stale(world.lake, world.models, [SPEC], [CONFIG]).equals(found)
        other = SPEC.model_copy(update={"horizon": 4})
        with pytest.raises(ZeroDivisionError):
            stale(world.lake, world.models, [other], [CONFIG])
    world.make(FAMILY, str(CUTOFFS[2]))
    assert not world.stale().equals(found)


def test_a_dated_back_correction_marks_those_that_read_it_and_what_is_made_from_them(world: World) -> None:
    world.put(bar(DAYS[2], INSTRUMENTS[0], 101.0))
    found = world.stale()
    # The targets of October were decided in the month of that session.
    assert set(keys(found)) == below(*CUTOFFS[1:]) | {("small_targets", "2018-10-01")} == world.expected()
    [row] = found.filter((pl.col("result") == FAMILY) & (pl.col("cause") == "rows")).head(1).to_dicts()
    assert (row["partition"], row["exchange"], row["rows"]) == ("2018-11-01", "XSIM", 1)
    assert (row["first_date"], row["last_date"]) == (DAYS[2], DAYS[2])
    assert row["why"] == "validated_bars of XSIM: 1 row differs, 2018-10-11 to 2018-10-11"


def test_a_bar_that_came_late_marks_as_one_that_was_corrected(world: World) -> None:
    world.put(bar(date(2018, 11, 15), INSTRUMENTS[2], 100.0))
    assert set(keys(world.stale())) == below(CUTOFFS[2]) == world.expected()


def test_a_correction_is_seen_from_its_arrival_on(world: World) -> None:
    world.put(bar(DAYS[0], INSTRUMENTS[0], 101.0, LATE))
    found = set(keys(world.stale()))
    assert found == below() == world.expected(), "reports read what is known"


def test_what_only_the_family_reads_reaches_the_strategy_through_it(world: World) -> None:
    world.put(bar(DAYS[3], INSTRUMENTS[2], 101.0))
    found = world.stale()
    assert set(keys(found)) == below(CUTOFFS[2]) == world.expected()
    assert found.filter(pl.col("cause") == "rows")["result"].to_list() == [FAMILY, "universality"]


def test_what_nobody_else_reads_marks_universality_alone_which_people_make_again(world: World) -> None:
    world.put(bar(DAYS[0], INSTRUMENTS[3], 101.0))
    found = world.stale()
    assert set(keys(found)) == {("universality", "")} == world.expected()
    assert current(found).is_empty()
    assert not next_runs(found, [SPEC], ALL, None)
    world.make("universality", "")
    assert world.stale().is_empty()


def test_other_models_in_use_mark_universality(world: World) -> None:
    (world.models / SPEC.name / str(CUTOFFS[0]) / "champion.json").unlink()
    row = world.stale().filter(pl.col("result") == "universality", pl.col("cause") == "settings")
    assert row["why"].to_list() == ["other checkpoints or models of the last year are in use"]


def test_decisions_of_before_are_taken_again_from_what_was_known_then(world: World) -> None:
    world.put(bar(DAYS[4], INSTRUMENTS[0], 102.0, datetime(2018, 12, 20, tzinfo=UTC)))
    for key in world.made():
        world.make(*key)
    world.put(bar(DAYS[4], INSTRUMENTS[0], 101.0))
    found = set(keys(world.stale()))
    assert ("small_robustness", "") in found, "today's bars are as they were"
    assert found == world.expected()


def test_a_correction_that_is_taken_back_marks_nothing(world: World) -> None:
    world.put(bar(DAYS[0], INSTRUMENTS[0], 101.0))
    assert not world.stale().is_empty()
    world.put(bar(DAYS[0], INSTRUMENTS[0], 100.0))
    assert world.stale().is_empty()


def test_other_settings_mark_a_result_and_its_children(world: World) -> None:
    folder = world.models / SPEC.name / str(CUTOFFS[2])
    shutil.rmtree(folder)
    world.make("small_model", str(CUTOFFS[2]))
    assert world.stale().is_empty(), "the same came out"
    (folder / "champion.json").unlink()
    found = world.stale()
    assert ("small_model", str(CUTOFFS[2])) in keys(found)
    assert "nobody has judged these models yet" in found["why"].to_list()


def test_what_cannot_be_read_is_stale_and_named(world: World) -> None:
    for name in (FAMILY, SPEC.name):
        [meta] = (world.models / name / str(CUTOFFS[2])).glob("*/meta.json")
        meta.write_text("{")
    found = world.stale()
    assert set(keys(found)) == below(CUTOFFS[2])
    damaged = found.filter(pl.col("cause") == "settings").filter(pl.col("why").str.contains("meta.json"))
    assert damaged["result"].to_list() == [FAMILY, "small_model"]


def test_current_ones_are_for_policies_and_the_rest_is_listed(world: World) -> None:
    world.put(bar(DAYS[0], INSTRUMENTS[0], 101.0))
    found = world.stale()
    assert set(keys(current(found))) == below(CUTOFFS[2]) - BY_PEOPLE
    assert set(keys(listed(found))) == (below(*CUTOFFS[:2]) - below()) | BY_PEOPLE
    assert current(found).height + listed(found).height == found.height


def test_what_only_an_earlier_parent_makes_stale_is_listed_with_it(world: World) -> None:
    # Superseded at once: only the first cutoff lies between the two.
    world.put(bar(DAYS[0], INSTRUMENTS[2], 100.0, SECOND))
    for key in world.made():
        world.make(*key)
    world.put(bar(DAYS[0], INSTRUMENTS[2], 102.0))
    found = world.stale()
    assert set(keys(listed(found))) == below(*CUTOFFS) == world.expected()
    assert cause_of(found, FAMILY) is None, "a run of the newest alone would leave it as stale as before"


def test_a_cause_has_a_key_until_it_is_answered(world: World) -> None:
    world.put(bar(DAYS[0], INSTRUMENTS[0], 101.0))
    first = cause_of(world.stale(), FAMILY)
    assert first is not None
    assert first == cause_of(world.stale(), FAMILY)
    assert first[1] == "validated_bars of XSIM: 1 row differs, 2018-09-20 to 2018-09-20"
    for day in CUTOFFS:
        world.make(FAMILY, str(day))
    assert cause_of(world.stale(), FAMILY) is None
    world.put(bar(DAYS[0], INSTRUMENTS[0], 102.0))
    again = cause_of(world.stale(), FAMILY)
    assert again is not None
    assert (again[0] != first[0], again[1]) == (True, first[1])


def test_where_a_version_is_gone_content_decides(world: World) -> None:
    world.put(bar(DAYS[3], INSTRUMENTS[2], 101.0))
    _forget(world)
    assert set(keys(world.stale())) == below(CUTOFFS[2]) == world.expected()
    world.put(bar(DAYS[3], INSTRUMENTS[2], 100.0))
    _forget(world)
    assert world.stale().is_empty(), "committed twice, and as it was"


def _forget(world: World) -> None:
    """Remove what only old versions need."""
    for path in Path(world.lake.uri(VALIDATED_BARS)).rglob("*"):
        if path.is_file():
            old = (datetime.now(UTC) - timedelta(days=8)).timestamp()
            os.utime(path, (old, old))
    maintain(world.lake, timedelta(hours=1), [VALIDATED_BARS])


Event = Callable[[World], None]
KNOWN = st.sampled_from([None, SECOND, datetime(2018, 11, 20, tzinfo=UTC), LATE])


@st.composite
def events(draw: st.DrawFn) -> Event:
    """Something that arrives: a bar that is new, late, corrected, withdrawn or the same again."""
    day = draw(st.sampled_from([*DAYS, date(2018, 9, 25), date(2018, 11, 15)]))
    instrument, close = draw(st.sampled_from(INSTRUMENTS)), draw(st.sampled_from([100.0, 101.0]))
    known, withdrawn = draw(KNOWN), draw(st.booleans())
    if known is not None and known.date() <= day:
        known = LATE
    if draw(st.integers(0, 5)) == 0:
        return lambda world: compact(world.lake, VALIDATED_BARS)
    return lambda world: world.put(bar(day, instrument, close, known, withdrawn and known is not None))


@pytest.mark.slow
@settings(max_examples=10)
@given(data=st.data())
def test_what_is_found_is_what_a_calculation_from_scratch_names(template: Path, data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        world = copy_of(template, Path(folder))
        for _ in range(data.draw(st.integers(1, 2), label="rounds")):
            for event in data.draw(st.lists(events(), min_size=1, max_size=4), label="events"):
                event(world)
            found, expected = world.stale(), world.expected()
            own = {key for key in world.made() if world.reads(key) != world.memory[key]}
            assert set(keys(found)) == expected
            assert set(keys(current(found))) | set(keys(listed(found))) == expected
            assert not set(keys(current(found))) & set(keys(listed(found)))
            redone: list[Key] = []
            while runs := next_runs(world.stale(), [SPEC], ALL, None):
                for run in runs:
                    redone += world.redo(run)
            assert len(redone) == len(set(redone)), "each once"
            assert own - BY_PEOPLE <= set(redone) <= expected, "what a parent made stale may be right"
            assert not BY_PEOPLE & set(redone)
            assert set(keys(world.stale())) == world.expected() <= BY_PEOPLE
            for key in BY_PEOPLE:
                world.make(*key)
            assert world.expected() == set()
