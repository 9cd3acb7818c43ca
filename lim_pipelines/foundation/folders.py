"""Folders that are there wholly or not at all.

What does not belong here: what lies in them (`checkpoint.py`).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

_STALE_SECONDS = {".tmp-*": 24 * 3600, ".work-*": 14 * 24 * 3600}


class BusyError(RuntimeError):
    """Another process works in a folder."""


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Fill a folder aside and move it into place when the block ends without an error.

    If the folder exists by then, another process has done the same work: its result stays, ours is dropped.

    Parameters
    ----------
    folder
        Final place.

    Yields
    ------
    Path
        Temporary folder beside it, to be filled.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder.parent)
    temporary = folder.with_name(f".tmp-{folder.name}-{uuid.uuid4().hex[:8]}")
    temporary.mkdir()
    try:
        yield temporary
        for path in sorted(temporary.iterdir()):
            sync(path)
        sync(temporary)
        try:
            temporary.rename(folder)
        except OSError:
            if not folder.exists():
                raise
        sync(folder.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def work_folder(folder: Path, writes: bool = True) -> Iterator[Path]:
    """Work in a folder beside a final one that outlives kills, until the block ends without an error.

    Parameters
    ----------
    folder
        Final place of the result.
    writes
        Whether this process is the one that writes; the others of a run only look.

    Yields
    ------
    Path
        `.work-<name>` beside it, with what a killed process left there; gone afterwards.

    Raises
    ------
    BusyError
        Another process works there.
    """
    work = folder.with_name(f".work-{folder.name}")
    if not writes:
        yield work
        return
    with _lock(work):
        yield work
        # It goes at once and while it is locked: nobody takes up what is half removed.
        gone = work.with_name(f".tmp-{uuid.uuid4().hex}")
        work.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def sync(path: Path) -> None:
    """Have the disk hold what was written to a file or folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_text(path: Path, text: str) -> None:
    """Write a file so that it holds the old text or the new one, whenever the process is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".tmp-{uuid.uuid4().hex}{path.suffix}")
    fresh.write_text(text)
    sync(fresh)
    fresh.replace(path)
    sync(path.parent)


def _lock(work: Path) -> TextIO:
    """Open a work folder's lock, and hold it until it is closed."""
    while True:
        work.mkdir(parents=True, exist_ok=True)
        try:
            lock = (work / "lock").open("w")
        except FileNotFoundError:
            continue
        try:
            # The system lets go of it when the process ends, however it ends.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise BusyError(f"{work}: another process is training this; wait for it, or stop it") from None
        # Who had it may have removed the folder before letting go.
        if os.fstat(lock.fileno()).st_nlink:
            return lock
        lock.close()


def _sweep(parent: Path) -> None:
    """Remove what killed processes left behind: files in the making, and trainings that nobody took up again.

    Both times are longer than a process that still runs leaves them untouched.
    """
    for pattern, seconds in _STALE_SECONDS.items():
        for path in parent.glob(pattern):
            try:
                stale = time.time() - path.stat().st_mtime > seconds
            except FileNotFoundError:
                continue
            if stale:
                shutil.rmtree(path, ignore_errors=True)
                path.unlink(missing_ok=True)
