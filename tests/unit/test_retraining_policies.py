"""Each policy by itself, and what a strategy's heads are due for alone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from stale_world import CONFIG, CUTOFFS, DAYS, FAMILY, SPEC, World, bar

from lim_pipelines.retraining import policies
from lim_pipelines.retraining.plan import Line, Signs, plan
from lim_pipelines.retraining.policies import GRACE, Cause, Stale
from lim_pipelines.retraining.settings import Retraining
from lim_pipelines.retraining.standing import Standing
from lim_pipelines.stale import cause_of
from lim_pipelines.strategies.spec import StrategySpec

JANUARY = date(2019, 1, 1)
PATIENT = datetime(2019, 1, 1, tzinfo=UTC) + GRACE
OLD = StrategySpec.model_validate(
    SPEC.model_dump(mode="json") | {"cadence": {"first_cutoff": "2019-02-01"}, "name": "later"}
)


def at(sessions: int, behind: bool = True, why_not: str = "") -> Standing:
    trained = date(2018, 12, 1) if behind else JANUARY
    return Standing(
        "real", "checkpoint", JANUARY, JANUARY, JANUARY, trained, sessions, f"n{sessions}", why_not
    )


def kind(cause: Cause | None) -> str:
    return "" if cause is None else cause.kind


def test_a_month_with_few_sessions_is_trained_when_late_files_are_in() -> None:
    early = PATIENT - timedelta(seconds=1)
    assert policies.calendar(at(5), 5, early) is None
    assert kind(policies.calendar(at(5), 5, PATIENT)) == "calendar"
    assert policies.calendar(at(4), 5, PATIENT) is None, "not worth a training"
    assert policies.calendar(at(5, behind=False), 5, PATIENT) is None, "it has its checkpoint"


def test_drift_and_decay_want_something_new_to_learn_from() -> None:
    for policy in (lambda standing: policies.drifted(standing, "7"), _decayed):
        assert policy(at(0, behind=False)) is None
        assert policy(at(1, behind=False)) is not None
        assert policy(at(0)) is not None, "another cutoff"
    assert policies.drifted(at(9), "") is None
    assert policies.decayed(at(9), "", "") is None


def _decayed(standing: Standing) -> Cause | None:
    return policies.decayed(standing, "abc", "low")


def test_nothing_is_due_that_cannot_be_trained() -> None:
    cannot = at(99, why_not="no checkpoint")
    found = (
        policies.new_sessions(cannot, 1),
        policies.drifted(cannot, "7"),
        _decayed(cannot),
        policies.stale(cannot, Stale(JANUARY, "k", "w")),
        policies.calendar(cannot, 1, PATIENT),
    )
    assert set(found) == {None}


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Checkpoints and models of three cutoffs."""
    fresh = World(tmp_path)
    for name in (FAMILY, "small_model"):
        for cutoff in CUTOFFS:
            fresh.make(name, cutoff.isoformat())
    return fresh


def look(world: World, signs: Signs, spec: StrategySpec = SPEC, needed: int = 1000) -> dict[str, Line]:
    settings = Retraining(new_sessions=needed, calendar_sessions=1000)
    now = datetime(2018, 12, 5, tzinfo=UTC)
    lines = plan(world.lake, world.models, {FAMILY: CONFIG}, [spec], settings, signs, now, CUTOFFS[0])
    return {line.subject: line for line in lines}


def due(lines: dict[str, Line]) -> set[str]:
    return {subject for subject, line in lines.items() if line.causes}


def stale(world: World) -> Signs:
    assets = {FAMILY: FAMILY, "small_model": "small"}
    found = world.stale()
    causes = {subject: cause_of(found, asset) for asset, subject in assets.items()}
    return Signs(stale={name: Stale(CUTOFFS[-1], *one) for name, one in causes.items() if one is not None})


def test_what_is_due_for_a_correction_is_what_has_read_it(world: World) -> None:
    before = datetime(2018, 11, 20, tzinfo=UTC)
    assert due(look(world, stale(world))) == set()
    world.put(bar(DAYS[3], "XNAS:IXIC", 50.0, before))
    assert due(look(world, stale(world))) == set(), "nobody reads it"
    world.put(bar(DAYS[3], "XSIM:SIM01", 50.0, datetime(2018, 12, 3, tzinfo=UTC)))
    assert due(look(world, stale(world))) == set(), "known after the cutoff"
    world.put(bar(DAYS[3], "XSIM:SIM30", 50.0, before))
    assert due(look(world, stale(world))) == {FAMILY}, "the strategy does not trade it"
    world.make(FAMILY, CUTOFFS[-1].isoformat())
    world.put(bar(DAYS[3], "XSIM:SIM01", 50.0, before))
    assert due(look(world, stale(world))) == {FAMILY, "small"}


def test_decayed_heads_are_due_alone(world: World) -> None:
    low = Signs(decayed={"small": ("abc", "live rank IC is low")})
    assert due(look(world, low)) == set(), "nothing new to learn from"
    world.put(bar(DAYS[3], "XSIM:SIM01", 50.0, datetime(2018, 11, 20, tzinfo=UTC)))
    found = look(world, low)
    assert due(found) == {"small"}
    assert found["small"].words == (
        "live rank IC is low; 1 new or corrected sessions since the models of 2018-12-01"
    )
    assert (found["small"].family, found["small"].strategies) == (FAMILY, ("small",))
    assert due(look(world, Signs(), needed=1)) == {FAMILY, "small"}, "counted for both"


def test_a_strategy_waits_for_its_family_and_its_beginning(world: World, tmp_path: Path) -> None:
    assert look(world, Signs(), OLD)["later"].words == "begins at the cutoff of 2019-02-01"
    bare = World(tmp_path / "bare")
    assert look(bare, Signs())["small"].words == f"{FAMILY} has no checkpoint yet"
    bare.make(FAMILY, CUTOFFS[1].isoformat())
    found = look(bare, Signs(), needed=1)["small"]
    assert (found.first, found.last) == (CUTOFFS[1], CUTOFFS[1]), "not beyond its family"
    assert found.words == "3 sessions and no models yet (needs 1)"
