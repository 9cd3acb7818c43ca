"""What must be true of a month in which processes were killed: nothing lost, nothing twice, nothing left.

What does not belong here: killing (`month_killer.py`), the comparison of lakes (`month.py`).

Each check yields a line for everything that is wrong; none means that it holds.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from dagster import (
    AssetCheckKey,
    AssetKey,
    AssetRecordsFilter,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    RunRecord,
    RunsFilter,
    partition_loading_context,
)
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as Status

from assets.audits_models import NAME
from assets.failed import FIRST, PARTITION, partitions_of
from assets.partitions import cutoffs, exchange_dates
from assets.requests import EXCHANGE, IN_PROGRESS, TAG
from lim_pipelines.lake import Lake
from lim_pipelines.landing.register import register
from lim_pipelines.landing.survey import PRESENT
from lim_pipelines.places import Places
from lim_pipelines.schemas import ALIGNED_BARS, LANDING_FILES, RAW_QUOTES, RESAMPLED_BARS, VALIDATED_BARS

TABLES = (RAW_QUOTES, ALIGNED_BARS, VALIDATED_BARS, RESAMPLED_BARS)
SCHEDULE = "dagster/schedule_name"


def open_asks(instance: DagsterInstance) -> dict[str, RunRecord]:
    """Return what was asked for and is not done, with its newest run.

    Who asks does not always ask for the same again: a load that failed is asked for together with what is
    new, a training without what it had made before it died. So an ask is also done when every one of its
    partitions was made after it was asked for. What the sentinel has told of is left to people; what a
    schedule asks for without remembering it, the weekly reports, comes at its next tick.
    """
    told = told_of(instance)
    tries: dict[str, list[RunRecord]] = defaultdict(list)
    for record in instance.get_run_records():
        tags = record.dagster_run.tags
        if TAG in tags or SCHEDULE not in tags:
            tries[tags.get(TAG, record.dagster_run.run_id)].append(record)
    return {
        ask: newest
        for ask, (newest, *older) in tries.items()
        if newest.dagster_run.status != DagsterRunStatus.SUCCESS
        and told.isdisjoint(record.dagster_run.run_id for record in (newest, *older))
        and not _made(instance, newest.dagster_run, [newest, *older][-1].create_timestamp.timestamp())
    }


def told_of(instance: DagsterInstance) -> set[str]:
    """Return the runs of whose failed partitions the sentinel has told, and still would."""
    cursors = [
        getattr(state.instigator_data, "cursor", None)
        for state in instance.all_instigator_state()
        if state.instigator_name == "sentinel"
    ]
    causes = [cause for cursor in cursors for cause in json.loads(cursor or "[]")]
    return {cause.split(":")[1] for cause in causes if cause.startswith("failed:")}


def _made(instance: DagsterInstance, run: DagsterRun, since: float) -> bool:
    """Whether everything that a run was to make was made since a moment."""
    names = [*_keys(instance, run)] or [None]
    return bool(run.asset_selection) and all(
        instance.fetch_materializations(
            AssetRecordsFilter(key, asset_partitions=name and [name], after_timestamp=since), limit=1
        ).records
        for key in run.asset_selection or ()
        for name in names
    )


def _keys(instance: DagsterInstance, run: DagsterRun) -> list[str]:
    """Return the partitions that a run was for, those within its range, too."""
    kind = exchange_dates if "|" in run.tags.get(FIRST, run.tags.get(PARTITION, "")) else cutoffs
    with partition_loading_context(dynamic_partitions_store=instance):
        return partitions_of(kind, run)


def left_open(instance: DagsterInstance) -> Iterator[str]:
    """Find asks that no run has brought to an end, and runs that still wait or work."""
    for ask, record in open_asks(instance).items():
        yield f"{ask} is {record.dagster_run.status.value.lower()}"
    for run in instance.get_runs(RunsFilter(statuses=IN_PROGRESS)):
        yield f"run {run.run_id} of {run.job_name} is still {run.status.value.lower()}"


def done_twice(instance: DagsterInstance) -> Iterator[str]:
    """Find asks of which two runs have succeeded."""
    runs: dict[str, list[str]] = defaultdict(list)
    for run in instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.SUCCESS])):
        if TAG in run.tags:
            runs[run.tags[TAG]].append(run.run_id)
    for ask, ids in runs.items():
        if len(ids) > 1:
            yield f"{ask} was done {len(ids)} times: {', '.join(ids)}"


def at_the_same_time(instance: DagsterInstance) -> Iterator[str]:
    """Find loads of one exchange of which one began before the other had ended."""
    loads: dict[str, list[RunRecord]] = defaultdict(list)
    for record in instance.get_run_records():
        if EXCHANGE in record.dagster_run.tags and record.start_time:
            loads[record.dagster_run.tags[EXCHANGE]].append(record)
    for exchange, records in loads.items():
        ordered = sorted(records, key=lambda record: record.start_time or 0.0)
        for one, other in pairwise(ordered):
            if (other.start_time or 0.0) < (one.end_time or 0.0):
                yield f"{exchange}: {other.dagster_run.run_id} began while {one.dagster_run.run_id} worked"


def left_failed(instance: DagsterInstance) -> Iterator[str]:
    """Find partitions whose last run failed: of bars, models and targets."""
    made: dict[AssetKey, set[str]] = defaultdict(set)
    for run in instance.get_runs(RunsFilter()):
        for key in run.asset_selection or ():
            made[key].update(_keys(instance, run))
    with partition_loading_context(dynamic_partitions_store=instance):
        for key, names in made.items():
            kind = exchange_dates if any("|" in name for name in names) else cutoffs
            statuses = instance.get_status_by_partition(key, sorted(names), kind) if names else None
            for name, status in (statuses or {}).items():
                if status is not None and status.name in ("FAILED", "IN_PROGRESS"):
                    yield f"{key.to_user_string()} {name} is {status.name.lower()}"


def unchecked(instance: DagsterInstance) -> Iterator[str]:
    """Find checks `no_look_ahead` whose newest evaluation came to no verdict."""
    for key in {key for run in instance.get_runs(RunsFilter()) for key in run.asset_selection or ()}:
        check = AssetCheckKey(key, NAME)
        for record in instance.event_log_storage.get_asset_check_execution_history(check, limit=1):
            if record.status is Status.PLANNED:
                yield f"{check.to_user_string()} was never answered in run {record.run_id}"


def slots_held(instance: DagsterInstance) -> Iterator[str]:
    """Find places in pools that somebody holds or waits for."""
    for pool in instance.event_log_storage.get_concurrency_keys():
        found = instance.event_log_storage.get_concurrency_info(pool)
        if found.claimed_slots or found.pending_steps:
            yield f"pool {pool}: held by {found.active_run_ids}, waited for by {found.pending_run_ids}"


def ticks_open(instance: DagsterInstance) -> Iterator[str]:
    """Find ticks that began and were left, other than the newest."""
    for state in instance.all_instigator_state():
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id)
        for tick in ticks[1:]:
            if tick.status.value == "STARTED":
                yield f"{state.instigator_name}: the tick of {tick.timestamp} was never ended"


def ledger_differs(own: Places) -> Iterator[str]:
    """Find files of which the ledger says something else than one that reads the folder once, at the end."""
    held = []
    with TemporaryDirectory() as folder:
        once = Lake(Path(folder) / "lake")
        register(once, own.landing)
        for lake in (own.lake(), once):
            files = lake.revisions(LANDING_FILES).filter(pl.col("state") == PRESENT).collect()
            held.append(
                set(files.select("path", "sha256", "exchange", "rows", "rows_rejected", "rule").rows())
            )
    for row in sorted(held[0] ^ held[1], key=str):
        yield f"{row[0]}: {'in the ledger' if row in held[0] else 'read once'} only: {row[1:]}"


def revised_for_nothing(lake: Lake) -> Iterator[str]:
    """Find rows with two revisions, one after the other, that say the same."""
    for table in TABLES:
        rows = lake.revisions(table).collect()
        key = [name for name in table.row_key if name != "known_at"]
        said = [name for name in rows.columns if name not in (*key, "known_at", "superseded_at")]
        ordered = rows.sort([*key, "known_at"]).with_columns(said=pl.struct(said))
        same = pl.col("said") == pl.col("said").shift(1).over(key)
        for row in ordered.filter(same.fill_null(False)).select(*key, "known_at").head(20).iter_rows():
            yield f"{table.name}: {row} says what the revision before says"
