"""What was made and not recorded, or not checked, is made once more, comes out as it was, and is known."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import dagster as dg
import pytest
from inprocess import Lineage
from sensor_world import Driven, spec

from assets import unrecorded
from assets.failed import FIRST, LAST
from assets.partitions import cutoffs
from assets.requests import CAUSE, TAG
from lim_pipelines import definitions
from lim_pipelines.finetune.cadence import Cadence
from lim_pipelines.foundation.config import FOUNDATIONS, REAL
from resources.home import Home

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


def died(world: Driven, monkeypatch: pytest.MonkeyPatch, where: str) -> dg.RunRequest:
    """Have the first training asked for die at some place, and return what was asked for."""
    training = until(world, REAL.name)
    with monkeypatch.context() as patch:
        die_after(patch, where)
        assert not world.run(training)
    return training


def span(request: dg.RunRequest) -> tuple[str, str]:
    return request.tags[FIRST], request.tags[LAST]


def state(world: Driven, asset: str) -> str | None:
    found = world.lineage.instance.get_status_by_partition(
        dg.AssetKey(asset), [CUTOFF], world.defs.resolve_assets_def(asset).partitions_def
    )
    status = (found or {})[CUTOFF]
    return None if status is None else status.name


def test_a_model_that_is_there_and_not_recorded_is_recorded_and_not_trained_again(
    world: Driven, monkeypatch: pytest.MonkeyPatch
) -> None:
    died(world, monkeypatch, "assets.strategies.trained")
    assert world.made == [(REAL.name, CUTOFF), ("small_model", CUTOFF)]
    assert not world.look("retraining"), "by content nothing is missing"
    assert state(world, "small_model") == "FAILED"
    assert f"small_model {CUTOFF} is failed" in list(left_failed(world.lineage.instance))
    request = until(world, "small_model")
    assert (request.job_name, span(request)) == ("record_models", (CUTOFF, CUTOFF))
    assert request.tags[CAUSE].startswith(f"small_model {CUTOFF} is there; its run ")
    before = {path: path.stat().st_mtime_ns for path in world.models.rglob("meta.json")}
    assert world.run(request)
    assert {path: path.stat().st_mtime_ns for path in world.models.rglob("meta.json")} == before
    assert state(world, "small_model") == "MATERIALIZED"
    world.needless.clear()
    world.settle()
    assert not world.needless, "recorded once"
    assert not list(left_failed(world.lineage.instance))


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
    training = died(world, monkeypatch, "resources.trainer.Trainer.run")
    assert not world.look("sentinel")
    [again] = world.look("retraining")
    assert again.tags[TAG] == training.tags[TAG]


def test_what_was_corrected_since_is_left_to_the_policies(
    world: Driven, monkeypatch: pytest.MonkeyPatch
) -> None:
    died(world, monkeypatch, "assets.strategies.trained")
    world.drop(DAYS[2], {"AAPL": 120.0, "MSFT": 90.0, "FB": 100.0}, datetime(2018, 11, 20, tzinfo=UTC))
    # The ledger first, then the load.
    for _ in range(2):
        for request in world.look("landing"):
            assert world.run(request)
    assert not world.look("sentinel"), "it would come out otherwise"
    assert world.look("retraining")


def test_a_check_that_was_never_answered_is_asked_for_until_it_is(world: Driven) -> None:
    dead = [True]

    @dg.asset_check(asset="small_targets", name="no_look_ahead", blocking=True)
    def check() -> dg.AssetCheckResult:
        if dead:
            raise dg.Failure("killed")
        return dg.AssetCheckResult(passed=True)

    world.defs = dg.Definitions.merge(world.defs, dg.Definitions(asset_checks=[check]))
    assert not world.run(until(world, REAL.name))
    assert state(world, "small_targets") == "MATERIALIZED"
    [said] = unchecked(world.lineage.instance)
    assert said.startswith("small_targets:no_look_ahead was never answered in run ")
    [request] = world.look("sentinel")
    assert (request.job_name, span(request)) == ("decide", (CUTOFF, CUTOFF))
    assert request.tags[CAUSE].endswith("died before it was checked")
    assert not world.run(request)
    [again] = world.look("sentinel")
    assert (again.tags, again.run_key) == (request.tags, f"{request.run_key}#2")
    dead.clear()
    assert world.run(again)
    assert not world.look("sentinel")
    assert not list(unchecked(world.lineage.instance))


def test_a_verdict_on_another_cutoff_does_not_answer_for_this_one(world: Driven) -> None:
    @dg.asset_check(asset="small_targets", name="no_look_ahead", blocking=True)
    def dies() -> dg.AssetCheckResult:
        raise dg.Failure("killed")

    world.defs = dg.Definitions.merge(world.defs, dg.Definitions(asset_checks=[dies]))
    assert not world.run(until(world, REAL.name))

    @dg.asset(name="small_targets", partitions_def=cutoffs)
    def other() -> None:
        pass

    @dg.asset_check(asset="small_targets", name="no_look_ahead")
    def passes() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    job = dg.Definitions(assets=[other], asset_checks=[passes]).resolve_implicit_global_asset_job_def()
    for cutoff, asked in (("2018-11-01", 1), (CUTOFF, 0)):
        assert job.execute_in_process(instance=world.lineage.instance, partition_key=cutoff).success
        assert len(world.look("sentinel")) == asked


def test_months_that_follow_one_another_are_one_run() -> None:
    months = ["2018-12-01", "2018-11-01", "2019-02-01"]
    assert unrecorded._blocks(months) == [("2018-11-01", "2018-12-01"), ("2019-02-01", "2019-02-01")]
    assert unrecorded._blocks([""]) == [("", "")]


def test_what_a_run_never_came_to_is_not_taken_for_made(
    world: Driven, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = until(world, REAL.name)
    assert world.run(training)
    world.settle()
    with monkeypatch.context() as patch:
        die_after(patch, "assets.window_store.update")
        assert not world.run(training)
    assert state(world, "small_targets") == "FAILED", "as Dagster says of every step of a failed run"
    assert not world.look("sentinel")


def test_a_run_that_people_cancelled_is_made_known_as_well(
    world: Driven, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = died(world, monkeypatch, "assets.foundation.trained")
    instance = world.lineage.instance
    [run] = instance.get_runs(dg.RunsFilter(tags={TAG: training.tags[TAG]}))
    instance.report_run_canceled(run)
    assert [one.asset_selection for one in world.look("sentinel")] == [[dg.AssetKey(REAL.name)]]


def test_it_rests_first_and_leaves_what_is_being_made(world: Driven, monkeypatch: pytest.MonkeyPatch) -> None:
    died(world, monkeypatch, "assets.strategies.trained")
    with monkeypatch.context() as patch:
        patch.setattr("assets.unrecorded.RETRY_AFTER", timedelta(minutes=10))
        assert not world.look("sentinel")
    with monkeypatch.context() as patch:
        patch.setattr("assets.requests.RETRY_AFTER", timedelta(minutes=10))
        assert not world.look("sentinel"), "whoever asked may ask again"
    with monkeypatch.context() as patch:
        patch.setattr("assets.unrecorded.at_work", lambda _: {"small_model"})
        assert not world.look("sentinel")
    assert len(world.look("sentinel")) == 1


def test_results_that_cannot_be_compared_do_not_stop_the_sentinel(
    world: Driven, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assets.unrecorded.ask_for_records", lambda *_: 1 / 0)
    context = dg.build_sensor_context(
        world.lineage.instance, resources={"home": world.home}, definitions=definitions.defs
    )
    found = world.sensors["sentinel"](context)
    assert "results cannot be compared: division by zero" in str(found.skip_reason.skip_message)


@pytest.mark.parametrize(
    ("asset", "partition", "expected"),
    [
        ("small_model", "2018-12-01", True),  # of October
        ("small_model", "2018-07-01", True),  # never made of anything
        ("small_targets", "2018-07-01", True),
        ("small_model", "2019-01-01", False),
        ("small_targets", "2018-12-01", False),
    ],
)
def test_months_that_train_nothing_are_there_with_the_models_they_go_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asset: str, partition: str, expected: bool
) -> None:
    quarterly = spec().model_copy(
        update={"cadence": Cadence(retrain="quarterly", first_cutoff=date(2018, 10, 1))}
    )
    monkeypatch.setattr("assets.unrecorded.made", lambda *_: {("small_model", "2018-10-01")})
    there = unrecorded._there(Home(root=str(tmp_path)), [quarterly], [REAL])
    assert there(asset, partition) is expected


def test_the_job_that_records_models_makes_models_only() -> None:
    made = definitions.defs.resolve_job_def("record_models").asset_layer.executable_asset_keys
    names = {key.to_user_string() for key in made}
    assert names == {*FOUNDATIONS, "wti_transfer_model", "xsim_long_short_model"}


def test_what_people_started_is_left_to_people(world: Driven, monkeypatch: pytest.MonkeyPatch) -> None:
    training = until(world, REAL.name)
    with monkeypatch.context() as patch:
        die_after(patch, "assets.strategies.trained")
        tags = {name: value for name, value in training.tags.items() if name != TAG}
        assert not world.run(training.with_replaced_attrs(tags=tags))
    assert not world.look("sentinel")
