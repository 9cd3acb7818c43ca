"""The production instance on a real Postgres: its settings hold, the daemon runs, a kill loses nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from inprocess import Lineage
from postgres import ROOT, Postgres, production_dagster
from processes import running

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

DAEMON = ("-m", "dagster._daemon", "run", "-w", "workspace.yaml")
HEADER = "symbol,date,open,high,low,close,volume\n"
RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with production_dagster(tmp_path_factory.mktemp("production")) as postgres:
        yield postgres


def test_the_settings_are_those_of_the_file(server: Postgres) -> None:
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        for storage in (instance.run_storage, instance.event_log_storage, instance.schedule_storage):
            assert type(storage).__module__.startswith("dagster_postgres")
        assert instance.run_monitoring_enabled
        assert instance.event_log_storage.supports_global_concurrency_limits
        assert instance.global_op_concurrency_default_limit == 1
        queue = instance.get_concurrency_config().run_queue_config
        assert queue is not None
        assert queue.max_concurrent_runs == 8
        assert [limit["key"] for limit in queue.tag_concurrency_limits] == [
            "lim/exchange",
            "dagster/backfill",
        ]
        assert instance._is_batch_writing_enabled()  # nothing public says so
        assert not instance.run_retries_enabled


def test_the_daemon_takes_a_range_from_the_queue_and_a_killed_postgres_keeps_it(server: Postgres) -> None:
    import dagster as dg

    home = Path(os.environ["LIM_HOME"])
    with dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions("exchange", ["XNYS"])
        Lineage(home, instance).drop(HEADER + "IBM,2018-11-20,117,118,116,117,5000\n", "XNYS/ibm.csv")
        tags = dict(zip(RANGE, ("2018-11-19|XNYS", "2018-11-21|XNYS"), strict=True))
        with running(*DAEMON):
            launch(tags)
            (run,) = instance.get_runs()
            finished = wait_for(instance, run.run_id)
        assert finished.status == dg.DagsterRunStatus.SUCCESS
    server.kill()
    os.environ["LIM_POSTGRES_URL"] = server.start()
    with dg.DagsterInstance.get() as instance:
        kept = instance.get_materialized_partitions(dg.AssetKey("validated_bars"))
        assert kept == {f"2018-11-{day}|XNYS" for day in (19, 20, 21)}
        assert instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.SUCCESS


def launch(tags: dict[str, str]) -> None:
    """Put a run of the job `load_quotes` into the queue, as people do on the command line."""
    import json

    command = ["-m", "dagster", "job", "launch", "-w", "workspace.yaml", "-j", "load_quotes"]
    subprocess.run([sys.executable, *command, "--tags", json.dumps(tags)], cwd=ROOT, check=True)


def wait_for(instance: Any, run_id: str) -> Any:
    """The run, when it has ended."""
    for _ in range(360):
        run = instance.get_run_by_id(run_id)
        if run.is_finished:
            return run
        time.sleep(0.5)
    raise TimeoutError(f"run {run_id} is {run.status}")
