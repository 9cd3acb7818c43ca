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
from itertools import groupby
from pathlib import Path
from typing import TypeVar

from dagster import DagsterInstance, RunsFilter
from month import SCHEDULES, SENSORS, SETTLES, print_differences, print_runs, rest, undisturbed
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
)
from month_events import EXCHANGES, Arrival, arrivals, days
from month_killer import Killer, faults_of_steps
from month_machine import ROOT, Machine, listening, prepared
from month_supervised import Database, Service, Tool, supervised, workers
from tqdm import tqdm

from assets.requests import IN_PROGRESS, LONGEST_PAUSE, RETRY_AFTER, tries
from lim_pipelines.landing.register import register
from lim_pipelines.places import Places

Answer = TypeVar("Answer")
PRODUCTION = ROOT / "deploy" / "dagster.yaml"
ROUNDS = 12
"""Pauses after failures that are waited for before the next files arrive; the longest is ten hours."""


def replay(
    on: Machine, instance: DagsterInstance, wanted: Sequence[Arrival], killer: Killer, shares: Sequence[int]
) -> None:
    """Let everything arrive, one moment after the other, while the killer strikes."""
    steps = [(moment, list(files)) for moment, files in groupby(wanted, lambda arrival: arrival.moment)]
    told: set[str] = set()
    bar = tqdm(list(zip(steps, shares, strict=True)), unit="step", disable=None)
    for (moment, files), share in bar:
        began = time.monotonic()
        # Pauses may have taken the clock past a moment; it never goes back.
        on.clock.set(max(moment, on.clock.now()) + SETTLES)
        for file in files:
            file.lay_down(on.home / "landing")
        killer.let(share)
        settle(on, instance, on.clock.now(), told)
        tqdm.write(
            f"{moment:%Y-%m-%d %H:%M}  = {len(files)} files, {len(killer.faults)} faults so far,"
            f" {time.monotonic() - began:.0f} s",
            file=sys.stdout,
        )


def settle(on: Machine, instance: DagsterInstance, since: datetime, told: set[str]) -> None:
    """Wait until the daemon rests and nothing that was asked for is left undone.

    Raises
    ------
    month.RestlessError
        The daemon does not come to rest.
    """
    for _ in range(ROUNDS):
        insistently(partial(rest, on, instance, since, told))
        runs = insistently(partial(_runs_of_open_asks, instance))
        if not runs:
            return
        on.clock.set(on.clock.now() + min(RETRY_AFTER * 2 ** (max(runs) - 1), LONGEST_PAUSE))
        since = on.clock.now()


def _runs_of_open_asks(instance: DagsterInstance) -> list[int]:
    return [tries(instance, ask).runs for ask in open_asks(instance)]


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

    Such runs wait for the queue, or are dead and wait for the run monitoring, which counts in minutes.
    """
    over = threading.Event()

    def work() -> None:
        idle = 0
        while not over.wait(1):
            waits = insistently(lambda: instance.get_runs(RunsFilter(statuses=IN_PROGRESS), limit=1))
            idle = idle + 1 if waits and not workers(on.home) else 0
            # A worker is there a second or two after the queue has let its run go.
            if idle >= 8:
                on.clock.pass_on()

    thread = threading.Thread(target=work, name="passing", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=30)


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
            on.switch_on(SENSORS, SCHEDULES)
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
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    began = time.monotonic()
    wanted = arrivals(chosen.sessions, chosen.exchanges)
    moments = len({arrival.moment for arrival in wanted})
    first, *_, last = days(chosen.sessions)
    home = Places.find().root / "month_faults"
    with faulty(home, wanted[0].moment - timedelta(hours=1)) as (on, services):
        print(f"watch it: DAGSTER_HOME={home}/dagster dagster-webserver -w {on.workspace}", flush=True)
        killer = Killer(on, services, chosen.faults, chosen.seed)
        with DagsterInstance.get() as instance, passing(on, instance):
            try:
                killer.start()
                replay(on, instance, wanted, killer, faults_of_steps(chosen.faults, moments, chosen.seed))
            finally:
                killer.stop()
                killer.print_summary()
            print_runs(instance)
            lake = Places.find(str(home)).lake()
            good = print_checks(
                {
                    "everything asked for is done": left_open(instance),
                    "nothing asked for is done twice": done_twice(instance),
                    "no two loads of an exchange at once": at_the_same_time(instance),
                    "no partition is left failed": left_failed(instance),
                    "no place in a pool is held": slots_held(instance),
                    "no tick is left open": ticks_open(instance),
                    "no revision without a change": revised_for_nothing(lake),
                }
            )
    beside = undisturbed(home, chosen.exchanges, first, last)
    register(beside, home / "landing")
    good = print_checks({"the ledger is that of an undisturbed home": ledger_differs(lake, beside)}) and good
    good = print_differences(lake, beside, first, last) and good
    print(f"\n{len(killer.faults)} faults in {chosen.sessions} sessions, {time.monotonic() - began:.0f} s")
    # As `make demo`: libraries print pages while the interpreter is taken apart; all is written.
    sys.stdout.flush()
    os._exit(0 if good and len(killer.faults) == chosen.faults else 1)


if __name__ == "__main__":
    main()
