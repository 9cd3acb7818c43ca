"""A training that fails says of what in the step's own error, where people and alerts look first."""

from pathlib import Path

import dagster as dg
import pytest

from resources.trainer import Trainer

FAILS = """
from dagster_pipes import open_dagster_pipes
with open_dagster_pipes():
    raise ValueError("the checkpoint of 2018-01 is not there: train it first")
"""
DIES = "import os; os._exit(7)"


def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str) -> str:
    (tmp_path / "failing_training.py").write_text(entry)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    @dg.asset
    def trained(context: dg.AssetExecutionContext) -> None:
        Trainer().run(context, "failing_training", {})

    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize([trained], instance=instance, raise_on_error=False)
        (failed,) = done.filter_events(lambda event: event.is_step_failure)
    error = failed.step_failure_data
    return f"{error.user_failure_data.description if error.user_failure_data else error.error}"


def test_the_step_fails_with_the_words_of_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = said(tmp_path, monkeypatch, FAILS)
    assert "failing_training: " in found
    assert "the checkpoint of 2018-01 is not there: train it first" in found


def test_a_process_that_dies_without_a_word_is_named_with_its_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "failed with code 7" in said(tmp_path, monkeypatch, DIES)


def test_alerts_tell_the_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from assets.alerts import errors

    (tmp_path / "failing_training.py").write_text(FAILS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    @dg.op
    def trained(context: dg.OpExecutionContext) -> None:
        Trainer().run(context, "failing_training", {})

    @dg.job
    def training() -> None:
        trained()

    with dg.DagsterInstance.ephemeral() as instance:
        done = training.execute_in_process(instance=instance, raise_on_error=False)
        context = dg.build_run_status_sensor_context(
            "alerts_sensor", done.get_run_failure_event(), instance, done.dagster_run
        ).for_run_failure()
        told = errors(context)
    assert "the checkpoint of 2018-01 is not there: train it first" in told


def test_a_process_that_dies_without_a_word_does_not_tell_another_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "failing_training.py").write_text(FAILS)
    (tmp_path / "dying_training.py").write_text(DIES)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    @dg.asset
    def earlier(context: dg.AssetExecutionContext) -> None:
        Trainer().run(context, "failing_training", {})

    @dg.asset
    def later(context: dg.AssetExecutionContext) -> None:
        Trainer().run(context, "dying_training", {})

    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize([earlier, later], instance=instance, raise_on_error=False)
        told = {
            event.step_key: failed.description
            for event in done.filter_events(lambda event: event.is_step_failure)
            if (failed := event.step_failure_data.user_failure_data) is not None
        }
    assert "the checkpoint of 2018-01" in str(told["earlier"])
    assert "failed with code 7" in str(told["later"])
