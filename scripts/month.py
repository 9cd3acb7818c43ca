"""Replay a month in which files come late, twice, wrong or never, through the real daemon: `make month`.

What does not belong here: the processes under another time (`month_machine.py`), what arrives
(`month_events.py`), what it must come to (`month_compare.py`), the summary (`month_told.py`).

Each moment: files arrive, the clock moves there, and the daemon is left alone until it rests: no run waits or
works, every sensor has looked since, and the schedules have ticked.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta

from dagster import DagsterInstance, DagsterRunStatus, RunRecord
from month_compare import (
    TOLERANCE,
    differences,
    made_again,
    models_apart,
    results_apart,
    undisturbed,
)
from month_events import EXCHANGES, Arrival, Moment, days, moments
from month_machine import Machine, kept, machine
from month_told import cause_of, print_summary, range_of
from tqdm import tqdm

from assets.requests import IN_PROGRESS
from lim_pipelines.exchanges.closes import tick_before
from lim_pipelines.places import Places
from lim_pipelines.retraining.settings import FILE

LOOKING = ("landing_sensor", "inputs_sensor", "releases_sensor")
"""Sensors that bring data and must have looked before the next moment; they are on from the start."""
MODELS = ("retraining_sensor", "results_sensor", "redo_sensor")
"""Likewise; switched on when the history is in: a training on half of it would only be made again."""
SENSORS = (*LOOKING, "sentinel")
ZONE, CLOSE = "America/New_York", "close_america_new_york"
WEEKLY = {"weekly_validation": timedelta(hours=2), "trailing_backfill": timedelta(hours=3)}
"""Schedules that tick on Saturdays, and when, UTC."""
SATURDAY = 5
SETTINGS = """\
retraining:
  new_sessions: 21     # November has as many: trained for its sessions; December 19: by the calendar
  calendar_sessions: 5
  budget_hours_a_week: 2
"""
"""`automation.yaml` of the month."""
MACRO = ("raw_macro", "aligned_macro", "validated_macro")
"""What the WTI strategy reads beside bars; loaded once, known when it was published."""
LONGEST = timedelta(minutes=15)
"""Real time within which a run must end, or the daemon come to rest."""
NEWEST = 60
"""Runs that are looked at again and again: more than one moment ever causes."""
SETTLES = timedelta(seconds=10)
"""A file younger than 5 s is left alone by the landing sensor."""
_SHOWN = "%Y-%m-%d %H:%M"


class RestlessError(RuntimeError):
    """The daemon does not come to rest."""


def prepare(on: Machine, instance: DagsterInstance, first: Moment) -> None:
    """Have the history imported, as people do who begin; what trains is off until `MODELS` are on."""
    (on.home / FILE).write_text(SETTINGS)
    on.switch_on(SENSORS, (CLOSE, *WEEKLY))
    on.materialize(*MACRO)
    # Before the clock moves: a run that has not started yet would be taken for timed out.
    rest(on, instance, on.clock.now(), ended(instance))
    replay(on, instance, [first])


def replay(on: Machine, instance: DagsterInstance, wanted: Sequence[Moment]) -> None:
    """Let everything arrive, one moment after the other, and the daemon work it off."""
    told = ended(instance)
    bar = tqdm(wanted, unit="moment", disable=None)
    for moment in bar:
        bar.set_description(moment.when.strftime(_SHOWN))
        for line in [_arrived(file) for file in moment.files] or [f"{moment.when:{_SHOWN}}  {moment.about}"]:
            tqdm.write(line, file=sys.stdout)
        on.clock.set(moment.when + SETTLES)
        for file in moment.files:
            file.lay_down(on.home / "landing")
        rest(on, instance, moment.when + SETTLES, told)


def ended(instance: DagsterInstance) -> set[str]:
    """Return the ids of the runs that have ended."""
    records = instance.get_run_records()
    return {record.dagster_run.run_id for record in records if record.dagster_run.is_finished}


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
        It still works, and no run has ended for `LONGEST`.
    """
    end = time.monotonic() + LONGEST.total_seconds()
    while time.monotonic() < end:
        records = instance.get_run_records(limit=NEWEST)
        for record in reversed(records):
            if record.dagster_run.is_finished and record.dagster_run.run_id not in told:
                told.add(record.dagster_run.run_id)
                tqdm.write(_ran(record), file=sys.stdout)
                end = time.monotonic() + LONGEST.total_seconds()
        working = any(record.dagster_run.status in IN_PROGRESS for record in records)
        latest = max([since.timestamp(), *(record.end_time or 0.0 for record in records)])
        if not working:
            if _looked(instance, latest) and _ticked(instance, on.clock.now()):
                return
            # Not while runs work: what is too slow to start is given up after minutes of this clock.
            on.clock.pass_on()
        time.sleep(0.5)
    raise RestlessError(
        f"the daemon works, and no run has ended for {LONGEST}, after {since}; see the logs in {on.home}"
    )


