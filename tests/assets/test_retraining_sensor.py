"""What the retraining sensor asks for and why, what it never asks for twice, and the plan that it follows."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import polars as pl
import pytest
from inprocess import Lineage, metadata_of
from retraining_world import ask, sessions, skipped
from trained import train

from assets.live_skill import CHECK, decayed
from assets.requests import TAG
from assets.retraining import DRIFT_CHECK
from assets.spent import spent
from lim_pipelines.definitions import defs, load_strategies
from lim_pipelines.retraining.settings import FILE
from lim_pipelines.schemas import DRIFT_RESULTS
from lim_pipelines.validate.drift.inputs import EVERY_CLASS

RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
SPECS = load_strategies()[1]
REAL = [one.name for one in SPECS if one.foundation == "foundation_checkpoint"]
"""Strategies whose models start from the real family's checkpoints."""
WTI = "XNYM:WTI"
"""What they trade."""

_DAYS = [date(2018, 11, 1) + timedelta(i) for i in range(28)]
NOVEMBER = [day for day in _DAYS if day.weekday() < 5]


def asked(found: dg.SensorResult) -> dg.RunRequest:
    (run,) = found.run_requests or []
    return run


@dg.job
def _nothing() -> None:
    """A job to make runs of."""


def launch(lineage: Lineage, run: dg.RunRequest, status: dg.DagsterRunStatus) -> dg.DagsterRun:
    job = dg.Definitions(jobs=[_nothing]).resolve_job_def("_nothing")
    return lineage.instance.create_run_for_job(job, tags=run.tags, status=status)


def test_it_skips_with_a_reason_for_every_family_and_strategy(lineage: Lineage) -> None:
    empty = skipped(ask(lineage))
    assert empty.startswith(
        "foundation_checkpoint: no validated bars on XNAS, XNYS yet;"
        " xsim_foundation_checkpoint: no validated bars on XSIM yet; "
    )
    assert all(f"{one.name}: no validated bars of its instruments yet" in empty for one in SPECS)
    sessions(lineage, NOVEMBER[:3])
    assert "foundation_checkpoint: 3 of 15 sessions and no checkpoint yet" in skipped(ask(lineage))


def test_it_asks_for_checkpoint_models_and_targets_with_its_cause(lineage: Lineage) -> None:
    sessions(lineage, NOVEMBER)
    family = {"window_store", "foundation_checkpoint"}
    alone = asked(ask(lineage))
    assert {key.to_user_string() for key in alone.asset_selection or ()} == family, "no strategy has bars yet"
    sessions(lineage, NOVEMBER, WTI)
    run = asked(ask(lineage))
    assert [run.tags[tag] for tag in RANGE] == ["2018-12-01", "2018-12-01"]
    assert {key.to_user_string() for key in run.asset_selection or ()} == {
        *family,
        *(f"{name}_{asset}" for name in REAL for asset in ("model", "targets")),
    }
    assert run.tags["lim/cause"] == "20 sessions and no checkpoint yet (needs 15)"
    assert run.tags[TAG] == run.run_key


