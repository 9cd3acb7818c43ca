"""What was made and not recorded, or not checked, is made once more, comes out as it was, and is known."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import dagster as dg
import pytest
from inprocess import Lineage
from sensor_world import Driven

from assets.requests import CAUSE, TAG
from lim_pipelines.foundation.config import REAL

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from month_checks import left_failed, unchecked

DAYS = [date(2018, 10, day) for day in (29, 30, 31)] + [date(2018, 11, day) for day in (1, 2, 5)]
CUTOFF = "2018-12-01"


@pytest.fixture
def world(lineage: Lineage, monkeypatch: pytest.MonkeyPatch) -> Driven:
    """A world in which sessions have come and nothing is trained yet; what failed is asked for at once."""
    one = Driven(lineage, monkeypatch, datetime(2018, 12, 20, tzinfo=UTC))
    for day in DAYS:
        one.drop(day, dict.fromkeys(("AAPL", "MSFT", "FB"), 100.0), datetime.combine(day, time(22), UTC))
    monkeypatch.setattr("assets.unrecorded.RETRY_AFTER", timedelta(0))
    monkeypatch.setattr("assets.requests.RETRY_AFTER", timedelta(0))
    return one


def until(world: Driven, wanted: str) -> dg.RunRequest:
    """Go on until somebody asks for an asset, and return what is asked for."""
    for _ in range(10):
        for name in world.sensors:
            for request in world.look(name):
                if dg.AssetKey(wanted) in (request.asset_selection or ()):
                    return request
                assert world.run(request)
    raise AssertionError(f"nobody asks for {wanted}")


def die_after(patch: pytest.MonkeyPatch, where: str) -> None:
    """Have a step die where its result is committed and Dagster does not know yet."""

    def dies(*_: object) -> None:
        raise dg.Failure("killed")

    patch.setattr(where, dies)


def state(world: Driven, asset: str) -> str | None:
    found = world.lineage.instance.get_status_by_partition(
        dg.AssetKey(asset), [CUTOFF], world.defs.resolve_assets_def(asset).partitions_def
    )
    status = (found or {})[CUTOFF]
    return None if status is None else status.name


def test_a_model_that_is_there_and_not_recorded_is_recorded_and_not_trained_again(
    world: Driven, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = until(world, REAL.name)
    with monkeypatch.context() as patch:
        die_after(patch, "assets.strategies.trained")
        assert not world.run(training)
    assert world.made == [(REAL.name, CUTOFF), ("small_model", CUTOFF)]
    assert not world.look("retraining"), "by content nothing is missing"
    assert state(world, "small_model") == "FAILED"
    assert f"small_model {CUTOFF} is failed" in list(left_failed(world.lineage.instance))
    request = until(world, "small_model")
    assert (request.job_name, request.partition_key) == ("record", CUTOFF)
    assert request.tags[CAUSE].startswith(f"small_model {CUTOFF} is there; its run ")
    before = {path: path.stat().st_mtime_ns for path in world.models.rglob("meta.json")}
    assert world.run(request)
    assert {path: path.stat().st_mtime_ns for path in world.models.rglob("meta.json")} == before
    assert state(world, "small_model") == "MATERIALIZED"
    world.needless.clear()
    world.settle()
    assert not world.needless, "recorded once"
    assert not list(left_failed(world.lineage.instance)), (
        "nor is what came behind it, which results_sensor decided"
    )


def test_a_record_that_dies_as_well_is_asked_for_again_under_the_same_cause(
    world: Driven, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = until(world, REAL.name)
    with monkeypatch.context() as patch:
        die_after(patch, "assets.foundation.trained")
        assert not world.run(training)
        [first] = world.look("sentinel")
        assert not world.run(first)
    [again] = world.look("sentinel")
    assert (again.tags[TAG], again.run_key) == (first.tags[TAG], f"{first.run_key}#2")
    assert world.run(again)
    assert not world.look("sentinel")


def test_decisions_and_backtests_that_are_not_recorded_are_recorded(
    world: Driven, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = until(world, REAL.name)
    with monkeypatch.context() as patch:
        die_after(patch, "assets.strategies.written")
        assert not world.run(training)
        evaluation = until(world, "small_backtest")
        assert not world.run(evaluation)
    # Those of which nothing is there, the reports, are not its business.
    asked = {key.to_user_string() for one in world.look("sentinel") for key in one.asset_selection or ()}
    assert asked == {"small_targets", "small_backtest"}
    world.settle()
    assert state(world, "small_targets") == "MATERIALIZED"
    assert world.lineage.instance.get_latest_materialization_event(dg.AssetKey("small_backtest")) is not None
    assert not world.look("sentinel")


def test_what_failed_and_is_not_there_is_left_to_whoever_asked(
    world: Driven, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = until(world, REAL.name)
    with monkeypatch.context() as patch:
        die_after(patch, "resources.trainer.Trainer.run")
        assert not world.run(training)
    assert not world.look("sentinel")
    [again] = world.look("retraining")
    assert again.tags[TAG] == training.tags[TAG]


def test_what_was_corrected_since_is_left_to_the_policies(
    world: Driven, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = until(world, REAL.name)
    with monkeypatch.context() as patch:
        die_after(patch, "assets.strategies.trained")
        assert not world.run(training)
    world.drop(DAYS[2], {"AAPL": 120.0, "MSFT": 90.0, "FB": 100.0}, datetime(2018, 11, 20, tzinfo=UTC))
    # The ledger first, then the load.
    for _ in range(2):
        for request in world.look("landing"):
            assert world.run(request)
    assert not world.look("sentinel"), "it would come out otherwise"
    assert world.look("retraining")


def test_a_check_that_was_never_answered_is_asked_for_with_what_it_looks_at(
    world: Driven, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = [True]

    @dg.asset_check(asset="small_targets", name="no_look_ahead", blocking=True)
    def check() -> dg.AssetCheckResult:
        if dead:
            raise dg.Failure("killed")
        return dg.AssetCheckResult(passed=True)

    world.defs = dg.Definitions.merge(world.defs, dg.Definitions(asset_checks=[check]))
    assert not world.run(until(world, REAL.name))
    assert state(world, "small_targets") == "MATERIALIZED"
    assert [words.split(" was ")[0] for words in unchecked(world.lineage.instance)] == [
        "small_targets:no_look_ahead"
    ]
    [request] = world.look("sentinel")
    assert (request.job_name, request.partition_key) == ("decide", CUTOFF)
    assert request.tags[CAUSE].endswith("died before it was checked")
    dead.clear()
    assert world.run(request)
    assert not world.look("sentinel")
    assert not list(unchecked(world.lineage.instance))


def test_what_people_started_is_left_to_people(world: Driven, monkeypatch: pytest.MonkeyPatch) -> None:
    training = until(world, REAL.name)
    with monkeypatch.context() as patch:
        die_after(patch, "assets.strategies.trained")
        tags = {name: value for name, value in training.tags.items() if name != TAG}
        assert not world.run(training.with_replaced_attrs(tags=tags))
    assert not world.look("sentinel")
