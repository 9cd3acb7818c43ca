"""From files of alternative data to the raw tables: each new or changed file is read once.

What does not belong here: vendors' formats (`sources/`), what a symbol means (`steps.py`).

Files are read in parallel and written in batches, in the order in which the sources list them: first the
data, then the rows held back, then the files' own lines. A run that is killed goes on with the first file
that has no line; what it wrote of that file is there already and is not written twice.

A file that no longer holds a row takes nothing back: vendors of alternative data send corrections, not
deletions. But where the code or the mapping that reads a file is another one, the rows of the file are
replaced, as if it had never been read: what was read wrongly, such as a moment of knowledge that was too
early, does not stay beside what is right. (What the file said before it was edited is forgotten with it.)
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from lim_pipelines import clock
from lim_pipelines.alternative.beside import lay_beside
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import ALTERNATIVE_FILES, QUARANTINE, Table
from lim_pipelines.sources.alternative import RAW_TABLES, AlternativeFile, alternative_files, read_whole
from lim_pipelines.sources.base import QUARANTINE_AS, ParsedTables, RejectedFileError
from lim_pipelines.sources.mappings import digest
from lim_pipelines.sources.reading import READER_FAILED, in_order

READERS = "1"
"""Version of the readers; raise it when one of them gives other rows for the same file."""

BATCH_ROWS = 1_000_000
"""Rows, and files below, after which what was read is written; a file is always written whole."""

BATCH_FILES = 400

_TRIED_AGAIN = (READER_FAILED, "changed_while_reading")
"""Rules whose cause may be gone although the file is as it was."""


@dataclass(frozen=True)
class LoadedFiles:
    """What a run of `load_raw` did.

    Parameters
    ----------
    read, unchanged
        Files that were read, refused ones included; files that were known and left alone.
    rows, rows_rejected
        Rows that the files gave to each raw table, and rows that their parsers held back.
    refused
        One error for each file refused as a whole; nothing of it entered.
    changed
        Raw table to the partitions of it that were written.
    """

    read: int
    unchanged: int
    rows: Mapping[str, int]
    rows_rejected: int
    refused: tuple[RejectedFileError, ...]
    changed: Mapping[str, int]


@dataclass(frozen=True)
class _Read:
    """A file and its content; if it is refused, why."""

    file: AlternativeFile
    content: ParsedTables
    error: RejectedFileError | None = None

    @property
    def rows(self) -> int:
        return sum(frame.height for frame in self.content.rows.values())


def load_raw(lake: Lake, landing: Path) -> LoadedFiles:
    """Read what is new or changed of alternative data, mappings included, and write the five raw tables.

    Values that differ from what the lake holds become revisions, known as of now or as the file says,
    whichever is later; identical ones are none (`beside.py`). Files refused as a whole are named in
    `ALTERNATIVE_FILES` with rule and reason, rows held back by parsers are in `QUARANTINE`. Again, without
    news, it commits nothing.

    Parameters
    ----------
    lake
        Lake to write.
    landing
        Folder of dropped vendor files.
    """
    listed = alternative_files(landing)
    lines = _forget_refused(lake, {(job.name, job.file.path) for job in listed})
    readings = {job.file.path: _reading(job, landing) for job in listed}
    known = _as_they_were(lines)
    unread = [job for job in listed if known.get((job.name, job.file.path)) != _state(job, readings)]
    # Paths of files that were read by other code, or with another mapping, and not yet again.
    stale = set(
        lines.filter(
            pl.col("code_version")
            != pl.col("path").replace_strict(readings, default=pl.col("code_version"), return_dtype=pl.String)
        )["path"]
    )
    refused: list[RejectedFileError] = []
    rows, changed = dict.fromkeys(RAW_TABLES, 0), dict.fromkeys(RAW_TABLES, 0)
    rows_rejected = 0
    for batch in _batches(in_order(lambda job: _read(job, landing), unread)):
        for name, table in RAW_TABLES.items():
            rows[name] += sum(read.content.rows[name].height for read in batch if name in read.content.rows)
            changed[name] += _lay_beside(lake, table, batch, stale)
        _hold_back(lake, batch)
        _write_lines(lake, batch, readings)
        stale -= {read.file.file.path for read in batch}
        refused += [read.error for read in batch if read.error is not None]
        rows_rejected += sum(read.content.rejected.height for read in batch)
    return LoadedFiles(len(unread), len(listed) - len(unread), rows, rows_rejected, tuple(refused), changed)


def refused_files(lake: Lake) -> pl.DataFrame:
    """Files that were refused as a whole, frame of `ALTERNATIVE_FILES`, sorted."""
    return lake.revisions(ALTERNATIVE_FILES, pl.col("rule") != "").collect().sort(ALTERNATIVE_FILES.key)


def _forget_refused(lake: Lake, listed: Collection[tuple[str, str]]) -> pl.DataFrame:
    """Drop the lines of refused files that were taken away, which is what was asked for; return the rest.

    Lines of files that entered stay: what they brought does, too.
    """
    lines = lake.revisions(ALTERNATIVE_FILES).collect()
    there = pl.DataFrame(list(listed), schema=["source", "path"], orient="row")
    there = there.cast({"source": pl.String, "path": pl.String})
    gone = lines.filter(pl.col("rule") != "").join(there, on=["source", "path"], how="anti")
    if gone.is_empty():
        return lines
    lake.update(
        ALTERNATIVE_FILES,
        gone,
        lambda now: now.join(gone, on=list(ALTERNATIVE_FILES.columns), how="anti", nulls_equal=True),
    )
    return lines.join(gone, on=["source", "path"], how="anti")


_State = tuple[str, int, datetime]


def _as_they_were(lines: pl.DataFrame) -> dict[tuple[str, str], _State]:
    """Look up reading, size and time of the files that need not be tried again, by source and path."""
    settled = lines.filter(~pl.col("rule").is_in(_TRIED_AGAIN))
    columns = settled.select("source", "path", "code_version", "bytes", "modified_at")
    return {(source, path): tuple(state) for source, path, *state in columns.iter_rows()}


def _state(job: AlternativeFile, readings: Mapping[str, str]) -> _State:
    return readings[job.file.path], job.file.bytes, job.file.arrived_at


def _reading(job: AlternativeFile, landing: Path) -> str:
    """By what a file is read: the readers' version, and its mapping where it has one."""
    return f"{READERS} {digest(landing, job.file.path)}".strip()


