"""Dagster's long-running processes, for tests, with nothing of them left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def running(*arguments: str) -> Iterator[psutil.Process]:
    """Run `python ARGUMENTS` in the project; at the end it and all it started are gone.

    A daemon or a webserver that is asked to end may leave its code server behind.
    """
    process = psutil.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=dict(os.environ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        family = [process]
        with suppress(psutil.NoSuchProcess):
            family += process.children(recursive=True)
            process.terminate()
        _, left = psutil.wait_procs(family, timeout=30)
        for one in left:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(left, timeout=10)
