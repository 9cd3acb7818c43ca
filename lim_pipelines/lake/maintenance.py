"""Compaction and retention: many small files become few, old files go.

What does not belong here: when it runs (`assets/`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta

import polars as pl
from deltalake.exceptions import CommitFailedError

from lim_pipelines.lake.files import FILE_ROWS, sizes, write_files
from lim_pipelines.lake.log import LONGEST_KEEP, Log
from lim_pipelines.lake.point_in_time import stored_schema
from lim_pipelines.lake.store import COMMIT_TRIES, Lake
from lim_pipelines.schemas import TABLES, Table

SHORTEST_KEEP = timedelta(hours=1)
"""A writer's files that are not committed yet look like waste; no write takes longer."""


class TornFileError(RuntimeError):
    """A file of the lake is missing, or not as long as it was when it was committed."""


def maintain(lake: Lake, keep: timedelta, tables: Iterable[Table] = tuple(TABLES.values())) -> pl.DataFrame:
    """Compact every table and remove the files that no version of the last `keep` needs.

    Parameters
    ----------
    lake
        The lake; others may go on reading and writing.
    keep
        How far back old versions stay readable; an hour to a year. Facts are never removed: all revisions are
        in the newest version.
    tables
        Tables to look after.

    Returns
    -------
    pl.DataFrame
        One row a table that exists: table, version, rows, files_before, files_after (count),
        files_removed (old files deleted), bytes (of the newest version), seconds.

    Raises
    ------
    TornFileError
        A file is missing or torn.
    """
    done = []
    for table in tables:
        started = time.perf_counter()
        before = lake.open(table)
        if before is None:
            continue
        _refuse_torn(before)
        compact(lake, table)
        removed = vacuum(lake, table, keep)
        after = lake.open(table) or before
        # Whoever opens the table next reads one file instead of all commits.
        after.delta.create_checkpoint()
        files = after.files()
        done.append(
            {
                "table": table.name,
                "version": after.version,
                "rows": files["rows"].sum(),
                "files_before": before.files().height,
                "files_after": files.height,
                "files_removed": removed,
                "bytes": files["bytes"].sum(),
                "seconds": time.perf_counter() - started,
            }
        )
    return pl.DataFrame(
        done,
        schema={
            "table": pl.String,
            "version": pl.Int64,
            "rows": pl.Int64,
            "files_before": pl.Int64,
            "files_after": pl.Int64,
            "files_removed": pl.Int64,
            "bytes": pl.Int64,
            "seconds": pl.Float64,
        },
    )


def _refuse_torn(log: Log) -> None:
    """Compare the files with what the commits say of them; readers of a torn one fail without a name."""
    files = log.files()
    found = pl.Series("found", sizes(log.uri, files["path"].to_list(), log.options), pl.Int64)
    torn = files.with_columns(found).filter(pl.col("found").ne_missing(pl.col("bytes")))
    if torn.height:
        raise TornFileError(
            f"table {log.table.name}: {torn.height} files in {log.uri} are missing or not as they were"
            f" committed, e.g. {torn.select('path', 'bytes', 'found').row(0, named=True)}. Bring them back"
            " from a backup, or remove the table and materialise it again from the landing folder"
        )


def compact(lake: Lake, table: Table) -> int:
    """Put small neighbouring files of a table together, sorted, into files of up to `FILE_ROWS` rows.

    No content changes: `changed_since` does not see it. In the memory of one file at a time.

    Returns
    -------
    int
        Version of the table afterwards, -1 if it does not exist.
    """
    log = lake.open(table)
    if log is None:
        return -1
    names = stored_schema(table).names()
    moved = []
    for paths in _bins(log.files(), table):
        uris = [f"{log.uri}/{path}" for path in paths]
        rows = pl.scan_parquet(uris, storage_options=log.options).select(names).sort(table.row_key).collect()
        moved.append((paths, write_files(rows, table, log.uri, log.options, data_change=False)))
    for _ in range(COMMIT_TRIES):
        # What another writer has replaced meanwhile stays as he left it.
        there = set(log.files()["path"])
        moved = [(paths, files) for paths, files in moved if there.issuperset(paths)]
        if not moved:
            break
        try:
            return log.commit(
                [f for _, files in moved for f in files], [p for paths, _ in moved for p in paths]
            )
        except CommitFailedError:
            log.follow()
    return log.version


def _bins(files: pl.DataFrame, table: Table) -> Iterator[list[str]]:
    """Neighbouring files of one `stored_by` combination that fit into one file, two at least."""
    stored = [f"min.{name}" for name in table.stored_by]
    order = [f"min.{name}" for name in table.partition_key if name not in table.stored_by]
    files = files.sort([*stored, *order, "path"], nulls_last=False)
    groups = files.partition_by(stored, maintain_order=True) if stored else [files]
    for group in groups:
        paths: list[str] = []
        total = 0
        for path, rows in group.select("path", "rows").rows():
            if paths and total + rows > FILE_ROWS:
                if len(paths) > 1:
                    yield paths
                paths, total = [], 0
            paths.append(path)
            total += rows
        if len(paths) > 1:
            yield paths


def vacuum(lake: Lake, table: Table, keep: timedelta) -> int:
    """Remove files that only versions older than `keep` need, and what killed writers left behind.

    Returns
    -------
    int
        Files removed.

    Raises
    ------
    ValueError
        `keep` is shorter than a write may take, or longer than the log remembers removals.
    """
    if keep < SHORTEST_KEEP:
        raise ValueError(
            f"keep={keep}: files of writers at work would be removed; keep {SHORTEST_KEEP} or more"
        )
    if keep > LONGEST_KEEP:
        raise ValueError(f"keep={keep}: the log remembers removals for {LONGEST_KEEP}; keep less")
    log = lake.open(table)
    if log is None:
        return 0
    hours = math.ceil(keep / timedelta(hours=1))
    doomed = log.delta.vacuum(hours, dry_run=True, enforce_retention_duration=False, full=True)
    # It names again what it has removed before, and a removal of nothing would be two commits.
    there = sum(size is not None for size in sizes(log.uri, doomed, log.options))
    if there:
        log.delta.vacuum(hours, dry_run=False, enforce_retention_duration=False, full=True)
    return there
