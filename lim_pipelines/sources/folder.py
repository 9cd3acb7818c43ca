"""The files of one source under the landing folder, listed without being read.

`landing/<source>/...` holds what the vendor ships, in the vendor's own layout; below
`landing/<source>/history/` lies the same, declared as history: whoever drops it there vouches that its facts
were known as they happened. Everything else is a feed: nobody here knew it before the file arrived.

What does not belong here: opening files (`landed.py`), what a path means (a source file each).
"""

from __future__ import annotations

import hashlib
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

from lim_pipelines.sources.base import RejectedFileError, SourceFile
from lim_pipelines.sources.landed import inside

HISTORY = "history"
_UNFINISHED = (".part", ".tmp")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def vendor_files(landing: Path, source: str) -> list[SourceFile]:
    """All finished files of a source, sorted by path.

    Names that begin with a dot or end with .part or .tmp are files still being written, and left alone.
    Names that are not UTF-8 are listed with their odd bytes spelled out (hexadecimal, after a backslash).
    Links are listed, never followed.

    Parameters
    ----------
    landing
        The landing folder.
    source
        Name of the source, and of its folder.

    Returns
    -------
    list of SourceFile
        Without exchanges: what a path means is the source's knowledge. What is no plain file has no size.
    """
    paths = set()
    for folder, folders, names in os.walk(landing / source, followlinks=False):
        here = Path(folder)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        linked = [name for name in folders if (here / name).is_symlink()]
        finished = [n for n in names if not n.startswith(".") and not n.endswith(_UNFINISHED)]
        paths |= {spelled((here / name).relative_to(landing)) for name in (*linked, *finished)}
    return [_describe(landing, source, path) for path in sorted(paths)]


def spelled(path: Path) -> str:
    """Path as text, whatever bytes it is made of."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


def well_named(path: str) -> bool:
    """Whether a listed path is the file's real one: without a backslash, which spells out odd bytes."""
    return "\\" not in path


def sha256_of(landing: Path, file: SourceFile) -> str:
    """Content hash of a landed file; empty if it may not or cannot be read."""
    try:
        with inside(landing, file.path).open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except (RejectedFileError, OSError):
        return ""


def _describe(landing: Path, source: str, path: str) -> SourceFile:
    """Describe a file without trusting it."""
    history = HISTORY in PurePosixPath(path).parts[1:-1]
    nothing = SourceFile(source, path, 0, _EPOCH, frozenset(), history=history)
    try:
        status = inside(landing, path).lstat()
    except (RejectedFileError, OSError):
        return nothing
    if not stat.S_ISREG(status.st_mode):
        return nothing
    # A clock ahead of ours must not date a file into the future.
    arrived_at = min(_EPOCH + timedelta(microseconds=status.st_mtime_ns // 1000), datetime.now(UTC))
    return SourceFile(source, path, status.st_size, arrived_at, frozenset(), history=history)
