"""Opening what others put into the landing folder, trusting nothing: paths, sizes, archives, encodings.

What does not belong here: what the text means (`csv_rows.py`).

Memory is bounded by the limits below, whatever a file claims: compressed bytes are read up to a limit, and
decompressed a chunk at a time until a limit is passed.
"""

from __future__ import annotations

import gzip
import io
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from lim_pipelines.sources.base import RejectedFileError

MAX_FILE_BYTES = 64 * 2**20
MAX_CONTENT_BYTES = 128 * 2**20
"""About three million lines, which take two gigabytes of memory to parse."""
MAX_RATIO = 100
"""Content beyond a mebibyte and beyond this many files of its size is a bomb; quotes shrink 4 to 20 times."""
_FREE_BYTES = 2**20
_CHUNK = 2**18
_MAX_DIRECTORY_BYTES = 2**16
_ARCHIVES = (".zip", ".gz", ".bz2", ".xz", ".zst", ".tar", ".tgz", ".7z", ".rar")
_MAGIC = (b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf", b"Rar!")


def read_file(landing: Path, path: str) -> bytes:
    """Read a landed file as it lies there.

    Parameters
    ----------
    landing
        The landing folder.
    path
        Path under it.

    Returns
    -------
    bytes
        Not empty, at most `MAX_FILE_BYTES`.

    Raises
    ------
    RejectedFileError
        path_escape, not_a_file, empty_file, too_large.
    """
    where = inside(landing, path)
    try:
        # The last step of the path may have been swapped for a link or a pipe since it was looked at.
        handle = os.open(where, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise RejectedFileError(
            path, "not_a_file", f"it cannot be opened ({error.strerror})", "drop it again"
        ) from error
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise RejectedFileError(path, "not_a_file", "it is not a regular file", "drop a plain file")
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise too_large(path, status.st_size)
    if not content:
        raise RejectedFileError(path, "empty_file", "it holds nothing", "drop the complete file again")
    return content


def too_large(path: str, size: int) -> RejectedFileError:
    """Return the refusal of a file beyond `MAX_FILE_BYTES`."""
    return RejectedFileError(
        path,
        "too_large",
        f"{size:,} bytes are more than the limit of {MAX_FILE_BYTES:,}",
        "split it by date, or compress it",
    )


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


def unpack(content: bytes, path: str) -> bytes:
    """Unpack a .csv.gz or .zip, or return a .csv as it is.

    Raises
    ------
    RejectedFileError
        truncated, zip_bomb, zip_path_escape, nested_archive, archive_members, encrypted.
    """
    name = path.lower()
    if name.endswith(".gz"):
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
            plain = _drain(stream, len(content), path)
    elif name.endswith(".zip"):
        plain = _unzip(content, path)
    else:
        plain = content
    if plain.startswith(_MAGIC):
        raise RejectedFileError(
            path, "nested_archive", "an archive lies where the csv should be", "pack the csv itself, once"
        )
    return plain


def _unzip(content: bytes, path: str) -> bytes:
    _check_directory_size(content, path)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            member = _only_member(archive, path)
            if member.file_size > min(MAX_CONTENT_BYTES, max(_FREE_BYTES, MAX_RATIO * len(content))):
                raise _bomb(path, member.file_size, len(content))
            with archive.open(member) as stream:
                return _drain(stream, len(content), path)
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise _truncated(path, str(error)) from error


def _only_member(archive: zipfile.ZipFile, path: str) -> zipfile.ZipInfo:
    for member in archive.infolist():
        parts = PurePosixPath(member.filename.replace("\\", "/")).parts
        drive = bool(parts) and parts[0].endswith(":")
        link = stat.S_ISLNK(member.external_attr >> 16)
        if not parts or parts[0] == "/" or ".." in parts or drive or link:
            raise RejectedFileError(
                path,
                "zip_path_escape",
                f"member {member.filename[:100]!r} points outside the archive",
                "pack plain files",
            )
        if member.filename.lower().endswith(_ARCHIVES):
            raise RejectedFileError(
                path,
                "nested_archive",
                f"member {member.filename[:100]!r} is an archive",
                "pack the csv itself, once",
            )
    files = [member for member in archive.infolist() if not member.is_dir()]
    if len(files) != 1:
        raise RejectedFileError(
            path, "archive_members", f"it holds {len(files)} files", "pack exactly one csv in a zip"
        )
    if files[0].flag_bits & 1:
        raise RejectedFileError(path, "encrypted", "the member is encrypted", "pack it without a password")
    return files[0]


def _check_directory_size(content: bytes, path: str) -> None:
    """Refuse a zip whose list of members alone would fill the memory, before `zipfile` reads that list."""
    end = content.rfind(b"PK\x05\x06", -(2**16 + 22))
    if end < 0 or len(content) < end + 22:
        raise _truncated(path, "the archive's directory is missing")
    directory = int.from_bytes(content[end + 12 : end + 16], "little")
    if directory > _MAX_DIRECTORY_BYTES or content[max(0, end - 20) : max(0, end - 16)] == b"PK\x06\x07":
        raise RejectedFileError(
            path, "zip_bomb", "it lists more members than a vendor file has", "pack exactly one csv in a zip"
        )


def _drain(stream: IO[bytes] | gzip.GzipFile, packed: int, path: str) -> bytes:
    limit = min(MAX_CONTENT_BYTES, max(_FREE_BYTES, MAX_RATIO * packed))
    parts, size = [], 0
    try:
        for chunk in _chunks(stream):
            size += len(chunk)
            if size > limit:
                raise _bomb(path, size, packed)
            parts.append(chunk)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _truncated(path, str(error)) from error
    return b"".join(parts)


def _chunks(stream: IO[bytes] | gzip.GzipFile) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk


def _bomb(path: str, size: int, packed: int) -> RejectedFileError:
    return RejectedFileError(
        path,
        "zip_bomb",
        f"{packed:,} bytes unpack to {size:,} or more"
        f" (limits: {MAX_RATIO} times as much, and {MAX_CONTENT_BYTES:,} bytes)",
        "split it by date, or drop it unpacked",
    )


def _truncated(path: str, detail: str) -> RejectedFileError:
    return RejectedFileError(
        path, "truncated", f"the archive is cut or damaged ({detail})", "drop the complete file again"
    )
