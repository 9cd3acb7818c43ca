"""Archives that others packed, unpacked as streams within limits.

What does not belong here: opening files (`landed.py`), what the text means (`tabular/`).

Whatever an archive claims, it is unpacked a piece at a time, and given up once it has unpacked to more than
the limits allow. Nothing is ever written to disk, and archives in archives are refused.
"""

from __future__ import annotations

import gzip
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO, Protocol

from lim_pipelines.sources.base import RejectedFileError

MAX_CONTENT_BYTES = 16 * 2**30
"""Unpacked content of a file."""
MAX_RATIO = 100
"""Content beyond a mebibyte and beyond this many files of its size is a bomb; quotes shrink 4 to 20 times."""
MAX_MEMBERS = 20_000
"""Files in an archive of several."""
_FREE_BYTES = 2**20
_CHUNK = 2**20
_ONE_MEMBER_DIRECTORY = 2**16
_MANY_MEMBERS_DIRECTORY = 2**22
_PACKED = (".zip", ".gz", ".bz2", ".xz", ".zst", ".tar", ".tgz", ".7z", ".rar")
_MAGIC = (b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf", b"Rar!")
# NotImplementedError is what zipfile raises for a compression it does not know.
_DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, tarfile.TarError, NotImplementedError)


class Stream(Protocol):
    """What can be read piece by piece."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; nothing at the end."""


class _Budget:
    """How much a file may still unpack to."""

    def __init__(self, path: str, packed: int) -> None:
        self.path, self.packed = path, packed
        self.limit = min(MAX_CONTENT_BYTES, max(_FREE_BYTES, MAX_RATIO * packed))
        self.used = 0

    def spend(self, size: int) -> None:
        self.used += size
        if self.used > self.limit:
            raise self.bomb(self.used)

    def bomb(self, size: int) -> RejectedFileError:
        return RejectedFileError(
            self.path,
            "zip_bomb",
            f"{self.packed:,} bytes unpack to {size:,} or more"
            f" (limits: {MAX_RATIO} times as much, and {MAX_CONTENT_BYTES:,} bytes)",
            "split it by date, or drop it unpacked",
        )


class _Unpacked:
    """Content of an archive, within its budget."""

    def __init__(self, stream: Stream, budget: _Budget) -> None:
        self._stream, self._budget, self._first = stream, budget, b""
        self._first = self.read(8)
        _refuse_magic(self._first, budget.path)

    def read(self, size: int, /) -> bytes:
        pieces, self._first = [self._first[:size]], self._first[size:]
        wanted = size - len(pieces[0])
        try:
            while wanted > 0 and (piece := self._stream.read(min(wanted, _CHUNK))):
                self._budget.spend(len(piece))
                pieces.append(piece)
                wanted -= len(piece)
        except _DAMAGED as error:
            raise _truncated(self._budget.path, str(error)) from error
        return b"".join(pieces)


def only_one(stream: IO[bytes], path: str, size: int) -> Stream:
    """Content of the one table in a file: plain, .gz, or a .zip of one.

    Parameters
    ----------
    stream
        The file.
    path
        Its path under the landing folder.
    size
        Its size in bytes.

    Raises
    ------
    RejectedFileError
        truncated, zip_bomb, zip_path_escape, nested_archive, archive_members, encrypted; also while it is
        read.
    """
    budget = _Budget(path, size)
    if path.lower().endswith(".gz"):
        return _Unpacked(gzip.GzipFile(fileobj=stream), budget)
    if not path.lower().endswith(".zip"):
        _refuse_magic(stream.read(8), path)
        stream.seek(0)
        return stream
    archive = _zip(stream, path, _ONE_MEMBER_DIRECTORY)
    files = _checked(archive, path)
    if len(files) != 1:
        raise RejectedFileError(
            path, "archive_members", f"it holds {len(files)} files", "pack exactly one csv in a zip"
        )
    return _member(archive, files[0], budget)


def each(stream: IO[bytes], path: str, size: int) -> Iterator[tuple[str, Stream]]:
    """Name and content of every file in a .zip, .tar, .tar.gz or .tgz, in the archive's order.

    Parameters
    ----------
    stream, path, size
        As for `only_one`.

    Raises
    ------
    RejectedFileError
        As `only_one`, and unknown_file_type.
    """
    budget = _Budget(path, size)
    name = path.lower()
    if name.endswith(".zip"):
        archive = _zip(stream, path, _MANY_MEMBERS_DIRECTORY)
        for member in _checked(archive, path):
            yield member.filename, _member(archive, member, budget)
    elif name.endswith((".tar", ".tar.gz", ".tgz")):
        yield from _tar(stream, budget, packed=not name.endswith(".tar"))
    else:
        raise RejectedFileError(
            path, "unknown_file_type", "it is no archive of several files", "name it *.zip or *.tar.gz"
        )


