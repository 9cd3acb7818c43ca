"""What only the UI reads, written as records without work behind it: cutoffs, runs, ticks, a backfill.

What does not belong here: sessions, which are loaded (`ui_home.py`), and measuring (`ui_pages.py`).
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import polars as pl
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.definitions.selector import InstigatorSelector
from dagster._core.execution.backfill import PartitionBackfill
from dagster._core.scheduler.instigation import TickData, TickStatus
from dagster._core.storage.runs.schema import RunsTable, RunTagsTable
from dagster._core.storage.schedules.schema import JobTickTable
from dagster._serdes import serialize_value

from assets.partitions import cutoffs
from lim_pipelines.definitions import defs

LOCATION = "lim_pipelines"
DAY = 86_400
KEPT = {InstigatorType.SENSOR: timedelta(days=7), InstigatorType.SCHEDULE: timedelta(days=90)}
"""For how long `deploy/dagster.local.yaml` keeps ticks that asked for nothing."""
ASKED = 500
"""One tick in so many asked for a run."""
FRIDAY = 4
BACKFILL = "fiveyear"

Month = tuple[str, date, date]
"""Name, first and last day."""


def record_cutoffs(instance: dg.DagsterInstance, months: Sequence[Month]) -> None:
    """Record the monthly cutoffs of everything that is trained, without training."""
    graph = defs.resolve_asset_graph()
    trained = [key for key in graph.get_all_asset_keys() if graph.get(key).partitions_def == cutoffs]
    for _, first, _ in months:
        for key in sorted(trained):
            instance.report_runless_asset_event(
                dg.AssetMaterialization(key, partition=str(first), metadata={"seconds": 12.5})
            )


def record_runs(instance: dg.DagsterInstance, months: Sequence[Month], mics: Sequence[str]) -> None:
    """Record two runs of every weekday and exchange, without their events; one in 200 failed."""
    rng = random.Random(9)
    storage: Any = instance.run_storage
    days = [day for _, first, last in months for day in pl.date_range(first, last, eager=True)]
    with storage.connect() as connection:
        for day in days:
            began = datetime(day.year, day.month, day.day, 21, 15, tzinfo=UTC)
            times = {
                "start_time": began.timestamp() + 2,
                "end_time": began.timestamp() + 9,
                # The timeline asks by it: else all of them would be runs of today.
                "update_timestamp": began.replace(tzinfo=None) + timedelta(seconds=9),
            }
            for mic in mics if day.weekday() <= FRIDAY else ():
                for job in ("register_landing_files", "load_quotes"):
                    run = _run(job, mic, day, failed=rng.random() < 1 / 200)
                    values = storage._get_run_insertion_values(run, began)
                    connection.execute(RunsTable.insert().values(**values, **times))
                    tags = run.tags_for_storage().items()
                    rows = [{"run_id": run.run_id, "key": key, "value": value} for key, value in tags]
                    connection.execute(RunTagsTable.insert(), rows)


def _run(job: str, mic: str, day: date, *, failed: bool) -> dg.DagsterRun:
    return dg.DagsterRun(
        job_name=job,
        status=dg.DagsterRunStatus.FAILURE if failed else dg.DagsterRunStatus.SUCCESS,
        tags={
            "dagster/sensor_name": "landing_sensor",
            "lim/exchange": mic,
            "lim/ask": f"{job}:{mic}:{day}",
            "dagster/asset_partition_range_start": f"{day}|{mic}",
            "dagster/asset_partition_range_end": f"{day}|{mic}",
        },
    )


def record_ticks(instance: dg.DagsterInstance) -> None:
    """Record the ticks of all sensors and schedules that are kept, in one transaction each."""
    repository, storage, now = defs.get_repository_def(), instance.schedule_storage, time.time()
    sensors = [
        (one.name, InstigatorType.SENSOR, one.minimum_interval_seconds or 30)
        for one in repository.sensor_defs
    ]
    schedules = [(one.name, InstigatorType.SCHEDULE, DAY) for one in repository.schedule_defs]
    for name, kind, seconds in [*sensors, *schedules]:
        with storage.connect() as connection:
            connection.execute(JobTickTable.insert(), list(_ticks(name, kind, seconds, now)))


def _ticks(name: str, kind: InstigatorType, seconds: int, now: float) -> Iterator[dict[str, Any]]:
    selector = InstigatorSelector(
        location_name=LOCATION, repository_name=SINGLETON_REPOSITORY_NAME, name=name
    ).get_id()
    for number in range(1, int(KEPT[kind].total_seconds() // seconds)):
        began, asked = now - number * seconds, number % ASKED == 0
        tick = TickData(
            instigator_origin_id=selector,
            instigator_name=name,
            instigator_type=kind,
            status=TickStatus.SUCCESS if asked else TickStatus.SKIPPED,
            timestamp=began,
            end_timestamp=began + 0.4,
            run_ids=[dg.DagsterRun(job_name="load_quotes").run_id] if asked else [],
            skip_reason=None if asked else "240 files in the landing folder, nothing new",
            selector_id=selector,
        )
        yield {
            "job_origin_id": selector,
            "selector_id": selector,
            "status": tick.status.value,
            "type": kind.value,
            "timestamp": datetime.fromtimestamp(began, UTC).replace(tzinfo=None),
            "tick_body": serialize_value(tick),
        }


def record_backfill(
    instance: dg.DagsterInstance, months: Sequence[Month], mics: Sequence[str], assets: Sequence[str]
) -> None:
    """Record a backfill of the last twelve months of all exchanges."""
    days = [day for _, first, last in months[-12:] for day in pl.date_range(first, last, eager=True)]
    with dg.partition_loading_context(dynamic_partitions_store=instance):
        wanted = PartitionBackfill.from_asset_partitions(
            backfill_id=BACKFILL,
            asset_graph=defs.resolve_asset_graph(),
            partition_names=[f"{day}|{mic}" for day in days for mic in mics],
            asset_selection=[dg.AssetKey(name) for name in assets],
            backfill_timestamp=time.time(),
            tags={},
            dynamic_partitions_store=instance,
            all_partitions=False,
            title=None,
            description=None,
            run_config=None,
        )
    instance.add_backfill(wanted)
