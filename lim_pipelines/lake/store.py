"""The lake: reading tables as of a moment, writing whole partitions.

What does not belong here: what holds at a moment (`point_in_time.py`), how partitions lie in files
(`partitions.py`), compaction and retention (`maintenance.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl
from deltalake.exceptions import CommitFailedError

from lim_pipelines.lake.content import changed_partitions, fingerprint
from lim_pipelines.lake.files import sizes
from lim_pipelines.lake.log import Log
from lim_pipelines.lake.partitions import as_scope, content_of, refuse_strays, replace
from lim_pipelines.lake.point_in_time import AsOf, holds
from lim_pipelines.schemas import Table

COMMIT_TRIES = 200
"""Races that a commit may lose; trying again costs about 10 ms, in a folder."""


@dataclass(frozen=True)
class Commit:
    """What a write did.

    Parameters
    ----------
    version
        Version of the table afterwards, -1 if it does not exist.
    changed
        Partitions whose content changed, one row each (the table's partition key).
    content
        All rows of the written partitions, sorted by row key.
    """

    version: int
    changed: pl.DataFrame
    content: pl.DataFrame

    @property
    def rows(self) -> int:
        """Rows in the written partitions."""
        return self.content.height

    @cached_property
    def fingerprint(self) -> str:
        """Content hash of the written partitions, all revisions included.

        The same content gives the same hash, whenever and in however many steps it was written.
        """
        return fingerprint(self.content)


class Lake:
    """The lake below one root folder or URL.

    Parameters
    ----------
    root
        Folder, or an S3 URL (s3://bucket/folder).
    storage_options
        Credentials and settings for a URL, under the names of the AWS_* environment variables. Without them
        the environment's count.
    """

    def __init__(self, root: str | Path, storage_options: dict[str, str] | None = None) -> None:
        self.root = str(root)
        self.storage_options = storage_options
        # Following a log from where one was takes a tenth of opening it anew.
        self._followed: dict[str, Log] = {}

    def uri(self, table: Table) -> str:
        """Where a table lies."""
        return f"{self.root.rstrip('/')}/{table.name}"

    def open(self, table: Table, version: int | None = None) -> Log | None:
        """Open a table's log for oneself, at its newest version or an older one; None if there is no table.

        Raises
        ------
        LayoutError
            The table was written by other code.
        """
        return Log.open(table, self.uri(table), self.storage_options, version)

    def _newest(self, table: Table) -> Log | None:
        """Return the newest version, for reading only: it moves on under whoever holds it."""
        log = self._followed.get(table.name)
        if log is None or not log.follow():
            log = self.open(table)
            if log is not None:
                self._followed[table.name] = log
        return log

    def version(self, table: Table) -> int:
        """Version of a table; -1 if it does not exist."""
        log = self._newest(table)
        return -1 if log is None else log.version

    def identity(self, table: Table) -> str:
        """Identity of a table, another one if it was removed and made again; empty if it does not exist."""
        log = self._newest(table)
        return "" if log is None else str(log.delta.metadata().id)

    def file_uris(self, table: Table) -> list[str]:
        """Parquet files that make up the newest version of a table, for readers such as DuckDB."""
        log = self._newest(table)
        return [] if log is None else sorted(log.delta.file_uris())

    def revisions(
        self, table: Table, where: pl.Expr | None = None, version: int | None = None
    ) -> pl.LazyFrame:
        """All rows of a table with all their revisions, in no particular order.

        Parameters
        ----------
        table
            Table to read.
        where
            Filter; filters on `stored_by` columns, `date`, `ts` and `known_at` skip files.
        version
            Version of the table, of which `has_version` is true; None is the newest.
        """
        log = self._newest(table) if version is None else self.open(table, version)
        return _select(log, table, where)

    def read(self, table: Table, *, as_of: AsOf, where: pl.Expr | None = None) -> pl.LazyFrame:
        """Read a table as it was known at a moment.

        Parameters
        ----------
        table
            Table to read.
        as_of
            Moment, UTC, or `LATEST`. Ignored by tables without `known_at`.
        where
            Filter; filters on `stored_by` columns, `date`, `ts` and `known_at` skip files.

        Returns
        -------
        pl.LazyFrame
            One row a key, in no particular order: whoever needs one sorts. (Sorting a month of 5,000
            instruments takes longer than reading it.) Withdrawn facts have no row.
        """
        known = holds(as_of, table)
        return _select(self._newest(table), table, known if where is None else where & known)

    def write(self, table: Table, frame: pl.DataFrame, scope: pl.DataFrame) -> Commit:
        """Make `frame` the whole content of the partitions in `scope`.

        One atomic commit for all partitions that change; none if nothing changes. Other partitions are not
        touched, so writers of different partitions do not disturb each other. Of two writers of the same
        partition the later one wins; who adds to what is there uses `update`.

        Parameters
        ----------
        table
            Table to write.
        frame
            All rows of the partitions in `scope`.
        scope
            Partitions that are written, one row each (the table's partition key). A partition without rows in
            `frame` becomes empty.

        Raises
        ------
        SchemaError
            The frame does not fit the table.
        ValueError
            The frame has rows outside `scope`.
        deltalake.exceptions.CommitFailedError
            Other writers won every race.
        """
        scope, frame = as_scope(table, scope), table.conform(frame)
        refuse_strays(table, frame, scope)
        return self._replace(table, scope, lambda _: frame)

    def update(
        self, table: Table, scope: pl.DataFrame, merge: Callable[[pl.DataFrame], pl.DataFrame]
    ) -> Commit:
        """Replace the content of partitions by what becomes of what is there.

        If another writer changes one of the partitions meanwhile, `merge` is called again with what is there
        then: neither's rows are lost.

        Parameters
        ----------
        table
            Table to write.
        scope
            Partitions that are read and written, one row each.
        merge
            Gets all rows of the partitions, sorted by row key, and returns the whole new content. It may be
            called several times.

        Raises
        ------
        SchemaError, ValueError, deltalake.exceptions.CommitFailedError
            As for `write`.
        """
        scope = as_scope(table, scope)

        def content(there: pl.DataFrame) -> pl.DataFrame:
            frame = table.conform(merge(there))
            refuse_strays(table, frame, scope)
            return frame

        return self._replace(table, scope, content)

    def _replace(
        self, table: Table, scope: pl.DataFrame, content: Callable[[pl.DataFrame], pl.DataFrame]
    ) -> Commit:
        for attempt in range(COMMIT_TRIES):
            log = self.open(table)
            there = content_of(log, table, scope)
            frame = content(there)
            changed = changed_partitions(there, frame, table)
            if log is None and changed.height:
                # Another writer may create it too, and write: look again at what is there.
                Log.create(table, self.uri(table), self.storage_options)
                continue
            version = -1 if log is None else log.version
            if log is not None and changed.height:
                committed = replace(log, table, scope, frame, changed, COMMIT_TRIES - attempt)
                if committed is None:
                    continue
                version = committed
            return Commit(version, changed, frame)
        raise CommitFailedError(
            f"table {table.name}: other writers of the same partitions won {COMMIT_TRIES} races; run it again"
        )

    def changed_since(self, table: Table, version: int) -> pl.DataFrame:
        """Partitions whose content was committed after a version, from the commits' own notes.

        Parameters
        ----------
        table
            Table to ask about.
        version
            Version that the asker has seen; -1 for none.

        Returns
        -------
        pl.DataFrame
            The table's partition key, one row a partition that is new or corrected since. Compaction changes
            no content and does not count.
        """
        log = self.open(table)
        if log is None:
            return pl.DataFrame(schema={name: table.schema[name] for name in table.partition_key})
        return log.changed_since(version)

    def has_version(self, table: Table, version: int) -> bool:
        """Whether a version can still be read: `vacuum` removes files that only old versions have."""
        log, old = self._newest(table), self.open(table, version)
        if log is None or old is None:
            return False
        gone = old.files().join(log.files(), on="path", how="anti")["path"].to_list()
        return None not in sizes(log.uri, gone, self.storage_options)


def _select(log: Log | None, table: Table, where: pl.Expr | None) -> pl.LazyFrame:
    if log is None:
        return table.empty().lazy()
    rows = log.scan() if where is None else log.scan().filter(where)
    return rows.select(pl.col(name).cast(dtype) for name, dtype in table.schema.items())
