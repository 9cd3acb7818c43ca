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
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from dagster import DagsterInstance, DagsterRunStatus, RunRecord
from month_compare import print_comparison
from month_events import EXCHANGES, FIRST, Arrival, Moment, moments, sessions_until
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
ENDING = threading.Event()
"""Set by SIGTERM: what has come to that moment is told and compared."""
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


def replay(on: Machine, instance: DagsterInstance, wanted: Sequence[Moment]) -> list[Moment]:
    """Let everything arrive, one moment after the other, and the daemon work it off.

    Returns
    -------
    list of Moment
        Those that were worked off: all, unless `ENDING` is set meanwhile.
    """
    told, done = ended(instance), list[Moment]()
    bar = tqdm(wanted, unit="moment", disable=None)
    for moment in bar:
        if ENDING.is_set():
            break
        began = time.monotonic()
        bar.set_description(moment.when.strftime(_SHOWN))
        for line in [_arrived(file) for file in moment.files] or [f"{moment.when:{_SHOWN}}  {moment.about}"]:
            tqdm.write(line, file=sys.stdout)
        # Where runs took longer than until the next moment, the clock does not go back.
        on.clock.set(max(moment.when, on.clock.now()) + SETTLES)
        for file in moment.files:
            file.lay_down(on.home / "landing")
        # From now on, not from the moment: a sensor may have looked before the files were there.
        rest(on, instance, on.clock.now(), told)
        done.append(moment)
        tqdm.write(
            f"{on.clock.now():{_SHOWN}}  at rest after {time.monotonic() - began:.0f} s", file=sys.stdout
        )
    return done


def end(*_: object) -> None:
    """Have the month end after the present moment; at the second signal at once, and the daemon with it."""
    if ENDING.is_set():
        sys.exit(1)
    ENDING.set()


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


def main() -> None:
    """Replay, tell, compare."""
    parser = argparse.ArgumentParser(description="Replay a month through the real daemon.")
    parser.add_argument("--sessions", type=int, default=23, help="how many of the month's 23 sessions")
    parser.add_argument("--exchanges", nargs="+", default=list(EXCHANGES), choices=EXCHANGES)
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, end)
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
                done = [first, *replay(on, instance, month)]
                # What became stale of earlier cutoffs is people's; this is their one action.
                on.materialize("redo")
                rest(on, instance, on.clock.now(), ended(instance))
            print_summary(instance, own.lake(), done)
    came = sessions_until(done[-1])
    print(f"\n{len(came)} sessions in {time.monotonic() - began:.0f} s")
    same = print_comparison(own, chosen.exchanges, max(came, default=FIRST - timedelta(days=1)))
    print(f"\n{time.monotonic() - began:.0f} s with the comparison")
    # As `make demo`: libraries print pages while the interpreter is taken apart; all is written.
    sys.stdout.flush()
    os._exit(0 if same else 1)


if __name__ == "__main__":
    main()
