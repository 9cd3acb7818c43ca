"""Replay a month while run workers, daemon, code server and Postgres are killed: `scripts/month_faults.py`.

What does not belong here: the month (`month.py`), who kills (`month_killer.py`) and who starts again
(`month_supervised.py`), what must be true at the end (`month_checks.py`).

The settings are those of `deploy/dagster.yaml`, on a real Postgres. Faults are shared out to the moments at
which files arrive. After each moment the daemon is left alone until it rests; what has failed is asked for
again after its pause, which the clock skips.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter
from month import ENDING, MODELS, SETTLES, end, ended, prepare, rest
from month_checks import (
    at_the_same_time,
    done_twice,
    ledger_differs,
    left_failed,
    left_open,
    open_asks,
    revised_for_nothing,
    slots_held,
    ticks_open,
    told_of,
    unchecked,
)
from month_compare import print_comparison
from month_events import EXCHANGES, FIRST, Moment, moments, sessions_until
from month_killer import Killer, faults_of_steps
from month_machine import ROOT, Machine, listening, prepared
from month_supervised import Database, Service, Tool, supervised, workers
from month_told import print_summary
from tqdm import tqdm

from assets.requests import IN_PROGRESS, LONGEST_PAUSE, RETRY_AFTER, tries
from lim_pipelines.places import Places

Answer = TypeVar("Answer")
PRODUCTION = ROOT / "deploy" / "dagster.yaml"
PATIENCE_LAUNCHED, PATIENCE = 10.0, 40.0
"""Seconds without a run worker after which runs that were launched, and others, are waited for no longer."""
ROUNDS = 12
"""Pauses after failures that are waited for before the next files arrive; the longest is ten hours."""


def replay(
    on: Machine, instance: DagsterInstance, wanted: Sequence[Moment], killer: Killer, shares: Sequence[int]
) -> list[Moment]:
    """Let everything arrive, one moment after the other, while the killer strikes.

    Returns
    -------
    list of Moment
        Those that were worked off: all, unless `ENDING` is set meanwhile.
    """
    told, done = ended(instance), list[Moment]()
    bar = tqdm(list(zip(wanted, shares, strict=True)), unit="moment", disable=None)
    for moment, share in bar:
        if ENDING.is_set():
            break
        began = time.monotonic()
        # Pauses may have taken the clock past a moment; it never goes back.
        on.clock.set(max(moment.when, on.clock.now()) + SETTLES)
        for file in moment.files:
            file.lay_down(on.home / "landing")
        killer.let(share)
        settle(on, instance, on.clock.now(), told)
        done.append(moment)
        tqdm.write(
            f"{moment.when:%Y-%m-%d %H:%M}  = {len(moment.files)} files, {len(killer.faults)} faults so far,"
            f" {time.monotonic() - began:.0f} s",
            file=sys.stdout,
        )
    while killer.waits and not ENDING.is_set():
        # Somebody touches a file: the ledger looks at it again, and there is a run to strike.
        newest = max((on.home / "landing").rglob("*.csv"), key=lambda path: path.stat().st_mtime)
        now = on.clock.now()
        os.utime(newest, (now.timestamp(), now.timestamp()))
        on.clock.set(now + SETTLES)
        settle(on, instance, on.clock.now(), told)
    return done


def settle(on: Machine, instance: DagsterInstance, since: datetime, told: set[str]) -> None:
    """Wait until the daemon rests and nothing that was asked for is left undone.

    Raises
    ------
    month.RestlessError
        The daemon does not come to rest.
    """
    for _ in range(ROUNDS):
        insistently(partial(rest, on, instance, since, told))
        runs = insistently(partial(_runs_of_what_is_open, instance))
        if not runs:
            return
        on.clock.set(on.clock.now() + min(RETRY_AFTER * 2 ** (max(runs) - 1), LONGEST_PAUSE))
        since = on.clock.now()


def _runs_of_what_is_open(instance: DagsterInstance) -> list[int]:
    """How often what is not done, or not checked, was tried."""
    return [*(tries(instance, ask).runs for ask in open_asks(instance)), *(1 for _ in unchecked(instance))]


def insistently(ask: Callable[[], Answer]) -> Answer:
    """Ask Dagster's storage again while Postgres is away."""
    from dagster_postgres.utils import DagsterPostgresException
    from sqlalchemy.exc import DBAPIError

    while True:
        try:
            return ask()
        except (DBAPIError, DagsterPostgresException):
            time.sleep(0.5)


@contextmanager
def passing(on: Machine, instance: DagsterInstance) -> Iterator[None]:
    """While runs are in progress but no run worker is there, let the clock skip most of each minute.

    Such runs are dead, or wait for dead ones, and the run monitoring counts in minutes.
    """
    over = threading.Event()

    def work() -> None:
        since = time.monotonic()
        while not over.wait(1):
            statuses = insistently(partial(_statuses, instance))
            if not statuses or workers(on.home):
                since = time.monotonic()
                continue
            launched = statuses & {DagsterRunStatus.STARTING, DagsterRunStatus.STARTED}
            if time.monotonic() - since > (PATIENCE_LAUNCHED if launched else PATIENCE):
                on.clock.pass_on()

    thread = threading.Thread(target=work, name="passing", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=30)


