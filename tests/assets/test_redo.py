"""Stale results as people see them, and the one action that has them made again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from begun import begun
from stale_world import CONFIG, CUTOFFS, DAYS, FAMILY, INSTRUMENTS, SPEC, Key, World, bar

from assets.redo import build_redo, build_redo_sensor
from assets.requests import TAG
from assets.stale_results import build_stale_results
from lim_pipelines.lake import LATEST
from lim_pipelines.schemas import STALE_RESULTS
from lim_pipelines.stale.redo import Run
from resources.home import Home

RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
SENSOR = build_redo_sensor([SPEC], [CONFIG])


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything made once; tests work on copies."""
    world = World(tmp_path_factory.mktemp("redo"))
    for key in world.made():
        world.make(*key)
    return Path(world.lake.root).parent


@pytest.fixture
def world(template: Path, tmp_path: Path) -> World:
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    world = World(tmp_path)
    world.memory = {key: world.reads(key) for key in world.made()}
    return world


@pytest.fixture
def instance() -> dg.DagsterInstance:
    return dg.DagsterInstance.ephemeral()


def home(world: World) -> Home:
    return Home(root=str(Path(world.lake.root).parent))


def materialise(
    world: World, asset: dg.AssetsDefinition, instance: dg.DagsterInstance, **config: Any
) -> dg.ExecuteInProcessResult:
    given = {"ops": {asset.key.to_user_string(): {"config": config}}} if config else None
    return dg.materialize(
        [asset], instance=instance, resources={"home": home(world)}, run_config=given, raise_on_error=False
    )


def ask(world: World, instance: dg.DagsterInstance, **config: Any) -> dg.ExecuteInProcessResult:
    return materialise(world, build_redo([SPEC], [CONFIG]), instance, **config)


def tick(world: World, instance: dg.DagsterInstance, cursor: str | None) -> dg.SensorResult:
    context = dg.build_sensor_context(instance, cursor=cursor, resources={"home": home(world)})
    found = SENSOR(context)
    assert isinstance(found, dg.SensorResult)
    return found


def follow(
    world: World, instance: dg.DagsterInstance, request: dg.RunRequest, fails: bool = False
) -> list[Key]:
    """Run what a request names, under its tags."""
    done: list[Key] = []

    @dg.op
    def make() -> None:
        if fails:
            raise dg.Failure("the machine is out of memory")
        first, last = (request.tags.get(tag) for tag in RANGE)
        days = [day for day in CUTOFFS if first and last and first <= str(day) <= last]
        span = (days[0], days[-1]) if days else (None, None)
        done.extend(
            world.redo(Run(tuple(key.to_user_string() for key in request.asset_selection or ()), *span))
        )

    @dg.job
    def run() -> None:
        make()

    run.execute_in_process(instance=instance, tags=request.tags, raise_on_error=False)
    return done


def test_a_fresh_home_has_a_green_check(world: World, instance: dg.DagsterInstance) -> None:
    [check] = materialise(
        world, build_stale_results([SPEC], [CONFIG]), instance
    ).get_asset_check_evaluations()
    assert (check.passed, check.description) == (
        True,
        "every result that was recorded would come out as it is",
    )


def test_what_is_stale_is_listed_until_it_is_not(world: World, instance: dg.DagsterInstance) -> None:
    world.put(bar(DAYS[3], INSTRUMENTS[2], 101.0))
    asset = build_stale_results([SPEC], [CONFIG])
    [check] = materialise(world, asset, instance).get_asset_check_evaluations()
    assert not check.passed
    assert str(check.description).startswith(
        "8 results are stale, 6 of them are made again by policy where sensors are on:"
        " xsim_foundation_checkpoint 2018-12-01: validated_bars of XSIM: 1 row differs, 2018-11-08 to"
        " 2018-11-08; universality: validated_bars of XSIM: 1 row differs, 2018-11-08 to 2018-11-08. To have"
        " all of them made again, materialise redo"
    )
    assert str(check.description).endswith(
        "; small_robustness, universality: by hand, how much they ask is up to you"
    )
    stale = world.lake.read(STALE_RESULTS, as_of=LATEST).collect()
    assert stale.select("result", "partition").n_unique() == 8
    world.put(bar(DAYS[3], INSTRUMENTS[2], 100.0))
    materialise(world, asset, instance)
    assert world.lake.read(STALE_RESULTS, as_of=LATEST).collect().is_empty()


def test_without_a_request_nothing_is_asked_for(world: World, instance: dg.DagsterInstance) -> None:
    world.put(bar(DAYS[0], INSTRUMENTS[0], 101.0))
    found = tick(world, instance, None)
    assert not found.run_requests
    assert "nobody has asked" in str(found.skip_reason and found.skip_reason.skip_message)


