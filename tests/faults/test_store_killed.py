"""An update of the window store that is killed at any moment: earlier indices stay, the next one finishes."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
from pathlib import Path
from types import FrameType

from lim_pipelines.lake import Lake

sys.path.append(str(Path(__file__).resolve().parents[1] / "unit"))
from store_world import BARS, CONFIG, CUTOFFS, DAYS, IBM, brought_up, expected, put, revision, stored

CALLS = "calls.txt"


def update(root: Path, dies_at: int) -> None:
    """What a process does: it dies at a call of the store's code, or says how many there were."""
    calls = 0

    def count(frame: FrameType, event: str, what: object) -> None:
        nonlocal calls
        calls += "foundation/store/" in frame.f_code.co_filename
        if calls == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)
    brought_up(Lake(root / "lake"), root / "w", CUTOFFS[2])
    sys.setprofile(None)
    (root / CALLS).write_text(str(calls))


def ended(root: Path, dies_at: int) -> int | None:
    # Not forked off a server that has imported polars: its threads do not survive that, and the child hangs.
    process = multiprocessing.get_context("spawn").Process(target=update, args=(root, dies_at))
    process.start()
    process.join()
    return process.exitcode


def test_a_killed_update_leaves_what_was_there_and_the_next_one_finishes(tmp_path: Path) -> None:
    lake, store = Lake(tmp_path / "lake"), tmp_path / "w"
    put(lake, BARS)
    held = [brought_up(lake, store, one)[0] for one in CUTOFFS[1:3]]
    # Committed late: one series moves, and the index of the cutoff is replaced.
    put(lake, BARS, revision(30, IBM, DAYS[31], 1.5))
    copy = shutil.copytree(tmp_path, tmp_path / "copy")
    assert ended(copy, -1) == 0
    calls = int((copy / CALLS).read_text())
    for share in (0.4, 0.8, 0.97):
        assert ended(tmp_path, int(share * calls)) == -signal.SIGKILL
        for index in held:
            assert stored(index) == index.series["digest"].to_list()
    for one in CUTOFFS[1:]:
        found, _ = brought_up(lake, store, one)
        assert found.digest(CONFIG) == expected(lake, one)
        assert stored(found) == found.series["digest"].to_list()
    assert expected(lake, CUTOFFS[2]) != held[1].digest(CONFIG), "there was something to do"
