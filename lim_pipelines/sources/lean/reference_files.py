"""LEAN's small text files beside the bars: read safely, refused with file, line and remedy.

What does not belong here: what their columns mean (`maps.py`, `factors.py`, `properties.py`, `futures.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lim_pipelines.sources.base import RejectedFileError, SourceFile
from lim_pipelines.sources.folder import HISTORY, entry_at
from lim_pipelines.sources.landed import read_file
from lim_pipelines.sources.lean.paths import FOLDER


def numbered_rows(landing: Path, file: str, width: int, fill: str = "") -> Iterator[tuple[int, list[str]]]:
    """Rows of a comma-separated file without quotes, with their line numbers.

    Parameters
    ----------
    landing
        The landing folder.
    file
        Path under it.
    width
        Number of fields to give; further ones are left out.
    fill
        Stands for fields that the row lacks.

    Yields
    ------
    tuple
        Line number, beginning at 1, and fields without blanks around them. Empty lines and those that
        begin with # are left out.
    """
    for line, row in enumerate(text(landing, file).splitlines(), 1):
        if row.strip() and not row.startswith("#"):
            fields = [field.strip() for field in row.split(",")][:width]
            yield line, fields + [fill] * (width - len(fields))


def refused(file: str, error: Exception, what: str) -> RejectedFileError:
    """Refuse a reference file that cannot be understood: bars must not be read without what it says."""
    return RejectedFileError(
        file,
        "reference_file",
        f"it is no {what} ({type(error).__name__}: {error})",
        "drop LEAN's own file again",
    )


def listed(landing: Path, path: str) -> SourceFile:
    """Describe a file beside the bars as it lies there now.

    Raises
    ------
    RejectedFileError
        not_a_file: it has gone.
    """
    entry = entry_at(landing, path)
    if entry is None:
        raise RejectedFileError(path, "not_a_file", "it is no longer there", "drop it again")
    history = HISTORY in path.split("/")
    return SourceFile(FOLDER, path, entry.bytes, entry.modified_at, frozenset(), history=history)


def text(landing: Path, path: str) -> str:
    """Read a small text file.

    Raises
    ------
    RejectedFileError
        not_a_file, reference_file, and those of `landed.py`.
    """
    try:
        return read_file(landing, path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise refused(path, error, "text in UTF-8") from error