def test_one_action_makes_everything_again_parents_first(world: World, instance: dg.DagsterInstance) -> None:
    world.put(bar(DAYS[2], INSTRUMENTS[0], 101.0))
    expected = world.expected()
    assert ask(world, instance, result="all").success
    done: list[Key] = []
    cursor = None
    for _ in range(20):
        found = tick(world, instance, cursor)
        cursor = found.cursor
        if not found.run_requests:
            break
        assert len(found.run_requests) == 1, "one run a family"
        done += follow(world, instance, found.run_requests[0])
    else:
        pytest.fail("it never ends")
    assert done[:2] == [(FAMILY, "2018-11-01"), (FAMILY, "2018-12-01")], "one range run"
    assert [name for name, _ in done[-3:]] == ["small_backtest", "leaderboard", "effectiveness"], (
        "last of all, in one run"
    )
    assert set(done) <= expected
    assert len(done) == len(set(done)), "each once"
    assert world.expected() == {("small_robustness", ""), ("universality", "")}, "made by people"
    assert json.loads(str(cursor))["waiting"] == []


def test_a_run_that_fails_is_asked_for_again_after_a_rest(world: World, instance: dg.DagsterInstance) -> None:
    world.put(bar(DAYS[0], INSTRUMENTS[0], 101.0))
    ask(world, instance, result=FAMILY)
    first = tick(world, instance, None)
    [request] = first.run_requests or []
    assert [request.tags[tag] for tag in RANGE] == ["2018-10-01", "2018-12-01"]
    assert request.tags["lim/cause"].startswith(f"redo {FAMILY}: validated_bars of XSIM: 1 row differs")
    follow(world, instance, request, fails=True)
    rests = tick(world, instance, first.cursor)
    assert not rests.run_requests
    assert "rest before they are tried again" in str(rests.skip_reason and rests.skip_reason.skip_message)


def test_what_was_made_and_is_stale_again_waits_for_another_request(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.put(bar(DAYS[0], INSTRUMENTS[0], 101.0))
    ask(world, instance, result=FAMILY)
    first = tick(world, instance, None)
    [request] = first.run_requests or []
    follow(world, instance, request)
    world.put(bar(DAYS[0], INSTRUMENTS[0], 102.0))
    after = tick(world, instance, first.cursor)
    assert not after.run_requests
    assert "is done" in str(after.skip_reason and after.skip_reason.skip_message)
    ask(world, instance, result=FAMILY, since="2018-12-01")
    [again] = tick(world, instance, after.cursor).run_requests or []
    assert [again.tags[tag] for tag in RANGE] == ["2018-12-01", "2018-12-01"]
    assert again.tags[TAG] != request.tags[TAG]


def test_what_stays_stale_for_an_earlier_cutoff_holds_up_nothing(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.put(bar(DAYS[0], INSTRUMENTS[0], 101.0))
    ask(world, instance, result="all", since="2018-12-01")
    done: list[Key] = []
    cursor = None
    for _ in range(10):
        found = tick(world, instance, cursor)
        cursor = found.cursor
        if not found.run_requests:
            break
        done += follow(world, instance, found.run_requests[0])
    newest = [(name, "2018-12-01") for name in (FAMILY, "small_model", "small_targets")]
    assert done == [*newest, ("small_backtest", ""), ("leaderboard", ""), ("effectiveness", "")]


@pytest.mark.parametrize(
    ("config", "words"),
    [({"result": "targets"}, "write all or one of"), ({"since": "October"}, "write a date such as")],
)
def test_what_nobody_makes_is_refused_with_what_to_write(
    world: World, instance: dg.DagsterInstance, config: dict[str, str], words: str
) -> None:
    result = ask(world, instance, **config)
    assert not result.success
    [failure] = [event for event in result.all_events if event.is_step_failure]
    assert words in str(failure.event_specific_data)


def test_requests_wait_for_their_turn(world: World, instance: dg.DagsterInstance) -> None:
    world.put(bar(DAYS[0], INSTRUMENTS[0], 101.0))
    ask(world, instance, result=FAMILY)
    ask(world, instance, result="all")
    found = tick(world, instance, None)
    assert len(found.run_requests or []) == 1
    assert len(json.loads(str(found.cursor))["waiting"]) == 2


def test_what_a_policy_is_making_is_waited_for(world: World, instance: dg.DagsterInstance) -> None:
    world.put(bar(DAYS[4], INSTRUMENTS[0], 101.0))
    world.make("small_targets", "2018-12-01")
    ask(world, instance, result="all")
    evaluate = begun(instance, "small_backtest")
    first = tick(world, instance, None)
    assert "its runs are at work" in str(first.skip_reason and first.skip_reason.skip_message)
    instance.report_run_failed(evaluate)
    [run] = tick(world, instance, first.cursor).run_requests or []
    assert dg.AssetKey("small_backtest") in (run.asset_selection or ())