def _statuses(instance: DagsterInstance) -> set[DagsterRunStatus]:
    return {run.status for run in instance.get_runs(RunsFilter(statuses=IN_PROGRESS))}


@contextmanager
def faulty(home: Path, start: datetime) -> Iterator[tuple[Machine, list[Service]]]:
    """Make a home with daemon, code server and Postgres that are started again whenever they die."""
    os.environ |= {"DAGSTER_HOME": str(home / "dagster"), "DAGSTER_EVENT_BATCH_SIZE": "1000"}
    with tempfile.TemporaryDirectory(prefix="month") as near:
        on = prepared(home, start, Path(near) / "code", PRODUCTION)
        code = Tool(on, "code server", on.code_server)
        services: list[Service] = [Database(on), code, Tool(on, "daemon", on.daemon)]
        with supervised(on, services[:2]):
            if code.process is not None:
                listening(on.socket, code.process)
            with supervised(on, services[2:]):
                yield on, services


def print_checks(checks: dict[str, Iterable[str]]) -> bool:
    """Print each check and what is wrong by it; whether nothing is."""
    good = True
    print("\nat the end")
    for name, found in checks.items():
        wrong = list(found)
        good = good and not wrong
        print(f"  {name}: {'yes' if not wrong else 'NO'}")
        for line in wrong[:20]:
            print(f"    {line}")
    return good


def main() -> None:
    """Replay, kill, compare."""
    parser = argparse.ArgumentParser(description="Replay a month while processes are killed.")
    parser.add_argument("--faults", type=int, default=100, help="how many kills, in equal shares")
    parser.add_argument("--seed", type=int, default=7, help="of their order and moments")
    parser.add_argument("--sessions", type=int, default=23, help="how many of the month's 23 sessions")
    parser.add_argument("--exchanges", nargs="+", default=list(EXCHANGES), choices=EXCHANGES)
    chosen = parser.parse_args()
    # Dagster tells of every connection that is tried again; here they are expected.
    logging.getLogger().setLevel(logging.ERROR)
    signal.signal(signal.SIGTERM, end)
    began = time.monotonic()
    first, *month = moments(chosen.sessions, chosen.exchanges)
    own = Places.find(str(Places.find().root / "month_faults"))
    with faulty(own.root, first.when - timedelta(hours=1)) as (on, services):
        print(f"watch it: DAGSTER_HOME={own.root}/dagster dagster-webserver -w {on.workspace}", flush=True)
        killer = Killer(on, services, chosen.faults, chosen.seed)
        with DagsterInstance.get() as instance, passing(on, instance):
            prepare(on, instance, first)
            print(f"the history is in: {time.monotonic() - began:.0f} s\n", flush=True)
            on.switch_on(MODELS, ())
            month = [Moment(on.clock.now(), (), "the first models are trained"), *month]
            try:
                killer.start()
                done = replay(
                    on, instance, month, killer, faults_of_steps(chosen.faults, len(month), chosen.seed)
                )
            finally:
                killer.stop()
                killer.print_summary()
            # What became stale of earlier cutoffs is people's; this is their one action.
            on.materialize("redo")
            settle(on, instance, on.clock.now(), ended(instance))
            print_summary(instance, own.lake(), [first, *done])
            print(f"\nleft to people, told by the sentinel: {len(told_of(instance))} runs' partitions")
            good = print_checks(
                {
                    "everything asked for is done": left_open(instance),
                    "nothing asked for is done twice": done_twice(instance),
                    "no two loads of an exchange at once": at_the_same_time(instance),
                    "no partition is left failed": left_failed(instance),
                    "no result is left without the verdict of its check": unchecked(instance),
                    "no place in a pool is held": slots_held(instance),
                    "no tick is left open": ticks_open(instance),
                    "no revision without a change": revised_for_nothing(own.lake()),
                }
            )
    came = sessions_until(done[-1])
    print(f"\n{len(killer.faults)} faults in {len(came)} sessions, {time.monotonic() - began:.0f} s")
    good &= print_comparison(own, chosen.exchanges, max(came, default=FIRST - timedelta(days=1)))
    good &= print_checks({"the ledger is that of one reading": ledger_differs(own)})
    print(f"\n{time.monotonic() - began:.0f} s with the comparison")
    # As `make demo`: libraries print pages while the interpreter is taken apart; all is written.
    sys.stdout.flush()
    os._exit(0 if good and len(killer.faults) == chosen.faults else 1)


if __name__ == "__main__":
    main()
