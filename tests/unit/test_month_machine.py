"""The clock that a replayed month lives by: real processes read it, and are moved with it."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

pytest.importorskip("libfaketime", reason="Linux only")
from month_machine import LAST_SECONDS, Clock

ASKED = """
import sys, time
from datetime import datetime, timezone
for line in sys.stdin:
    print(datetime.now(timezone.utc).isoformat(), time.monotonic(), flush=True)
"""
MOMENT = datetime(2018, 12, 3, 23, 30, tzinfo=UTC)


def test_a_process_is_moved_while_it_works(tmp_path: Path) -> None:
    clock = Clock(tmp_path / "offset", MOMENT)
    child = subprocess.Popen(
        [sys.executable, "-c", ASKED],
        env={**os.environ, **clock.environment()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    seen, waited = [], []
    for jump in (timedelta(0), timedelta(days=3)):
        clock.set(MOMENT + jump)
        child.stdin.write("now\n")
        child.stdin.flush()
        moment, monotonic = child.stdout.readline().split()
        seen.append(datetime.fromisoformat(moment) - (MOMENT + jump))
        waited.append(float(monotonic))
    child.stdin.close()
    assert child.wait(timeout=30) == 0
    # The start of a Python takes seconds under load; the clock goes on meanwhile.
    assert all(timedelta(seconds=-2) < error < timedelta(minutes=2) for error in seen)
    assert waited[1] - waited[0] < 60  # what is waited for is not moved


def test_the_beginning_of_a_minute_is_skipped(tmp_path: Path) -> None:
    clock = Clock(tmp_path / "offset", MOMENT)
    clock.pass_on()
    assert abs(clock.now() - MOMENT - timedelta(seconds=LAST_SECONDS)) < timedelta(seconds=3)
    offset = (tmp_path / "offset").read_text()
    assert float(offset) < 0
    assert [path.name for path in tmp_path.iterdir()] == ["offset"]


def test_the_last_seconds_of_a_minute_pass_by_themselves(tmp_path: Path) -> None:
    clock = Clock(tmp_path / "offset", MOMENT + timedelta(seconds=LAST_SECONDS + 1))
    before = (tmp_path / "offset").read_text()
    clock.pass_on()
    assert (tmp_path / "offset").read_text() == before
