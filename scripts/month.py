"""Replay a month in which files come late, twice, wrong or never, through the real daemon: `make month`.

What does not belong here: the processes under another time (`month_machine.py`), what arrives
(`month_events.py`).

Each step: files arrive, the clock moves there, and the daemon is left alone until it rests: no run waits or
works, every sensor has looked since, and the schedules have ticked. At the end the lake must hold what one
undisturbed import of the last files gives; only when a row was known may differ.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path

import polars as pl
from dagster import DagsterInstance, DagsterRunStatus, RunRecord
from demo import QUOTES, Stage, run_stage
from month_events import EXCHANGES, Arrival, arrivals, days
from month_machine import Machine, kept, machine
from tqdm import tqdm

from assets.partitions import exchanges as partitions
from assets.requests import CAUSE, IN_PROGRESS, TAG
from lim_pipelines.exchanges.closes import tick_before
from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.places import Places
from lim_pipelines.schemas import ALIGNED_BARS, RAW_QUOTES, RESAMPLED_BARS, VALIDATED_BARS

LOOKING = ("landing_sensor", "inputs_sensor", "releases_sensor", "results_sensor")
"""Sensors that must have looked before the next day begins."""
SENSORS = (*LOOKING, "retraining_sensor", "sentinel")
ZONE, CLOSE = "America/New_York", "close_america_new_york"
SCHEDULES = (CLOSE, "trailing_backfill")
TABLES = (RAW_QUOTES, ALIGNED_BARS, VALIDATED_BARS, RESAMPLED_BARS)
LONGEST = timedelta(minutes=15)
"""Real time within which the daemon must come to rest after a step."""
SETTLES = timedelta(seconds=10)
"""A file younger than 5 s is left alone by the landing sensor."""
FIRST, LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
_SHOWN = "%Y-%m-%d %H:%M"


class RestlessError(RuntimeError):
    """The daemon does not come to rest."""


def replay(on: Machine, instance: DagsterInstance, wanted: Sequence[Arrival]) -> None:
    """Let everything arrive, one moment after the other, and the daemon work it off."""
    steps = [(moment, list(files)) for moment, files in groupby(wanted, lambda arrival: arrival.moment)]
    told: set[str] = set()
    bar = tqdm(steps, unit="step", disable=None)
    for moment, files in bar:
        bar.set_description(moment.strftime(_SHOWN))
        for line in [_arrived(file) for file in files]:
            tqdm.write(line, file=sys.stdout)
        on.clock.set(moment + SETTLES)
        for file in files:
            file.lay_down(on.home / "landing")
        rest(on, instance, moment + SETTLES, told)


def rest(on: Machine, instance: DagsterInstance, since: datetime, told: set[str]) -> None:
    """Wait until the daemon has nothing to do; tell of each run that ends.

    Parameters
    ----------
    on
        The machine whose daemon works.
    instance
        Its Dagster instance.
    since
        Moment that sensors must have looked after, UTC.
    told
        Ids of the runs that were told of; grows.

    Raises
    ------
    RestlessError
        It still works after `LONGEST`.
    """
    end = time.monotonic() + LONGEST.total_seconds()
    while time.monotonic() < end:
        records = instance.get_run_records()
        for record in reversed(records):
            if record.dagster_run.is_finished and record.dagster_run.run_id not in told:
                told.add(record.dagster_run.run_id)
                tqdm.write(_ran(record), file=sys.stdout)
        working = any(record.dagster_run.status in IN_PROGRESS for record in records)
        latest = max([since.timestamp(), *(record.end_time or 0.0 for record in records)])
        if not working:
            if _looked(instance, latest) and _ticked(instance, on.clock.now()):
                return
            # Not while runs work: what is too slow to start is given up after minutes of this clock.
            on.clock.pass_on()
        time.sleep(0.25)
    raise RestlessError(f"the daemon still works {LONGEST} after {since}; see the logs in {on.home}")


def _looked(instance: DagsterInstance, since: float) -> bool:
    """Whether each sensor has looked since, and had nothing to ask for."""
    for state in instance.all_instigator_state():
        if state.instigator_name in LOOKING:
            ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
            if not ticks or ticks[0].timestamp <= since or not ticks[0].is_completed or ticks[0].run_ids:
                return False
    return True


def _ticked(instance: DagsterInstance, now: datetime) -> bool:
    """Whether the schedule of closes has had its newest tick."""
    due = tick_before(ZONE, now).timestamp()
    for state in instance.all_instigator_state():
        if state.instigator_name == CLOSE:
            ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
            started = getattr(state.instigator_data, "start_timestamp", None) or 0.0
            if started < due and (not ticks or ticks[0].timestamp < due or not ticks[0].is_completed):
                return False
    return True


def _arrived(file: Arrival) -> str:
    return f"{file.moment:{_SHOWN}}  + {file.path}" + (f"  ({file.about})" if file.about else "")


def _ran(record: RunRecord) -> str:
    run, seconds = record.dagster_run, (record.end_time or 0.0) - (record.start_time or 0.0)
    ended = datetime.fromtimestamp(record.end_time or 0.0, UTC)
    status = "" if run.status == DagsterRunStatus.SUCCESS else f" {run.status.value}"
    return f"{ended:{_SHOWN}}    {run.job_name}{status} {_range(record)} {seconds:.0f} s: {_cause(record)}"


def _range(record: RunRecord) -> str:
    tags = record.dagster_run.tags
    return f"{tags[FIRST]}..{tags[LAST]}" if FIRST in tags else tags.get("dagster/partition", "")


def _cause(record: RunRecord) -> str:
    tags = record.dagster_run.tags
    by = tags.get("dagster/sensor_name") or tags.get("dagster/schedule_name", "people")
    return f"{by}, {tags.get(CAUSE) or tags.get(TAG, 'no cause tag')}"


def print_runs(instance: DagsterInstance) -> None:
    """Print how many runs there were of each job and cause, and what did not succeed."""
    records = instance.get_run_records()
    count = Counter(
        (record.dagster_run.job_name, _cause(record).split(",")[0], record.dagster_run.status.value)
        for record in records
    )
    print("\nruns")
    for (job, by, status), number in sorted(count.items()):
        print(f"  {number:4} {job:24} {by:24} {status}")


def print_skips(instance: DagsterInstance) -> None:
    """Print the reasons for which nothing was run, and how often each was given."""
    print("\nwhy nothing ran")
    for state in sorted(instance.all_instigator_state(), key=lambda state: state.instigator_name):
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id)
        reasons = Counter(tick.skip_reason for tick in ticks if tick.skip_reason)
        wrong = Counter(tick.error.message.strip() for tick in ticks if tick.error)
        print(f"  {state.instigator_name}: {len(ticks)} ticks")
        for reason, number in (reasons + wrong).most_common(6):
            print(f"    {number:4} x {reason}")


def undisturbed(home: Path, mics: Sequence[str], first: date, last: date) -> Lake:
    """Import the last files of a home at once, in this process, into a home beside it."""
    beside = home.with_name(f"{home.name}_undisturbed")
    shutil.rmtree(beside, ignore_errors=True)
    shutil.copytree(home / "landing", beside / "landing")
    os.environ["LIM_HOME"] = str(beside)
    with DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(partitions.name or "", sorted(mics))
        run_stage(instance, Stage("import", QUOTES, f"{first}|{min(mics)}", f"{last}|{max(mics)}"))
    return Places.find(str(beside)).lake()


def differences(one: Lake, other: Lake, first: date, last: date) -> Iterator[tuple[str, int, int]]:
    """Compare what two lakes hold of the month, whenever it was known.

    Yields
    ------
    tuple
        Name of the table, rows in the first lake, rows that are in one of the two only.
    """
    for table in TABLES:
        held = []
        for lake in (one, other):
            rows = lake.read(table, as_of=LATEST, where=pl.col("date").is_between(first, last))
            held.append(rows.drop("known_at").collect())
        own, there = held
        apart = own.join(there, on=own.columns, how="anti", nulls_equal=True).height
        apart += there.join(own, on=own.columns, how="anti", nulls_equal=True).height
        yield table.name, own.height, apart


def print_differences(one: Lake, other: Lake, first: date, last: date) -> bool:
    """Print the comparison; whether nothing differs."""
    print("\nthe lake, and one undisturbed import of the last files")
    same = True
    for name, rows, apart in differences(one, other, first, last):
        print(f"  {name:16} {rows:7} rows, {apart} differ")
        same = same and rows > 0 and not apart
    return same


def main() -> None:
    """Replay, tell, compare."""
    parser = argparse.ArgumentParser(description="Replay a month through the real daemon.")
    parser.add_argument("--sessions", type=int, default=23, help="how many of the month's 23 sessions")
    parser.add_argument("--exchanges", nargs="+", default=list(EXCHANGES), choices=EXCHANGES)
    chosen = parser.parse_args()
    # Whoever stops the script stops its daemon.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    began = time.monotonic()
    wanted = arrivals(chosen.sessions, chosen.exchanges)
    first, *_, last = days(chosen.sessions)
    home = Places.find().root / "month"
    with machine(home, wanted[0].moment - timedelta(hours=1)) as on:
        os.environ["DAGSTER_HOME"] = str(home / "dagster")
        on.switch_on(SENSORS, SCHEDULES)
        print(f"watch it: DAGSTER_HOME={home}/dagster dagster-webserver -w {on.workspace}")
        with DagsterInstance.get() as instance:
            with kept(on, *on.daemon):
                replay(on, instance, wanted)
            print_runs(instance)
            print_skips(instance)
    same = print_differences(
        Places.find(str(home)).lake(), undisturbed(home, chosen.exchanges, first, last), first, last
    )
    print(f"\n{chosen.sessions} sessions in {time.monotonic() - began:.0f} s")
    # As `make demo`: libraries print pages while the interpreter is taken apart; all is written.
    sys.stdout.flush()
    os._exit(0 if same else 1)


if __name__ == "__main__":
    main()
