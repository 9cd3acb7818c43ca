"""Targets, backtests and the leaderboard follow what they read, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import dagster as dg
import pytest
from begun import begun
from stale_world import CONFIG, CUTOFFS, DAYS, FAMILY, INSTRUMENTS, SPEC, World, bar

from assets.requests import CAUSE
from assets.results import build_results_sensor
from lim_pipelines.lake import midnight, scope_of
from lim_pipelines.schemas import RESULT_READS
from resources.home import Home

ALL_REPORTS = ["small_backtest", "leaderboard", "effectiveness"]
SENSOR = build_results_sensor([SPEC], [CONFIG])


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything made once; tests work on copies."""
    world = World(tmp_path_factory.mktemp("results"))
    for key in world.made():
        world.make(*key)
    return Path(world.lake.root).parent


@pytest.fixture
def world(template: Path, tmp_path: Path) -> World:
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    return World(tmp_path)


@pytest.fixture
def instance() -> dg.DagsterInstance:
    return dg.DagsterInstance.ephemeral()


def tick(world: World, instance: dg.DagsterInstance, cursor: str | None = None) -> dg.SensorResult | str:
    """What the sensor asks for, or why it does not."""
    home = Home(root=str(Path(world.lake.root).parent))
    found = SENSOR(dg.build_sensor_context(instance, cursor=cursor, resources={"home": home}))
    if isinstance(found, dg.SkipReason):
        return str(found.skip_message)
    assert isinstance(found, dg.SensorResult)
    return found


def asked(found: dg.SensorResult | str) -> list[dg.RunRequest]:
    assert isinstance(found, dg.SensorResult)
    return list(found.run_requests or [])


def said(found: dg.SensorResult | str) -> str:
    if isinstance(found, str):
        return found
    assert not found.run_requests
    return str(found.skip_reason and found.skip_reason.skip_message)


def names(request: dg.RunRequest) -> list[str]:
    return [key.to_user_string() for key in request.asset_selection or ()]


def run(instance: dg.DagsterInstance, request: dg.RunRequest, fails: bool = False) -> None:
    """Leave a run of the request behind."""

    @dg.op
    def work() -> None:
        if fails:
            raise dg.Failure("the machine is out of memory")

    @dg.job
    def made() -> None:
        work()

    made.execute_in_process(instance=instance, tags=request.tags, raise_on_error=False)


def test_what_is_up_to_date_is_looked_at_once(world: World, instance: dg.DagsterInstance) -> None:
    first = tick(world, instance)
    assert said(first) == "what was committed since the last look is read by no newest result"
    assert isinstance(first, dg.SensorResult)
    again = tick(world, instance, first.cursor)
    assert said(again) == "nothing that results are made from has changed since the last look"


def test_what_no_result_reads_asks_for_nothing(world: World, instance: dg.DagsterInstance) -> None:
    world.put(bar(DAYS[4], INSTRUMENTS[3], 101.0), *(bar(day, INSTRUMENTS[0], 100.0) for day in DAYS))
    assert said(tick(world, instance)) == "what was committed since the last look is read by no newest result"


def test_a_new_session_decides_the_newest_cutoff_and_then_evaluates(
    world: World, instance: dg.DagsterInstance
) -> None:
    day = midnight(CUTOFFS[-1]).replace(day=17).date()
    world.put(bar(day, INSTRUMENTS[0], 100.0))
    [decide] = asked(tick(world, instance))
    assert (decide.job_name, decide.partition_key, names(decide)) == (
        "decide",
        "2018-12-01",
        ["small_targets"],
    )
    assert decide.tags[CAUSE] == "validated_bars of XSIM: 1 row differs, 2018-12-17 to 2018-12-17"
    world.make("small_targets", "2018-12-01")
    run(instance, decide)
    [evaluate] = asked(tick(world, instance))
    assert (evaluate.job_name, names(evaluate)) == (
        "evaluate",
        ALL_REPORTS,
    )
    world.make("small_backtest", "")
    world.make("leaderboard", "")
    world.make("effectiveness", "")
    run(instance, evaluate)
    assert said(tick(world, instance)) == "what was committed since the last look is read by no newest result"


