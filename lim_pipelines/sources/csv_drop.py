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

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path, PurePosixPath

import polars as pl

from lim_pipelines.exchanges import EXCHANGES
from lim_pipelines.sources import csv_rows
from lim_pipelines.sources.base import Parsed, RejectedFileError, SourceFile
from lim_pipelines.sources.folder import vendor_files, well_named
from lim_pipelines.sources.landed import MAX_FILE_BYTES, inside, read_file, too_large, unpack

FOLDER = "csv_drop"
SUFFIXES = (".csv", ".csv.gz", ".csv.zip", ".zip")


class CsvDrop:
    """Files dropped in the landing folder; what each must hold is said in `csv_rows.py`."""

    name = FOLDER
    exchanges = frozenset(EXCHANGES)

    def files(self, landing: Path) -> list[SourceFile]:
        """List all finished files, sorted by path; whether they are any good is seen when they are read."""
        return [
            replace(file, exchanges=frozenset({mic} & self.exchanges))
            for file in vendor_files(landing, self.name)
            for mic in [(*PurePosixPath(file.path).parts, "")[1]]
        ]

    def read(self, file: SourceFile, landing: Path) -> Iterator[Parsed]:
        """Parse one file.

        Raises
        ------
        RejectedFileError
            The rule that it fails: file_name, unknown_exchange, unknown_file_type, or one of those of
            `landed.py` and `csv_rows.py`.
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
        origin = csv_rows.Origin(file.path, mic, file.arrived_at, history=file.history)
        yield csv_rows.parse(unpack(content, file.path), origin)


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


def inspect(file: SourceFile, landing: Path) -> Inspection:
    """Read a landed file and say which partitions it touches; never raises on bad input."""
    try:
        blocks = list(CsvDrop().read(file, landing))
    except RejectedFileError as error:
        return Inspection(file, (), 0, 0, error.rule, f"{error.reason}; {error.remedy}")
    dates = pl.concat([frame["date"] for block in blocks for frame in (block.rows, block.rejected)])
    return Inspection(
        file,
        tuple(dates.unique().sort()),
        sum(block.rows.height for block in blocks),
        sum(block.rejected.height for block in blocks),
        "",
        "",
    )
