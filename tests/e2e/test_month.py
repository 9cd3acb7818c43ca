"""`make month`, its first sessions: the real daemon lives in 2018, and what went wrong leaves no trace."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1800)]

ROOT = Path(__file__).resolve().parents[2]


def test_two_sessions_are_replayed_by_the_real_daemon(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "scripts/month.py", "--sessions", "2", "--exchanges", "XNYS"],
        cwd=ROOT,
        env={**os.environ, "LIM_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # The history came first: archive, sessions, a checkpoint.
    assert re.search(r"^2018-11-27 12:\d\d +import_archive XNYS .*landing_sensor", done.stdout, re.M)
    assert re.search(
        r"foundation_checkpoint 2018-11-01\n +retraining_sensor: \d+ sessions and no", done.stdout
    )
    # The schedule of closes ticked on its own clock, and the sensor brought file, correction, late file.
    assert "XNYS closed at 2018-11-28 21:00 UTC" in done.stdout
    loads = re.findall(
        r"^2018-11-(\d\d) \d\d:\d\d +load_quotes 2018-11-(27|28)\|XNYS.*landing_sensor", done.stdout, re.M
    )
    assert loads == [("27", "27"), ("28", "27"), ("28", "28")]
    assert "FAILURE" not in done.stdout
    assert re.search(r"validated_bars +[1-9]\d* rows, 0 differ", done.stdout)
    weights = re.findall(r"^  foundation_checkpoint +2018-11-01 (\S+)$", done.stdout, re.M)
    assert [float(apart) <= 1e-5 for apart in weights] == [True]
