"""Daemon, code server and Postgres of a replayed month, started again whenever they die.

What does not belong here: who kills them (`month_faults.py`), the machine itself (`month_machine.py`).

A thread does what systemd does with `Restart=always` and Kubernetes with a pod: whatever is not there is
started again after `PAUSE`, however often. Run workers are nobody's: the platform has to see to them.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen, TimeoutExpired
from typing import Protocol

import psutil
from month_machine import Machine
from own_postgres import Postgres

PAUSE = 1.0
"""Seconds that something stays dead before it is started again."""
STOPPING = 30.0
"""Seconds that a process has for an orderly end."""


class Service(Protocol):
    """What has to be there always."""

    name: str

    @property
    def alive(self) -> bool:
        """Whether it is there."""

    def start(self) -> None:
        """Start it."""

    def kill(self) -> None:
        """Kill it, as nothing that runs can be prepared for."""

    def stop(self) -> None:
        """Stop it in order."""


class Tool:
    """One of Dagster's processes.

    Parameters
    ----------
    on
        The machine to which it belongs.
    name
        For people.
    command
        Tool and arguments.
    """

    def __init__(self, on: Machine, name: str, command: Sequence[str]) -> None:
        self.name = name
        self._on, self._command = on, command
        self.process: Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        """Whether it is there."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start it."""
        self.process = self._on.start(*self._command)

    def kill(self) -> None:
        """Send SIGKILL to the process alone: what it has started goes on."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        """Stop it in order."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout=STOPPING)
        except TimeoutExpired:
            self.process.kill()


class Database:
    """Postgres, under the machine's clock: Dagster has it write down when a run was changed."""

    name = "postgres"

    def __init__(self, on: Machine) -> None:
        self._server = Postgres(on.home / "postgres", on.clock.environment())
        # To kill it is to remove the files by which it knows that it runs: not while it is started again.
        self._one = threading.Lock()

    @property
    def alive(self) -> bool:
        """Whether it is there."""
        return self._server.alive

    def start(self) -> None:
        """Start it; its address is told to all processes that come after."""
        with self._one:
            os.environ["LIM_POSTGRES_URL"] = self._server.start()

    def kill(self) -> None:
        """Kill all its processes."""
        with self._one:
            self._server.kill()

    def stop(self) -> None:
        """Stop it in order."""
        self._server.stop()


@contextmanager
def supervised(on: Machine, services: Sequence[Service]) -> Iterator[None]:
    """Start services in their order, keep them there until the block ends, stop them in reverse."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.2):
            for service in services:
                if not service.alive and not over.wait(PAUSE):
                    try:
                        service.start()
                    except Exception as error:  # it is tried again, as systemd would
                        print(f"{service.name} did not start: {error!r}", file=sys.stderr)

    thread = threading.Thread(target=watch, name="supervisor", daemon=True)
    for service in services:
        service.start()
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        for service in reversed(services):
            service.stop()
        for worker in workers(on.home):
            worker.kill()


def workers(home: Path) -> list[psutil.Process]:
    """Return the run workers of a machine, orphans too; Dagster's code server spawns them."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        try:
            if (
                process.info["status"] != psutil.STATUS_ZOMBIE
                and any("spawn_main" in part for part in process.info["cmdline"] or ())
                and process.environ().get("LIM_HOME") == str(home)
            ):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found
