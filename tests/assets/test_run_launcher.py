"""The run launcher sees whether a run worker is there, and the run monitoring acts on it."""

from __future__ import annotations

import json
import logging
import multiprocessing
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import dagster as dg
import pytest
import yaml
from dagster._core.events import EngineEventData
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._daemon.monitoring.run_monitoring import monitor_started_run

ROOT = Path(__file__).resolve().parents[2]
NEAR: dict[str, Any] = {"host": "localhost", "socket": "/run/code"}
FAR: dict[str, Any] = {"host": "code.example.com", "port": 4000}


@dg.job
def some_job() -> None:
    """A job of which there are runs; nothing executes it."""


@pytest.fixture(params=["dagster.yaml", "dagster.local.yaml"])
def instance(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance with the settings as shipped, but for Postgres."""
    settings = yaml.safe_load((ROOT / "deploy" / request.param).read_text())
    settings.pop("storage", None)
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(settings))
    with dg.DagsterInstance.from_config(str(tmp_path)) as made:
        yield made


@pytest.fixture
def worker() -> Iterator[multiprocessing.process.BaseProcess]:
    """A process that is spawned as the code server spawns a run worker."""
    process = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(600,))
    process.start()
    yield process
    process.kill()
    process.join()


def looked_after(instance: dg.DagsterInstance, pid: int | None, where: dict[str, Any]) -> dg.DagsterRunStatus:
    """What the run monitoring makes of a started run whose worker told of its process."""
    run = instance.create_run_for_job(
        some_job, tags={GRPC_INFO_TAG: json.dumps(where)}, status=dg.DagsterRunStatus.STARTED
    )
    instance.report_engine_event("something else", run)
    if pid is not None:
        instance.report_engine_event("Started process", run, EngineEventData.in_process(pid))
        instance.report_engine_event("something later", run)
    (record,) = instance.get_run_records(dg.RunsFilter(run_ids=[run.run_id]))
    monitor_started_run(instance, cast(Any, None), record, logging.getLogger(__name__))
    return cast(dg.DagsterRun, instance.get_run_by_id(run.run_id)).status


def test_a_run_that_works_is_left_alone(
    instance: dg.DagsterInstance, worker: multiprocessing.process.BaseProcess
) -> None:
    assert looked_after(instance, worker.pid, NEAR) == dg.DagsterRunStatus.STARTED


def test_a_run_whose_process_is_gone_fails(
    instance: dg.DagsterInstance, worker: multiprocessing.process.BaseProcess
) -> None:
    worker.kill()
    worker.join()
    assert looked_after(instance, worker.pid, NEAR) == dg.DagsterRunStatus.FAILURE


def test_a_dead_process_that_nobody_has_collected_is_gone(
    instance: dg.DagsterInstance, worker: multiprocessing.process.BaseProcess
) -> None:
    worker.kill()  # a zombie until `join`
    time.sleep(0.5)
    assert looked_after(instance, worker.pid, NEAR) == dg.DagsterRunStatus.FAILURE


def test_another_program_with_the_same_number_is_not_the_run(instance: dg.DagsterInstance) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        assert looked_after(instance, other.pid, NEAR) == dg.DagsterRunStatus.FAILURE


@pytest.mark.parametrize("where", [FAR, {}])
def test_a_run_on_another_machine_is_not_judged_by_the_processes_here(
    instance: dg.DagsterInstance, worker: multiprocessing.process.BaseProcess, where: dict[str, Any]
) -> None:
    worker.kill()
    worker.join()
    assert looked_after(instance, worker.pid, where) == dg.DagsterRunStatus.STARTED


def test_a_run_that_has_told_of_no_process_is_waited_for(instance: dg.DagsterInstance) -> None:
    assert looked_after(instance, None, NEAR) == dg.DagsterRunStatus.STARTED
