"""The end of a replayed month in words: what arrived, ran, was never loaded, was trained, and why.

What does not belong here: the replay (`month.py`), what it must come to (`month_compare.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import polars as pl
from dagster import DagsterInstance, DagsterRunStatus, RunRecord
from month_events import Moment

from assets.gate_checks import held_partitions
from assets.requests import CAUSE, TAG
from lim_pipelines.foundation.config import FOUNDATIONS
from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.schemas import GATE_RESULTS, LANDING_FILES, VALIDATED_BARS

FIRST, LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
MOST = 6
"""Reasons that are printed of each sensor and schedule."""


def range_of(record: RunRecord) -> str:
    """Partitions of a run, in short; empty if it has none."""
    tags = record.dagster_run.tags
    first, last = tags.get(FIRST, tags.get("dagster/partition", "")), tags.get(LAST, "")
    return f"{first}..{last}" if last not in ("", first) else first


def cause_of(record: RunRecord) -> tuple[str, str]:
    """Who asked for a run, and why."""
    tags = record.dagster_run.tags
    by = tags.get("dagster/sensor_name") or tags.get("dagster/schedule_name", "people")
    return by, tags.get(CAUSE) or tags.get(TAG, "by the calendar" if "dagster/schedule_name" in tags else "")


def print_summary(instance: DagsterInstance, lake: Lake, month: Sequence[Moment]) -> None:
    """Print what happened in the month."""
    files = [file for moment in month for file in moment.files]
    odd = Counter(file.about for file in files if file.about)
    print(f"\n{len(files)} files arrived; odd were")
    for about, number in sorted(odd.items()):
        print(f"  {number:4} {about}")
    print("\nloaded")
    bars = lake.read(VALIDATED_BARS, as_of=LATEST, where=pl.col("freq") == "1d").collect()
    for mic, held in bars.group_by("exchange", maintain_order=True):
        print(f"  {mic[0]}: {held['date'].n_unique()} sessions, the newest of {held['date'].max()}")
    _print_runs(instance)
    _print_trainings(instance)
    _print_not_loaded(lake)
    _print_skips(instance)


def _print_runs(instance: DagsterInstance) -> None:
    count = Counter(
        (record.dagster_run.job_name, cause_of(record)[0], record.dagster_run.status.value)
        for record in instance.get_run_records()
    )
    print("\nruns")
    for (job, by, status), number in sorted(count.items()):
        print(f"  {number:4} {job:24} {by:24} {status}")


def _print_trainings(instance: DagsterInstance) -> None:
    print("\ntrainings")
    for record in reversed(instance.get_run_records()):
        made = {key.to_user_string() for key in record.dagster_run.asset_selection or ()}
        trained = sorted(name for name in made if name in FOUNDATIONS or name.endswith("_model"))
        if trained:
            by, why = cause_of(record)
            ended = "" if record.dagster_run.status == DagsterRunStatus.SUCCESS else " FAILED"
            print(
                f"  {record.create_timestamp:%Y-%m-%d %H:%M} {', '.join(trained)} {range_of(record)}{ended}"
            )
            print(f"    {by}: {why}")


def _print_not_loaded(lake: Lake) -> None:
    print("\nnever loaded")
    ledger = lake.read(LANDING_FILES, as_of=LATEST, where=pl.col("rule") != "").collect()
    for path, rule, reason in ledger.select("path", "rule", "reason").unique().sort("path").iter_rows():
        print(f"  {path}: {rule}: {reason}")
    for row in held_partitions(lake.read(GATE_RESULTS, as_of=LATEST).collect()).iter_rows(named=True):
        print(f"  {row['exchange']} {row['date']}: {row['rule']}: {row['why']}")


def _print_skips(instance: DagsterInstance) -> None:
    """Print the reasons for which nothing was run, and how often each was given."""
    print("\nwhy nothing ran")
    for state in sorted(instance.all_instigator_state(), key=lambda state: state.instigator_name):
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id)
        reasons = Counter(tick.skip_reason for tick in ticks if tick.skip_reason)
        wrong = Counter(tick.error.message.strip() for tick in ticks if tick.error)
        print(f"  {state.instigator_name}: {len(ticks)} ticks")
        for reason, number in (reasons + wrong).most_common(MOST):
            print(f"    {number:4} x {reason}")