def _read(file: AlternativeFile, landing: Path) -> _Read:
    """Read one file; a mistake in it, or in its reader, refuses it and nothing else."""
    try:
        return _Read(file, read_whole(file, landing))
    except RejectedFileError as error:
        return _Read(file, ParsedTables({}, QUARANTINE.empty()), error)


def _batches(reads: Iterable[_Read]) -> Iterator[list[_Read]]:
    batch: list[_Read] = []
    rows = 0
    for read in reads:
        batch.append(read)
        rows += read.rows
        if rows >= BATCH_ROWS or len(batch) >= BATCH_FILES:
            yield batch
            batch, rows = [], 0
    if batch:
        yield batch


def _lay_beside(lake: Lake, table: Table, batch: list[_Read], stale: Collection[str]) -> int:
    """Merge what several files say, one after the other, into a raw table; return the partitions written.

    Rows of a file that was stale are replaced. While others are stale, their rows count for nothing: what
    they say will be told anew, in its turn.
    """
    frames = [read.content.rows[table.name] for read in batch if table.name in read.content.rows]
    again = {read.file.file.path for read in batch if read.error is None} & set(stale)
    ours, waiting = _of_files(again), _of_files(set(stale) - again)
    scopes = [frame.select(table.partition_key) for frame in frames]
    if again:
        scopes.append(lake.revisions(table, ours).select(table.partition_key).collect())
    if not scopes:
        return 0
    now = clock.now()

    def merged(there: pl.DataFrame) -> pl.DataFrame:
        later = there.filter(waiting) if stale else there.clear()
        there = there.filter(~ours & ~waiting) if stale else there
        for frame in frames:
            there = lay_beside(there, frame, now, table)
        return pl.concat([there, later.join(there, on=table.row_key, how="anti")])

    return lake.update(table, pl.concat(scopes).unique(), merged).changed.height


def _of_files(paths: Collection[str]) -> pl.Expr:
    """Whether a row came from one of some files; rows of archives name the file, #, and the name inside."""
    names = pl.Series(sorted(paths), dtype=pl.String).implode()
    return pl.col("file").is_in(names) | pl.col("file").str.split("#").list.first().is_in(names)


def _hold_back(lake: Lake, batch: list[_Read]) -> None:
    """Put the rejected rows of the files read now in the place of those they had before."""
    ours = _of_files([read.file.file.path for read in batch])
    ours &= (pl.col("stage") == "parse") & (pl.col("exchange") == QUARANTINE_AS)
    rejected = pl.concat([read.content.rejected for read in batch])
    before = lake.revisions(QUARANTINE, ours).select(QUARANTINE.partition_key).collect()
    scope = pl.concat([before, rejected.select(QUARANTINE.partition_key)]).unique()
    if scope.height:
        lake.update(QUARANTINE, scope, lambda there: pl.concat([there.filter(~ours), rejected]))


def _write_lines(lake: Lake, batch: list[_Read], readings: Mapping[str, str]) -> None:
    lines = pl.DataFrame(
        [_line(read, readings[read.file.file.path]) for read in batch], schema=ALTERNATIVE_FILES.schema
    )
    key = ["source", "path"]
    lake.update(
        ALTERNATIVE_FILES, lines, lambda there: pl.concat([there.join(lines, on=key, how="anti"), lines])
    )


def _line(read: _Read, reading: str) -> dict[str, object]:
    moments = [frame["ts"] for frame in read.content.rows.values() if "ts" in frame.columns]
    file, error = read.file.file, read.error
    return {
        "source": read.file.name,
        "path": file.path,
        "bytes": file.bytes,
        "modified_at": file.arrived_at,
        "code_version": reading,
        "rows": read.rows,
        "rows_rejected": read.content.rejected.height,
        "first_ts": min((ts.min() for ts in moments), default=None),  # type: ignore[type-var]
        "last_ts": max((ts.max() for ts in moments), default=None),  # type: ignore[type-var]
        "rule": error.rule if error else "",
        "reason": f"{error.reason}; {error.remedy}" if error else "",
    }
