"""Kill -9 at random moments: which process of a replayed month dies next, and what it was doing.

What does not belong here: who starts it again (`month_supervised.py`), what must be true at the end
(`month_checks.py`).

A fault waits for a run, two in three for one that has started, and then for up to `LATEST` seconds, so that
runs are struck at every moment of theirs: queued, starting, in a step, at a commit. What ran is noted just
before.
"""

from __future__ import annotations

import csv
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields

import psutil
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter
from month_machine import Machine
from month_supervised import Service, workers
from own_postgres import kill_all
from tqdm import tqdm

from assets.requests import IN_PROGRESS

KINDS = ("run worker", "daemon", "code server", "postgres")
LATEST = 8.0
"""Seconds within which a fault strikes once there is something to strike; a run takes 5 to 20."""
IDLE = 60.0
"""Seconds after which daemon, code server and Postgres are struck though no run has come so far."""


@dataclass(frozen=True)
class Fault:
    """A kill.

    Parameters
    ----------
    number
        From 1.
    moment
        On the machine's clock, ISO 8601.
    kind
        Of `KINDS`.
    killed
        Processes that were sent SIGKILL.
    doing
        What ran: runs with their latest event, ticks that had begun.
    """

    number: int
    moment: str
    kind: str
    killed: str
    doing: str


class Killer:
    """Kills, in a thread, as often as it is let.

    Parameters
    ----------
    on
        The machine.
    services
        Daemon, code server and Postgres, by the names of `KINDS`.
    number, seed
        How many faults, in equal shares of `KINDS`, and the seed of their order and moments.
    """

    def __init__(self, on: Machine, services: Sequence[Service], number: int, seed: int) -> None:
        self._on = on
        self._services = {service.name: service for service in services}
        self._random = random.Random(seed)
        kinds = [KINDS[i % len(KINDS)] for i in range(number)]
        self._random.shuffle(kinds)
        self._open = kinds
        self._allowed = 0
        self._may = threading.Semaphore(0)
        self._over = threading.Event()
        self.faults: list[Fault] = []
        self._thread = threading.Thread(target=self._work, name="killer", daemon=True)
        self._log = on.home / "faults.csv"
        with self._log.open("w", newline="") as file:
            csv.writer(file).writerow(field.name for field in fields(Fault))

    def start(self) -> None:
        """Begin; nothing is killed before `let`."""
        self._thread.start()

    def let(self, faults: int) -> None:
        """Allow some more faults."""
        self._allowed += faults
        if faults:
            self._may.release(faults)

    @property
    def waits(self) -> bool:
        """Whether it has not found something to strike for each fault that it was let, and still looks."""
        return len(self.faults) < self._allowed and self._thread.is_alive()

    def stop(self) -> None:
        """Kill no more."""
        self._over.set()
        self._may.release()
        self._thread.join()

    def print_summary(self) -> None:
        """Print how often each kind struck, and what runs were doing then."""
        kinds = Counter(fault.kind for fault in self.faults)
        print(f"\nfaults: {len(self.faults)} of {len(self.faults) + len(self._open)}")
        for kind in KINDS:
            print(f"  {kinds[kind]:4} {kind}")

    def _work(self) -> None:
        with DagsterInstance.get() as instance:
            while self._open:
                self._may.acquire()
                if self._over.is_set():
                    return
                kind = self._open[-1]
                if self._await(instance, kind):
                    self._strike(instance, kind)
                    self._open.pop()
                else:
                    return

    def _await(self, instance: DagsterInstance, kind: str) -> bool:
        """Wait for something to strike, and then for the moment; whether it has come."""
        statuses = [DagsterRunStatus.STARTED] if self._random.random() < 2 / 3 else IN_PROGRESS
        delay, began = self._random.uniform(0, LATEST), time.monotonic()
        while not self._over.wait(0.2):
            idle = kind != "run worker" and time.monotonic() - began > IDLE
            if not self._there(instance, kind, statuses, idle) or self._over.wait(delay):
                continue
            # The run may have ended meanwhile; then the next one is waited for.
            if self._there(instance, kind, IN_PROGRESS, idle):
                return True
        return False

    def _there(
        self, instance: DagsterInstance, kind: str, statuses: Sequence[DagsterRunStatus], idle: bool
    ) -> bool:
        alive = bool(workers(self._on.home)) if kind == "run worker" else self._services[kind].alive
        return alive and (idle or _any(instance, statuses))

    def _strike(self, instance: DagsterInstance, kind: str) -> None:
        doing = "; ".join([*_working(instance), *_ticking(instance)]) or "nothing"
        whole = self._random.random() < 0.5
        killed = self._kill_worker(whole) if kind == "run worker" else self._kill_service(kind, whole)
        fault = Fault(
            len(self.faults) + 1, self._on.clock.now().isoformat(timespec="seconds"), kind, killed, doing
        )
        self.faults.append(fault)
        with self._log.open("a", newline="") as file:
            csv.writer(file).writerow(astuple(fault))
        tqdm.write(
            f"{fault.moment[:16]}  ! {fault.number} {kind} killed ({killed}): {doing}", file=sys.stdout
        )

    def _kill_worker(self, whole: bool) -> str:
        victims = workers(self._on.home)
        if not victims:
            return "it had just ended"
        victim = self._random.choice(sorted(victims, key=lambda process: process.pid))
        children = _descendants(victim) if whole else []
        kill_all(victim, *children)
        return f"{victim.pid} and {len(children)} children" if whole else str(victim.pid)

    def _kill_service(self, kind: str, whole: bool) -> str:
        """Kill a service; half of the code servers with their runs, as a container would be."""
        orphans = workers(self._on.home) if kind == "code server" and whole else []
        self._services[kind].kill()
        kill_all(*orphans)
        return f"with {len(orphans)} run workers" if orphans else "alone"


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def _any(instance: DagsterInstance, statuses: Sequence[DagsterRunStatus]) -> bool:
    """Whether a run is in one of the statuses; not known, and so no, while Postgres is away."""
    try:
        return bool(instance.get_runs(RunsFilter(statuses=list(statuses)), limit=1))
    except Exception:
        return False


