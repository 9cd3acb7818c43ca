"""A Dagster UI of its own on a home of its own, for tests that look at it in a browser."""

from __future__ import annotations

import shutil
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from processes import running

ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def local_dagster(folder: Path) -> Iterator[Path]:
    """Point Dagster and the platform to a folder, with the settings of one machine; gives the home."""
    (folder / "dagster").mkdir()
    shutil.copy(ROOT / "deploy" / "dagster.local.yaml", folder / "dagster" / "dagster.yaml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(folder / "dagster"))
        patch.setenv("LIM_HOME", str(folder / "home"))
        yield folder / "home"


@contextmanager
def serve() -> Iterator[str]:
    """Start the UI on the present home; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["-m", "dagster_webserver", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", f"{port}"]
    with running(*command):
        _wait_for(f"http://127.0.0.1:{port}/server_info")
        yield f"http://127.0.0.1:{port}"


def _wait_for(address: str) -> None:
    for _ in range(180):
        try:
            urllib.request.urlopen(address, timeout=5).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
        else:
            return
    raise TimeoutError(f"{address} does not answer")
