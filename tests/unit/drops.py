"""What comes of one file dropped for `csv_drop`, on real bytes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from lim_pipelines.sources.base import RejectedFileError, SourceFile
from lim_pipelines.sources.csv_drop import CsvDrop
from lim_pipelines.sources.folder import spelled


@dataclass(frozen=True)
class Inspection:
    """Sessions touched and rows of an accepted file, or the rule and reason of a refused one."""

    file: SourceFile
    dates: tuple[date, ...] = ()
    rows: int = 0
    rows_rejected: int = 0
    rule: str = ""
    reason: str = ""


def listed(landing: Path) -> list[str]:
    return [file.path for file in CsvDrop().files(landing)]


def inspect(path: Path | str, landing: Path) -> Inspection:
    if isinstance(path, Path):
        path = spelled(path.relative_to(landing)) if path.is_relative_to(landing) else str(path)
    files = {file.path: file for file in CsvDrop().files(landing)}
    unlisted = SourceFile("csv_drop", path, 0, datetime(2020, 1, 1, tzinfo=UTC), frozenset())
    file = files.get(path, unlisted)
    try:
        blocks = list(CsvDrop().read(file, landing))
    except RejectedFileError as error:
        return Inspection(file, rule=error.rule, reason=f"{error.reason}; {error.remedy}")
    dates = pl.concat([frame["date"] for block in blocks for frame in (block.rows, block.rejected)])
    rows, held = (sum(getattr(b, kind).height for b in blocks) for kind in ("rows", "rejected"))
    return Inspection(file, tuple(dates.unique().sort()), rows, held)
