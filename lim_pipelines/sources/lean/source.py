"""QuantConnect LEAN's `Data` folder: bars of every class that it ships, and what it says of instruments.

What does not belong here: paths (`paths.py`), bars (`bars.py`), corporate actions and rolls (`reference.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from lim_pipelines.schemas import CORPORATE_ACTIONS, ROLLS
from lim_pipelines.sources.base import Parsed, RejectedFileError, SourceFile
from lim_pipelines.sources.folder import vendor_files
from lim_pipelines.sources.lean.bars import read_bars
from lim_pipelines.sources.lean.markets import EXCHANGES, exchanges_of
from lim_pipelines.sources.lean.paths import FOLDER, LeanPath, holds_no_bars, understand
from lim_pipelines.sources.lean.reference import corporate_actions, rolls

_THROUGH_NIGHTS = ("future", "forex", "cfd")
"""Classes whose evenings belong to a later session."""
_LONGEST_HOLIDAY = timedelta(days=8)


class Lean:
    """Files below `landing/lean/`, as LEAN ships them; docs/sources/lean.md says what is read, what not."""

    name = FOLDER
    exchanges = EXCHANGES

    def files(self, landing: Path) -> list[SourceFile]:
        """List the files of bars, by path alone; what lies where LEAN has nothing is refused when it is read.

        Ticks of a day for which there are bars of a second are left out: LEAN has gathered them itself.
        """
        found = [(file, understand(file.path)) for file in vendor_files(landing, self.name)]
        seconds = {
            replace(path, resolution="tick") for _, path in found if path and path.resolution == "second"
        }
        return [
            _described(file, path)
            for file, path in found
            if not holds_no_bars(file.path) and path not in seconds
        ]

    def read(self, file: SourceFile, landing: Path) -> Iterator[Parsed]:
        """Parse one file.

        Raises
        ------
        RejectedFileError
            unknown_layout, and those of `read_bars`.
        """
        path = understand(file.path)
        if path is None:
            raise RejectedFileError(
                file.path,
                "unknown_layout",
                "LEAN has no file of bars of that name",
                f"drop it as {FOLDER}/<class>/<market>/<resolution>/..., as in LEAN's Data folder",
            )
        yield from read_bars(file, path, landing)

    def reference(self, landing: Path) -> dict[str, pl.DataFrame]:
        """Read map files and factor files: corporate actions of shares, rolls of futures."""
        return {CORPORATE_ACTIONS.name: corporate_actions(landing), ROLLS.name: rolls(landing)}


def _described(file: SourceFile, path: LeanPath | None) -> SourceFile:
    if path is None:
        return file
    first, last = _sessions(path)
    return replace(file, exchanges=exchanges_of(path), first=first, last=last)


def _sessions(path: LeanPath) -> tuple[date | None, date | None]:
    if path.day is None:
        return None, None
    if path.asset_class in _THROUGH_NIGHTS:
        return path.day - timedelta(days=1), path.day + _LONGEST_HOLIDAY
    return path.day, path.day
