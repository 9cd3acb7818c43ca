"""The files that lie in the landing folder, listed without being read.

`landing/<source>/...` holds what the vendor ships, in the vendor's own layout; below
`landing/<source>/history/` lies the same, declared as history: whoever drops it there vouches that its facts
were known as they happened. Everything else is a feed: nobody here knew it before the file arrived.

What does not belong here: opening files (`landed.py`), what a path means (a source file each).
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path, PurePosixPath

from lim_pipelines import clock
from lim_pipelines.sources.base import RejectedFileError, SourceFile
from lim_pipelines.sources.landed import inside

HISTORY = "history"
_UNFINISHED = (".part", ".tmp")
_THREADS, _BLOCK = 16, 64
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Entry:
    """A file of the landing folder as it lies there.

    Parameters
    ----------
    path
        Path under the landing folder; odd bytes are spelled out (hexadecimal, after a backslash).
    bytes
        Its size; 0 for what is no plain file, a link for one.
    modified_at
        Its modification time (UTC), whatever clock set it; 1970 for what is no plain file.
    """

    path: str
    bytes: int
    modified_at: datetime

    @property
    def source(self) -> str:
        """Folder that it lies in, which is named as its source; empty directly under the landing folder."""
        return self.path.partition("/")[0] if "/" in self.path else ""


def entries(landing: Path, under: str = "") -> list[Entry]:
    """List all finished files, sorted by path.

    Names that begin with a dot or end with .part or .tmp are files still being written, and left alone.
    Links are listed, never followed.

    Parameters
    ----------
    landing
        The landing folder; it need not exist.
    under
        Folder directly below it; empty for everything.
    """
    where = landing / under
    if under and where.is_symlink():
        return [Entry(spelled(Path(under)), 0, _EPOCH)]
    files = _walk(where, under)
    blocks = iter(lambda: list(islice(files, _BLOCK)), [])
    # A network's disk takes a millisecond a file: many are asked for at once.
    with ThreadPoolExecutor(_THREADS) as pool:
        looked = [entry for block in pool.map(_entries, blocks) for entry in block]
    found = sorted(looked, key=lambda entry: (entry.path, entry.modified_at, entry.bytes))
    # Two names of odd bytes may be spelled alike.
    return list({entry.path: entry for entry in found}.values())


def entry_at(landing: Path, path: str) -> Entry | None:
    """Look at one well-named file again; None if it is no longer there."""
    try:
        return _entry(path, (landing / path).lstat())
    except OSError:
        return None


def refuse_if_changed(file: SourceFile, landing: Path) -> None:
    """Make sure that a file still lies there as it was listed, or is gone since.

    Raises
    ------
    RejectedFileError
        changed_while_reading.
    """
    there = entry_at(landing, file.path) if well_named(file.path) else None
    # What is dated into the future was listed as of the moment it was listed.
    if there and (there.bytes != file.bytes or file.arrived_at < there.modified_at < clock.now()):
        raise RejectedFileError(
            file.path,
            "changed_while_reading",
            "it changed since it was listed",
            "leave it be; it is read again when it has settled",
        )


def vendor_files(landing: Path, source: str) -> list[SourceFile]:
    """All finished files of a source, sorted by path.

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
    now = clock.now()
    return [
        SourceFile(
            source,
            entry.path,
            entry.bytes,
            # A clock ahead of ours must not date a file into the future.
            min(entry.modified_at, now),
            frozenset(),
            history=HISTORY in PurePosixPath(entry.path).parts[1:-1],
        )
        for entry in entries(landing, source)
    ]


def spelled(path: Path) -> str:
    """Path as text, whatever bytes it is made of."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


def well_named(path: str) -> bool:
    """Whether a listed path is the file's real one: without a backslash, which spells out odd bytes."""
    return "\\" not in path


def sha256_of(landing: Path, path: str) -> str:
    """Content hash of a landed file; empty if it may not or cannot be read."""
    try:
        with inside(landing, path).open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except (RejectedFileError, OSError):
        return ""


def _walk(folder: Path | str, under: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Go through all finished files, each with its path under the landing folder."""
    try:
        found = list(os.scandir(folder))
    except FileNotFoundError:
        return
    for item in found:
        if item.name.startswith("."):
            continue
        path = f"{under}/{item.name}" if under else item.name
        if item.is_dir(follow_symlinks=False):
            yield from _walk(item.path, path)
        elif not item.name.endswith(_UNFINISHED):
            yield path, item


def _entries(items: Iterable[tuple[str, os.DirEntry[str]]]) -> list[Entry]:
    entries_ = []
    for path, item in items:
        # Taken away since it was listed: it is no longer there.
        with suppress(FileNotFoundError):
            entries_.append(_entry(path, item.stat(follow_symlinks=False)))
    return entries_


def _entry(path: str, status: os.stat_result) -> Entry:
    text = spelled(Path(path)) if not path.isascii() else path
    if not stat.S_ISREG(status.st_mode):
        return Entry(text, 0, _EPOCH)
    # Whole microseconds, as the lake keeps them; a float of seconds would be off by some.
    return Entry(text, status.st_size, _EPOCH + timedelta(microseconds=status.st_mtime_ns // 1000))