def test_a_run_that_works_or_has_just_failed_is_not_asked_for_again(
    lineage: Lineage, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions(lineage, NOVEMBER)
    first = ask(lineage)
    run = launch(lineage, asked(first), dg.DagsterRunStatus.STARTED)
    assert "a run waits or works" in skipped(ask(lineage, first.cursor))
    lineage.instance.report_run_failed(run)
    resting = ask(lineage, first.cursor)
    assert "the last run failed not long ago" in skipped(resting)
    sessions(lineage, [date(2018, 11, 29)])
    assert "the last run failed not long ago" in skipped(ask(lineage, resting.cursor)), "whatever else came"
    monkeypatch.setattr("assets.requests.RETRY_AFTER", timedelta(0))
    again = asked(ask(lineage, resting.cursor))
    assert (again.run_key, again.tags[TAG]) == (f"{asked(first).run_key}#2", asked(first).run_key)


def test_a_run_that_succeeded_answers_its_causes(lineage: Lineage) -> None:
    sessions(lineage, NOVEMBER)
    first = ask(lineage)
    launch(lineage, asked(first), dg.DagsterRunStatus.SUCCESS)
    assert "a run has answered that" in skipped(ask(lineage, first.cursor))
    assert "a run has answered that" in skipped(ask(lineage)), "also when the cursor is lost"
    train(lineage.lake, lineage.path / "models", date(2018, 12, 1))
    assert "0 of 15 new or corrected sessions" in skipped(ask(lineage, first.cursor))


def test_a_budget_keeps_waiting_what_it_cannot_hold(lineage: Lineage) -> None:
    sessions(lineage, NOVEMBER)
    sessions(lineage, NOVEMBER, WTI)
    train(lineage.lake, lineage.path / "models", date(2018, 11, 1), 7200, when=str(datetime.now(UTC)))
    (lineage.path / FILE).write_text("retraining: {budget_hours_a_week: 2}")
    why = skipped(ask(lineage))
    assert "(needs 15); nobody knows yet what it takes; 0 s of 2 h a week are left" in why


def ended(lineage: Lineage, asset: str, how: dg.DagsterEventType, seconds: float, last: datetime) -> None:
    """Leave a run of an asset behind that worked for some seconds up to a moment."""

    @dg.asset(name=asset)
    def made() -> None: ...

    job = dg.Definitions(assets=[made]).resolve_implicit_global_asset_job_def()
    run = lineage.instance.create_run_for_job(job, asset_selection=frozenset({made.key}))
    for kind, at in ((dg.DagsterEventType.RUN_START, last - timedelta(seconds=seconds)), (how, last)):
        event = dg.DagsterEvent(kind.value, job.name)
        lineage.instance.report_dagster_event(event, run.run_id, timestamp=at.timestamp())


def test_a_training_that_failed_has_used_its_time(lineage: Lineage) -> None:
    models, now = lineage.path / "models", datetime.now(UTC)
    failed, cancelled = dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_CANCELED

    def used(after: timedelta = timedelta(0), subject: str = "foundation_checkpoint") -> float:
        return spent(lineage.instance, models, [subject], now + after)

    ended(lineage, "foundation_checkpoint", failed, 300, now - timedelta(days=2))
    assert used() == pytest.approx(300)
    ended(lineage, "foundation_checkpoint", cancelled, 60, now - timedelta(days=1))
    assert used() == pytest.approx(360)
    ended(lineage, "validated_bars", failed, 500, now - timedelta(days=1))
    ended(lineage, "foundation_checkpoint", dg.DagsterEventType.RUN_SUCCESS, 500, now - timedelta(days=1))
    assert used() == pytest.approx(360), "of what ends well its trainings say themselves what they took"
    assert used(subject="xsim_foundation_checkpoint") == 0
    # The first of two cutoffs of the run that failed was trained.
    sessions(lineage, NOVEMBER)
    within = now - timedelta(days=2, seconds=100)
    train(lineage.lake, models, date(2018, 11, 1), 150, when=within.isoformat())
    assert used() == pytest.approx(360), "counted once"
    assert used(timedelta(days=5.5)) == pytest.approx(60)
    assert used(timedelta(days=8)) == 0


def test_settings_that_are_wrong_name_the_file_and_the_remedy(lineage: Lineage) -> None:
    lineage.path.mkdir(exist_ok=True)
    (lineage.path / FILE).write_text("retraining: {budget_hours: 3}")
    with pytest.raises(Exception, match=r"automation\.yaml: retraining\.budget_hours.*budget_hours_a_week"):
        ask(lineage)


def test_the_plan_shows_what_the_sensor_would_do(lineage: Lineage) -> None:
    sessions(lineage, NOVEMBER)
    shown = metadata_of(lineage.run("retraining_plan"), "retraining_plan")
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in shown["plan"].splitlines()]
    rows = {row[0]: row[1:] for row in cells[2:]}
    assert cells[0] == ["subject", "trained", "why", "cutoffs", "takes"]
    why = "20 sessions and no checkpoint yet (needs 15)"
    assert rows["foundation_checkpoint"] == ["yes", why, "2018-12-01", "unknown"]
    assert rows["xsim_foundation_checkpoint"][0] == "not due"
    assert set(rows) == {"foundation_checkpoint", "xsim_foundation_checkpoint", *(one.name for one in SPECS)}
    assert shown["budget"] == "none"
    assert asked(ask(lineage)), "a plan starts nothing, and answers nothing"