def _working(instance: DagsterInstance) -> list[str]:
    """Say what each run that waits or works has come to; unknown while Postgres is away."""
    try:
        records = instance.get_run_records(RunsFilter(statuses=IN_PROGRESS))
        return [
            _doing(instance, record.dagster_run.run_id, record.dagster_run.job_name) for record in records
        ]
    except Exception:
        return ["Postgres does not answer"]


def _doing(instance: DagsterInstance, run_id: str, job: str) -> str:
    latest = instance.get_records_for_run(run_id, limit=1, ascending=False).records
    if not latest:
        return job
    entry = latest[0].event_log_entry
    event = entry.dagster_event.event_type_value.lower() if entry.dagster_event else "at work"
    return f"{job} {entry.step_key or ''} {event}"


def _ticking(instance: DagsterInstance) -> list[str]:
    """Name sensors and schedules in the middle of a tick."""
    found = []
    try:
        for state in instance.all_instigator_state():
            ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
            if ticks and ticks[0].status.value == "STARTED":
                found.append(f"tick of {state.instigator_name}")
    except Exception:
        return []
    return found


def faults_of_steps(number: int, steps: int, seed: int) -> list[int]:
    """Share faults out to the steps of a month at random; those of the last tenth fall on earlier ones.

    Parameters
    ----------
    number
        Faults in all.
    steps
        Moments at which files arrive.
    seed
        Of the draw.
    """
    draw = random.Random(f"steps {seed}")
    shares = [0] * steps
    for _ in range(number):
        shares[draw.randrange(max(1, steps - steps // 10))] += 1
    return shares