def test_a_training_has_the_newest_cutoff_decided_by_its_models(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.put(bar(DAYS[3], INSTRUMENTS[2], 101.0))
    assert said(tick(world, instance)) == "what was committed since the last look is read by no newest result"
    world.make(FAMILY, "2018-12-01")
    world.make("small_model", "2018-12-01")
    [decide] = asked(tick(world, instance))
    assert (decide.partition_key, names(decide)) == ("2018-12-01", ["small_targets"])
    assert str(decide.tags[CAUSE]).startswith("decided by ")


def test_a_run_that_fails_rests_and_is_not_forgotten(world: World, instance: dg.DagsterInstance) -> None:
    world.put(bar(DAYS[4], INSTRUMENTS[0], 101.0))
    first = tick(world, instance)
    [decide] = asked(first)
    run(instance, decide, fails=True)
    assert isinstance(first, dg.SensorResult)
    resting = tick(world, instance, first.cursor)
    assert said(resting) == "1 runs are at work, or rest before they are tried again"
    assert isinstance(resting, dg.SensorResult)
    assert resting.cursor == first.cursor, "the next tick looks again"


def test_targets_without_a_backtest_get_one(world: World, instance: dg.DagsterInstance) -> None:
    scope = scope_of({"result": ["small_backtest"], "partition": [""]})
    world.lake.write(RESULT_READS, RESULT_READS.empty(), scope)
    [evaluate] = asked(tick(world, instance))
    assert names(evaluate) == ALL_REPORTS
    assert evaluate.tags[CAUSE] == "small has targets and no backtest"


def undecided(world: World) -> None:
    """Leave models of the newest cutoff that have decided nothing, as a training does that died between."""
    world.lake.write(
        RESULT_READS,
        RESULT_READS.empty(),
        scope_of({"result": ["small_targets"], "partition": ["2018-12-01"]}),
    )


def test_models_that_a_training_left_undecided_decide(world: World, instance: dg.DagsterInstance) -> None:
    undecided(world)
    [decide] = asked(tick(world, instance))
    assert (decide.partition_key, names(decide)) == ("2018-12-01", ["small_targets"])
    assert decide.tags[CAUSE] == "models of 2018-12-01 are there and have decided nothing"
    (world.models / SPEC.name / "2018-12-01" / "champion.json").unlink()
    assert not asked_or_none(tick(world, instance)), "nobody has judged them"


def test_models_that_a_training_left_without_a_record_decide(
    world: World, instance: dg.DagsterInstance
) -> None:
    undecided(world)
    judged = world.models / SPEC.name / "2018-12-01" / "champion.json"
    judged.rename(judged.with_name("aside"))
    before = tick(world, instance)
    judged.with_name("aside").rename(judged)
    assert isinstance(before, dg.SensorResult)
    assert names(asked(tick(world, instance, before.cursor))[0]) == ["small_targets"]


def asked_or_none(found: dg.SensorResult | str) -> list[dg.RunRequest]:
    return [] if isinstance(found, str) else list(found.run_requests or [])


def test_what_a_training_under_way_will_decide_is_left_to_it(
    world: World, instance: dg.DagsterInstance
) -> None:
    undecided(world)
    training = begun(instance, "small_targets")
    first = tick(world, instance)
    assert said(first) == "1 runs are at work, or rest before they are tried again"
    instance.report_run_failed(training)
    assert isinstance(first, dg.SensorResult)
    assert names(asked(tick(world, instance, first.cursor))[0]) == ["small_targets"]


@pytest.mark.parametrize("asset", ["small_backtest", "effectiveness"])
def test_reports_that_redo_is_making_are_left_to_it(
    world: World, instance: dg.DagsterInstance, asset: str
) -> None:
    world.put(bar(DAYS[4], INSTRUMENTS[0], 101.0))
    world.make("small_targets", "2018-12-01")
    redo = begun(instance, asset)
    first = tick(world, instance)
    assert said(first) == "1 runs are at work, or rest before they are tried again"
    instance.report_run_failed(redo)
    assert isinstance(first, dg.SensorResult)
    assert names(asked(tick(world, instance, first.cursor))[0]) == ALL_REPORTS
