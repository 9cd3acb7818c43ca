"""A month in which processes are killed, in small: a fault of each kind, and nothing is lost or twice."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(3600)]

ROOT = Path(__file__).resolve().parents[2]
ARGUMENTS = ("--faults", "4", "--seed", "3", "--sessions", "1", "--exchanges", "XSIM")
KINDS = ("run worker", "daemon", "code server", "postgres")


def test_killed_processes_change_nothing_in_the_end(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "scripts/month_faults.py", *ARGUMENTS],
        cwd=ROOT,
        env={**os.environ, "LIM_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for kind in KINDS:
        assert len(re.findall(rf"! \d+ {kind} killed", done.stdout)) == 1
    # Something was really hit: a run failed for it, and the work was done all the same.
    assert "FAILURE" in done.stdout
    checks = re.findall(r"^  (.*): (yes|NO)$", done.stdout, re.M)
    assert len(checks) == 9
    assert {answer for _, answer in checks} == {"yes"}
    assert re.search(r"validated_bars +[1-9]\d* rows, 0 differ", done.stdout)
    weights = re.findall(r"^  xsim_\w+ +2018-11-01 (\S+)$", done.stdout, re.M)
    assert [float(apart) <= 1e-5 for apart in weights] == [True, True]