def _tar(stream: IO[bytes], budget: _Budget, *, packed: bool) -> Iterator[tuple[str, Stream]]:
    path = budget.path
    try:
        # Read forward only: a tar has no directory that could lie.
        with tarfile.open(fileobj=stream, mode="r|gz" if packed else "r|") as archive:
            for count, member in enumerate(archive):
                if count >= MAX_MEMBERS:
                    raise _crowded(path)
                _refuse_name(member.name, path, link=not (member.isfile() or member.isdir()))
                if member.size > budget.limit:
                    raise budget.bomb(member.size)
                content = archive.extractfile(member) if member.isfile() else None
                if content is not None:
                    yield member.name, _Unpacked(content, budget)
    except _DAMAGED as error:
        raise _truncated(path, str(error)) from error


def _zip(stream: IO[bytes], path: str, directory: int) -> zipfile.ZipFile:
    _check_directory_size(stream, path, directory)
    try:
        return zipfile.ZipFile(stream)
    except _DAMAGED as error:
        raise _truncated(path, str(error)) from error


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, budget: _Budget) -> Stream:
    if member.flag_bits & 1:
        raise RejectedFileError(
            budget.path, "encrypted", "the member is encrypted", "pack it without a password"
        )
    if member.file_size > budget.limit:
        raise budget.bomb(member.file_size)
    try:
        return _Unpacked(archive.open(member), budget)
    except _DAMAGED as error:
        raise _truncated(budget.path, str(error)) from error


def _checked(archive: zipfile.ZipFile, path: str) -> list[zipfile.ZipInfo]:
    """Files of a zip, none of which points outside it."""
    if len(archive.infolist()) > MAX_MEMBERS:
        raise _crowded(path)
    for member in archive.infolist():
        _refuse_name(member.filename, path, link=stat.S_ISLNK(member.external_attr >> 16))
    return [member for member in archive.infolist() if not member.is_dir()]


def _refuse_name(name: str, path: str, *, link: bool) -> None:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    drive = bool(parts) and parts[0].endswith(":")
    if not parts or parts[0] == "/" or ".." in parts or drive or link:
        raise RejectedFileError(
            path,
            "zip_path_escape",
            f"member {name[:100]!r} points outside the archive",
            "pack plain files",
        )
    if name.lower().endswith(_PACKED):
        raise RejectedFileError(
            path, "nested_archive", f"member {name[:100]!r} is an archive", "pack the csv itself, once"
        )


def _refuse_magic(first: bytes, path: str) -> None:
    if first.startswith(_MAGIC):
        raise RejectedFileError(
            path, "nested_archive", "an archive lies where the csv should be", "pack the csv itself, once"
        )


def _check_directory_size(stream: IO[bytes], path: str, limit: int) -> None:
    """Refuse a zip whose list of members alone would fill the memory, before `zipfile` reads that list."""
    size = stream.seek(0, 2)
    stream.seek(max(0, size - 2**16 - 42))
    tail = stream.read()
    stream.seek(0)
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) < end + 22:
        raise _truncated(path, "the archive's directory is missing")
    directory = int.from_bytes(tail[end + 12 : end + 16], "little")
    if end >= 20 and tail[end - 20 : end - 16] == b"PK\x06\x07":
        # Some writers put the long form of the end into every zip; what it says holds instead.
        stream.seek(min(size, int.from_bytes(tail[end - 12 : end - 4], "little")))
        long_end = stream.read(56)
        stream.seek(0)
        if not long_end.startswith(b"PK\x06\x06"):
            raise _truncated(path, "the archive's directory is missing")
        directory = int.from_bytes(long_end[40:48], "little")
    if directory > limit:
        raise _crowded(path)


def _crowded(path: str) -> RejectedFileError:
    return RejectedFileError(
        path,
        "zip_bomb",
        "it lists more members, or larger ones, than a vendor file has",
        "pack fewer files in it; what is larger than 4 GB is best packed as .gz",
    )


def _truncated(path: str, detail: str) -> RejectedFileError:
    return RejectedFileError(
        path, "truncated", f"the archive is cut or damaged ({detail})", "drop the complete file again"
    )