def _looked(instance: DagsterInstance, since: float) -> bool:
    """Whether each sensor that is on has looked since, and had nothing to ask for."""
    for state in instance.all_instigator_state():
        if state.instigator_name in (*LOOKING, *MODELS):
            ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
            if not ticks or ticks[0].timestamp <= since or not ticks[0].is_completed or ticks[0].run_ids:
                return False
    return True


def _ticked(instance: DagsterInstance, now: datetime) -> bool:
    """Whether each schedule has had its newest tick."""
    due = {CLOSE: tick_before(ZONE, now).timestamp()}
    if now.weekday() == SATURDAY:
        due |= {
            name: (_midnight(now) + at).timestamp()
            for name, at in WEEKLY.items()
            if now >= _midnight(now) + at
        }
    for state in instance.all_instigator_state():
        if state.instigator_name in due:
            tick = due[state.instigator_name]
            ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
            started = getattr(state.instigator_data, "start_timestamp", None) or 0.0
            if started < tick and (not ticks or ticks[0].timestamp < tick or not ticks[0].is_completed):
                return False
    return True


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _arrived(file: Arrival) -> str:
    return f"{file.moment:{_SHOWN}}  + {file.path}" + (f"  ({file.about})" if file.about else "")


def _ran(record: RunRecord) -> str:
    run = record.dagster_run
    ended = datetime.fromtimestamp(record.end_time or 0.0, UTC)
    seconds = (
        f"{(record.end_time or 0.0) - record.start_time:.0f} s" if record.start_time else "never started"
    )
    status = "" if run.status == DagsterRunStatus.SUCCESS else f" {run.status.value}"
    by, why = cause_of(record)
    return f"{ended:{_SHOWN}}    {run.job_name}{status} {range_of(record)} {seconds}: {by}, {why}"


def print_comparison(own: Places, mics: Sequence[str], last: date) -> bool:
    """Print what the month came to up to its last session, and what it must; whether nothing differs."""
    print("\nthe lake, and one undisturbed import of the last files")
    rows = list(differences(own.lake(), undisturbed(own.root, mics, last), last))
    same = _told(rows) and all(count for _, count, _ in rows)
    again = made_again(own.root)
    print("\nresults, and those of models trained once, oldest cutoff first, on the same lake")
    same &= _told(results_apart(own.lake(), again.lake()))
    print("\nmodels, likewise: largest difference of a weight")
    for name, cutoff, apart in models_apart(own.models, again.models):
        print(f"  {name:28} {cutoff} {apart:.1g}")
        same &= apart <= TOLERANCE
    return same


def _told(found: Iterable[tuple[str, int, int]]) -> bool:
    same = True
    for name, rows, apart in found:
        print(f"  {name:16} {rows:7} rows, {apart} differ")
        same &= not apart
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
    first, *month = moments(chosen.sessions, chosen.exchanges)
    own = Places.find(str(Places.find().root / "month"))
    with machine(own.root, first.when - timedelta(hours=1)) as on:
        os.environ["DAGSTER_HOME"] = str(own.root / "dagster")
        print(f"watch it: DAGSTER_HOME={own.root}/dagster dagster-webserver -w {on.workspace}")
        with DagsterInstance.get() as instance:
            with kept(on, *on.daemon):
                prepare(on, instance, first)
                on.switch_on(MODELS, ())
                rest(on, instance, on.clock.now(), ended(instance))
                print(f"the history is in, the first models are trained: {time.monotonic() - began:.0f} s\n")
                replay(on, instance, month)
                # What became stale of earlier cutoffs is people's; this is their one action.
                on.materialize("redo")
                rest(on, instance, on.clock.now(), ended(instance))
            print_summary(instance, own.lake(), [first, *month])
    print(f"\n{chosen.sessions} sessions in {time.monotonic() - began:.0f} s")
    same = print_comparison(own, chosen.exchanges, days(chosen.sessions)[-1])
    print(f"\n{time.monotonic() - began:.0f} s with the comparison")
    # As `make demo`: libraries print pages while the interpreter is taken apart; all is written.
    sys.stdout.flush()
    os._exit(0 if same else 1)


if __name__ == "__main__":
    main()
