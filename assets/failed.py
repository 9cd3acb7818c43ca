"""Failed runs of the week, and the partitions that are failed since.

What does not belong here: what follows from it (`sentinel.py`, `unrecorded.py`).
"""

import time
from collections.abc import Sequence
from datetime import timedelta

import dagster as dg
from dagster import AssetKey, DagsterInstance, DagsterRunStatus, RunRecord, RunsFilter

MOST = 300
"""Newest runs of a kind that are looked at."""

PARTITION = "dagster/partition"
FIRST, LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
_WEEK = timedelta(days=7)


def failed_this_week(instance: DagsterInstance) -> Sequence[RunRecord]:
    """Return the runs that failed or were cancelled in the last seven days, the newest first."""
    ended = [DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
    records = instance.get_run_records(RunsFilter(statuses=ended), limit=MOST)
    return [record for record in records if since(record) < _WEEK]


def since(record: RunRecord) -> timedelta:
    """How long ago a run ended; by the machine's clock, as Dagster's records."""
    return timedelta(seconds=time.time() - (record.end_time or record.update_timestamp.timestamp()))


def partitions_of(definition: dg.PartitionsDefinition[str], run: dg.DagsterRun) -> list[str]:
    """Keys of the partitions that a run was for; none where those it names are gone."""
    if PARTITION in run.tags:
        return [run.tags[PARTITION]]
    if FIRST not in run.tags:
        return []
    try:
        return list(
            definition.get_partition_keys_in_range(dg.PartitionKeyRange(run.tags[FIRST], run.tags[LAST]))
        )
    except dg.DagsterInvalidInvocationError:
        return []


def still_failed(
    instance: DagsterInstance,
    key: AssetKey,
    wanted: Sequence[str],
    definition: dg.PartitionsDefinition[str] | None,
) -> list[str]:
    """Return those of some partitions of an asset whose last run failed."""
    if definition is None:
        return []
    statuses = instance.get_status_by_partition(key, wanted, definition) or {}
    return sorted(name for name, status in statuses.items() if status is not None and status.name == "FAILED")