def failed_check(lineage: Lineage, strategy: str, models: str) -> None:
    evaluation = dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(f"{strategy}_backtest"),
        check_name=CHECK,
        passed=False,
        severity=dg.AssetCheckSeverity.WARN,
        description="live rank IC is low",
        metadata={"models": dg.MetadataValue.text(models)},
    )
    lineage.instance.report_runless_asset_event(evaluation)


def test_a_decayed_live_skill_is_heard(lineage: Lineage) -> None:
    assert decayed(lineage.instance, SPECS) == {}
    failed_check(lineage, SPECS[0].name, "abc")
    assert decayed(lineage.instance, SPECS) == {SPECS[0].name: ("abc", "live rank IC is low")}


def drifted(lineage: Lineage, statistic: float) -> None:
    """Leave a drift report behind, and the check that failed on it."""
    row = {
        "exchange": "XNAS",
        "asset_class": EVERY_CLASS,
        "variable": "return",
        "test": "psi",
        "statistic": statistic,
        "threshold": 0.2,
        "drifted": True,
        **dict.fromkeys(("reference_first", "reference_last"), date(2018, 9, 3)),
        **dict.fromkeys(("recent_first", "recent_last"), date(2018, 11, 5)),
        **dict.fromkeys(("reference_rows", "recent_rows"), 100),
    }
    rows = DRIFT_RESULTS.conform(pl.DataFrame([row]))
    lineage.lake.write(DRIFT_RESULTS, rows, rows.select(DRIFT_RESULTS.partition_key))
    failed = dg.AssetCheckEvaluation(
        asset_key=DRIFT_CHECK.asset_key, check_name=DRIFT_CHECK.name, passed=False, metadata={}
    )
    lineage.instance.report_runless_asset_event(failed)


def test_the_same_drift_report_once_more_is_the_same_cause(lineage: Lineage) -> None:
    sessions(lineage, NOVEMBER[:3])
    drifted(lineage, 0.3)
    first = ask(lineage)
    run = asked(first)
    assert run.tags["lim/cause"].startswith("the drift check failed; 3 sessions and no checkpoint yet")
    launch(lineage, run, dg.DagsterRunStatus.SUCCESS)
    drifted(lineage, 0.3)
    assert "a run has answered that" in skipped(ask(lineage, first.cursor))
    drifted(lineage, 0.4)
    assert asked(ask(lineage, first.cursor)).run_key != run.run_key


def test_a_strategy_without_decisions_has_no_live_skill_to_judge(lineage: Lineage) -> None:
    def check() -> Any:
        keys = {dg.AssetCheckKey(dg.AssetKey(f"{SPECS[0].name}_backtest"), CHECK)}
        job = defs.resolve_implicit_global_asset_job_def().get_subset(asset_check_selection=keys)
        return job.execute_in_process(instance=lineage.instance).get_asset_check_evaluations()[0]

    found = check()
    assert (found.passed, found.description.startswith("0 of ")) == (True, True)


def test_a_verdict_counts_until_the_next_one_is_there(lineage: Lineage) -> None:
    failed_check(lineage, SPECS[0].name, "abc")
    check = dg.AssetCheckKey(dg.AssetKey(f"{SPECS[0].name}_backtest"), CHECK)
    checks = {check, DRIFT_CHECK}
    whole = defs.resolve_implicit_global_asset_job_def()
    job = whole.get_subset(asset_selection={DRIFT_CHECK.asset_key}, asset_check_selection=checks)
    lineage.instance.create_run_for_job(job)
    [planned] = lineage.instance.event_log_storage.get_asset_check_execution_history(check, limit=1)
    assert planned.status.name == "PLANNED"
    assert decayed(lineage.instance, SPECS) == {SPECS[0].name: ("abc", "live rank IC is low")}
    assert "no validated bars" in skipped(ask(lineage))
