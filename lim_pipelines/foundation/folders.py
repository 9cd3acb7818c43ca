"""Folders that are there wholly or not at all.

What does not belong here: what lies in them (`checkpoint.py`).
"""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_STALE_SECONDS = 24 * 3600


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


def sync(path: Path) -> None:
    """Have the disk hold what was written to a file or folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sweep(parent: Path) -> None:
    """Remove what killed processes left behind. A day is longer than any training that may still run."""
    for path in parent.glob(".tmp-*"):
        try:
            stale = time.time() - path.stat().st_mtime > _STALE_SECONDS
        except FileNotFoundError:
            continue
        if stale:
            shutil.rmtree(path, ignore_errors=True)
            path.unlink(missing_ok=True)
