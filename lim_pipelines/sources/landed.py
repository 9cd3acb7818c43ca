"""Opening what others put into the landing folder, trusting nothing: paths, links, sizes, changes.

What does not belong here: archives (`archives.py`), what the text means (`tabular/`).
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import IO

from lim_pipelines import clock
from lim_pipelines.sources import archives
from lim_pipelines.sources.archives import Stream
from lim_pipelines.sources.base import RejectedFileError, SourceFile

MAX_FILE_BYTES = 16 * 2**30
"""A file as it lies there: several times the text of 50 million minute bars. It is never read at once."""
MAX_WHOLE_BYTES = 64 * 2**20
"""Files that are read at once."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@contextmanager
def open_file(landing: Path, path: str) -> Iterator[IO[bytes]]:
    """Open a landed file as it lies there.

    Parameters
    ----------
    landing
        The landing folder.
    path
        Path under it.

    Yields
    ------
    IO of bytes
        Not empty, at most `MAX_FILE_BYTES`; of a regular file inside the folder.

    Raises
    ------
    RejectedFileError
        path_escape, not_a_file, empty_file, too_large; changed_while_reading when the caller is done, if the
        file is not what it was.
    """
    where = inside(landing, path)
    try:
        # The last step of the path may have been swapped for a link or a pipe since it was looked at.
        handle = os.open(where, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise RejectedFileError(
            path, "not_a_file", f"it cannot be opened ({error.strerror})", "drop it again"
        ) from error
    with os.fdopen(handle, "rb") as stream:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise RejectedFileError(path, "not_a_file", "it is not a regular file", "drop a plain file")
        if status.st_size > MAX_FILE_BYTES:
            raise _too_large(path, status.st_size, MAX_FILE_BYTES)
        if not status.st_size:
            raise RejectedFileError(path, "empty_file", "it holds nothing", "drop the complete file again")
        yield stream
        after = os.fstat(handle)
        if (after.st_size, after.st_mtime_ns) != (status.st_size, status.st_mtime_ns):
            raise _changed(path)


def read_file(landing: Path, path: str) -> bytes:
    """Read a small landed file at once, as it lies there.

    Returns
    -------
    bytes
        Not empty, at most `MAX_WHOLE_BYTES`.

    Raises
    ------
    RejectedFileError
        As `open_file`.
    """
    with open_file(landing, path) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > MAX_WHOLE_BYTES:
            raise _too_large(path, size, MAX_WHOLE_BYTES)
        return stream.read()


@contextmanager
def table(landing: Path, file: SourceFile) -> Iterator[Stream]:
    """Stream the one table in a landed file: plain, .gz, or a .zip of one.

    Raises
    ------
    RejectedFileError
        As `open_file`, changed_while_reading also if it is not the file that was listed, and as
        `archives.only_one`; also while it is read.
    """
    with open_file(landing, file.path) as stream:
        status = os.fstat(stream.fileno())
        modified = _EPOCH + timedelta(microseconds=status.st_mtime_ns // 1000)
        # What is dated into the future was listed as of the moment it was listed.
        if status.st_size != file.bytes or file.arrived_at < modified < clock.now():
            raise _changed(file.path)
        yield archives.only_one(stream, file.path, status.st_size)


def entries(landing: Path, path: str) -> Iterator[tuple[str, Stream]]:
    """Name and content of every file in a landed .zip, .tar, .tar.gz or .tgz, in the archive's order.

    A stream is good until the next one is asked for.

    Raises
    ------
    RejectedFileError
        As `open_file` and `archives.each`; also while it is read.
    """
    with open_file(landing, path) as stream:
        yield from archives.each(stream, path, os.fstat(stream.fileno()).st_size)


def member(landing: Path, path: str, name: str) -> bytes:
    """Read a small file of a landed archive at once.

    Parameters
    ----------
    landing, path
        The archive, as for `entries`.
    name
        Name of the file in it, whatever folder it lies in; the first of that name counts.

    Raises
    ------
    RejectedFileError
        archive_members: there is none of that name; too_large; and as `entries`.
    """
    for inner, stream in entries(landing, path):
        if PurePosixPath(inner).name == name:
            return whole(stream, path)
    raise RejectedFileError(path, "archive_members", f"it holds no {name}", "drop it as the vendor ships it")


def whole(stream: Stream, path: str) -> bytes:
    """Read a small file of an archive at once.

    Raises
    ------
    RejectedFileError
        too_large: it has more than `MAX_WHOLE_BYTES`.
    """
    pieces, size = [], 0
    # A stream gives what it has at hand, which may be less than was asked for.
    while piece := stream.read(2**20):
        pieces.append(piece)
        size += len(piece)
        if size > MAX_WHOLE_BYTES:
            raise _too_large(path, size, MAX_WHOLE_BYTES)
    return b"".join(pieces)


def unpack(content: bytes, path: str) -> bytes:
    """Content of the one table in a small file that is read already: plain, .gz, or a .zip of one.

    Raises
    ------
    RejectedFileError
        As `archives.only_one`, and too_large.
    """
    plain = archives.only_one(io.BytesIO(content), path, len(content)).read(MAX_WHOLE_BYTES + 1)
    if len(plain) > MAX_WHOLE_BYTES:
        raise _too_large(path, len(plain), MAX_WHOLE_BYTES)
    return plain


def inside(landing: Path, path: str) -> Path:
    """Return where a landed file lies, once it is certain that it lies in the landing folder.

    Raises
    ------
    RejectedFileError
        path_escape: the path leaves the folder, or passes through a symbolic link.
    """
    parts = PurePosixPath(path).parts
    if not parts or PurePosixPath(path).is_absolute() or ".." in parts:
        raise RejectedFileError(
            path, "path_escape", "the path leaves the landing folder", "drop the file inside the folder"
        )
    where = landing
    for part in parts:
        where = where / part
        if where.is_symlink():
            raise RejectedFileError(
                path, "path_escape", f"{part} is a symbolic link", "drop the file itself, not a link to it"
            )
    return where


def _too_large(path: str, size: int, limit: int) -> RejectedFileError:
    return RejectedFileError(
        path,
        "too_large",
        f"{size:,} bytes are more than the limit of {limit:,}",
        "split it by date, or compress it",
    )


def _changed(path: str) -> RejectedFileError:
    return RejectedFileError(
        path,
        "changed_while_reading",
        "it changed since it was listed",
        "leave it be; it is read again when it has settled",
    )
