"""What a test starts ends with it, and what that started too."""

from __future__ import annotations

import time

import psutil
from processes import running

CHILD = "import time; time.sleep(600)"
PARENT = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {CHILD!r}]).wait()"


def test_the_children_of_a_process_end_with_it() -> None:
    with running("-c", PARENT) as process:
        while not (children := process.children()):
            time.sleep(0.05)
    psutil.wait_procs(children, timeout=5)
    assert not any(one.is_running() for one in [process, *children])


def test_a_process_that_has_ended_is_no_error() -> None:
    with running("-c", "pass") as process:
        process.wait()
    assert not process.is_running()
