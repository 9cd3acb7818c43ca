"""The landing folder: csv files that people and vendors drop, `landing/csv_drop/<MIC>/<name>.csv[.gz|.zip]`.

What does not belong here: opening files safely (`landed.py`), reading lines (`csv_rows.py`).

A dropped file is a feed: its rows are known when the bar has ended and the feed's lag has passed, but not
before the file arrived (its modification time), because before that nobody here had it. Files under
`landing/csv_drop/<MIC>/history/` are declared history: whoever drops one there vouches that its bars were
known as they happened, and they count as known at the bar's end plus the feed's lag.

Names that begin with a dot or end with .part or .tmp are files still being written, and left alone. Names
that are not UTF-8 are listed with their odd bytes spelled out (hexadecimal, after a backslash) and refused:
tables, run keys and metadata hold text.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path, PurePosixPath

import polars as pl

from lim_pipelines.exchanges import EXCHANGES
from lim_pipelines.sources import csv_rows
from lim_pipelines.sources.base import Parsed, RejectedFileError, SourceFile
from lim_pipelines.sources.landed import MAX_FILE_BYTES, inside, read_file, too_large, unpack

FOLDER = "csv_drop"
HISTORY = "history"
SUFFIXES = (".csv", ".csv.gz", ".csv.zip", ".zip")
_UNFINISHED = (".part", ".tmp")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class CsvDrop:
    """Files dropped in the landing folder; what each must hold is said in `csv_rows.py`."""

    name = FOLDER
    exchanges = frozenset(EXCHANGES)

    def files(self, landing: Path) -> list[SourceFile]:
        """List all finished files, sorted by path; whether they are any good is seen when they are read."""
        return [_describe(landing, path) for path in landed(landing)]

    def read(self, file: SourceFile, landing: Path) -> Parsed:
        """Parse one file.

        Raises
        ------
        RejectedFileError
            The rule that it fails: file_name, unknown_exchange, unknown_file_type, changed_while_reading, or
            one of those of `landed.py` and `csv_rows.py`.
        """
        inside(landing, file.path)
        if not well_named(file.path):
            raise RejectedFileError(
                file.path,
                "file_name",
                "its name holds a backslash, or bytes that are not UTF-8 (shown as \\x and two digits)",
                "rename it",
            )
        parts = PurePosixPath(file.path).parts
        mic = parts[1] if len(parts) > 2 else ""
        if mic not in EXCHANGES:
            raise RejectedFileError(
                file.path,
                "unknown_exchange",
                f"{mic or 'no folder'} is not a registered exchange",
                f"drop it under {FOLDER}/<one of {', '.join(sorted(EXCHANGES))}>/",
            )
        if not file.path.lower().endswith(SUFFIXES):
            raise RejectedFileError(
                file.path,
                "unknown_file_type",
                "its name ends unlike a csv",
                f"name it *{', *'.join(SUFFIXES)}",
            )
        if file.bytes > MAX_FILE_BYTES:
            raise too_large(file.path, file.bytes)
        content = read_file(landing, file.path)
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise RejectedFileError(
                file.path, "changed_while_reading", "it was still being written", "it is read again next time"
            )
        origin = csv_rows.Origin(
            file.path, mic, file.arrived_at, history=parts[2] == HISTORY and len(parts) > 3
        )
        return csv_rows.parse(unpack(content, file.path), origin)


@dataclass(frozen=True)
class Inspection:
    """What a landed file would change, for a sensor and for the table of landed files.

    Parameters
    ----------
    file
        The file.
    dates
        Session dates that it touches (quarantined rows included), sorted; empty for a refused file.
    rows, rows_rejected
        Rows accepted and quarantined.
    rule, reason
        Rule that the file as a whole fails, what is wrong and what to do; empty if it is accepted.
    """

    file: SourceFile
    dates: tuple[date, ...]
    rows: int
    rows_rejected: int
    rule: str
    reason: str


def inspect(path: Path | str, landing: Path) -> Inspection:
    """Read a landed file and say which partitions it touches; never raises on bad input.

    Parameters
    ----------
    path
        The file: absolute, or under the landing folder.
    landing
        The landing folder.

    Returns
    -------
    Inspection
        Time and memory are bounded by the limits of `landed.py`.
    """
    where = Path(path)
    relative = where.relative_to(landing) if where.is_relative_to(landing) else where
    file = _describe(landing, _spelled(relative))
    try:
        parsed = CsvDrop().read(file, landing)
    except RejectedFileError as error:
        return Inspection(file, (), 0, 0, error.rule, f"{error.reason}; {error.remedy}")
    dates = pl.concat([parsed.rows["date"], parsed.rejected["date"]]).unique().sort()
    return Inspection(file, tuple(dates), parsed.rows.height, parsed.rejected.height, "", "")


def landed(landing: Path) -> list[str]:
    """Paths (under the landing folder) of all finished files, sorted; links are listed, never followed."""
    found = []
    for folder, folders, names in os.walk(landing / FOLDER, followlinks=False):
        here = Path(folder)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        linked = [name for name in folders if (here / name).is_symlink()]
        finished = [n for n in names if not n.startswith(".") and not n.endswith(_UNFINISHED)]
        found += [_spelled((here / name).relative_to(landing)) for name in (*linked, *finished)]
    # Two names may be spelled alike.
    return sorted(set(found))


def well_named(path: str) -> bool:
    """Whether a listed path is the file's real one: without a backslash, which spells out odd bytes."""
    return "\\" not in path


def _spelled(path: Path) -> str:
    """Path as text, whatever bytes it is made of."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


def _describe(landing: Path, path: str) -> SourceFile:
    """Describe a file without trusting it: what must not be read has no hash and no size."""
    parts = PurePosixPath(path).parts
    mic = parts[1] if len(parts) > 2 and parts[1] in EXCHANGES else None
    nothing = SourceFile(FOLDER, path, "", 0, _EPOCH, mic)
    try:
        where = inside(landing, path)
        status = where.lstat()
    except (RejectedFileError, OSError):
        return nothing
    if not stat.S_ISREG(status.st_mode):
        return nothing
    digest = _sha256(where) if status.st_size <= MAX_FILE_BYTES else ""
    # A clock ahead of ours must not date a file into the future.
    arrived_at = min(_EPOCH + timedelta(microseconds=status.st_mtime_ns // 1000), datetime.now(UTC))
    return SourceFile(FOLDER, path, digest, status.st_size, arrived_at, mic)


def _sha256(where: Path) -> str:
    try:
        return hashlib.sha256(where.read_bytes()).hexdigest()
    except OSError:
        return ""
