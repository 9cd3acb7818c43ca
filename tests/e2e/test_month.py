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
        [sys.executable, "scripts/month.py", "--sessions", "2", "--exchanges", "XSIM"],
        cwd=ROOT,
        env={**os.environ, "LIM_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # The schedule of closes ticked on its own clock, and the sensor brought file and correction.
    assert "XSIM closed at 2018-11-28 21:00 UTC" in done.stdout
    loads = re.findall(
        r"^2018-11-(\d\d) \d\d:\d\d +load_quotes 2018-11-27\|XSIM.*landing_sensor", done.stdout, re.M
    )
    assert loads == ["27", "28"]
    assert "FAILURE" not in done.stdout
    assert re.search(r"validated_bars +\d+ rows, 0 differ", done.stdout)
