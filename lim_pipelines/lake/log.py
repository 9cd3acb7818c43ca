"""The commit log of a table: Delta's, with the partitions that a commit changed in the commit itself.

A commit succeeds only as the very next version after the one it was made from; otherwise the writer looks at
what came in between and decides. Delta's own conflict rules know files, not partitions: to them two writers
that add the same new partition are two appends that may both go in.

What does not belong here: rows, and what to do about a lost race (`store.py`, `maintenance.py`).
"""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final

import polars as pl
from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from lim_pipelines.lake.files import bounded
from lim_pipelines.lake.point_in_time import stored_schema
from lim_pipelines.schemas import Table

LONGEST_KEEP: Final = timedelta(days=366)
"""How long the log remembers when a file was removed."""

_LAYOUT = "lim_pipelines lake, layout 2"
"""Raise the number when files or commits change their meaning."""


class LayoutError(RuntimeError):
    """A stored table is not of the layout or the columns that this code reads and writes."""


class Log:
    """The commit log of one table, as of the version that was the newest when it was opened.

    Parameters
    ----------
    table
        The table.
    delta
        The stored table.
    """

    def __init__(self, table: Table, delta: DeltaTable) -> None:
        self.table = table
        self.delta = delta
        self.uri = delta.table_uri.rstrip("/")
        self.options: dict[str, str] | None = delta._storage_options

    @classmethod
    def open(
        cls, table: Table, uri: str, options: dict[str, str] | None, version: int | None = None
    ) -> Log | None:
        """Open a table, at its newest version or an older one; None if it does not exist.

        Raises
        ------
        LayoutError
            It was written by other code.
        """
        try:
            delta = DeltaTable(uri, version=version, storage_options=options)
        except TableNotFoundError:
            return None
        found = [field.name for field in delta.schema().fields]
        wanted = stored_schema(table).names()
        if delta.metadata().description != _LAYOUT or found != wanted:
            missing, unknown = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
            raise LayoutError(
                f"table {table.name}: {uri} was written by another version of this code"
                f" ({delta.metadata().description!r}; columns missing: {missing}, unknown: {unknown})."
                " The lake is made from the landing folder: remove it (`make clean`) and materialise again"
            )
        return cls(table, delta)

    @classmethod
    def create(cls, table: Table, uri: str, options: dict[str, str] | None) -> None:
        """Create a table, unless another writer has just done so."""
        # Of writers that create it at the same moment all but one fail: the table is there for them too.
        with suppress(CommitFailedError):
            DeltaTable.create(
                uri,
                schema=pl.DataFrame(schema=stored_schema(table)).to_arrow().schema,
                mode="ignore",
                description=_LAYOUT,
                storage_options=options,
                # `changed_since` reads the commits, however old.
                configuration={
                    "delta.enableExpiredLogCleanup": "false",
                    "delta.logRetentionDuration": "interval 36500 days",
                    # A checkpoint forgets older removals: vacuum would no longer know when they were.
                    "delta.deletedFileRetentionDuration": f"interval {LONGEST_KEEP.days} days",
                },
            )

    @property
    def version(self) -> int:
        """Version of the table."""
        return int(self.delta.version())

    def scan(self) -> pl.LazyFrame:
        """All rows, stored columns; files that a filter rules out by their bounds are not opened."""
        return pl.scan_delta(self.delta)

    def files(self) -> pl.DataFrame:
        """Files of this version: path, rows, bytes, and min.<column>, max.<column> of the bounded columns."""
        found = pl.DataFrame(self.delta.get_add_actions(flatten=True))
        bounds = [(f"{end}.{name}", name) for name in bounded(self.table) for end in ("min", "max")]
        schema = pl.Schema(
            {
                "path": pl.String(),
                "rows": pl.Int64(),
                "bytes": pl.Int64(),
                **{bound: self.table.schema[name] for bound, name in bounds},
            }
        )
        if found.is_empty():
            return pl.DataFrame(schema=schema)
        return found.rename({"num_records": "rows", "size_bytes": "bytes"}).select(
            pl.col(name).cast(dtype) for name, dtype in schema.items()
        )

    def changed_since(self, version: int) -> pl.DataFrame:
        """Partitions that were changed by commits after a version: the partition key, sorted."""
        keys = {name: self.table.schema[name] for name in self.table.partition_key}
        # Not `DeltaTable.history`: it counts back from the newest commit there is, not from this version, and
        # so misses some when another writer commits in between.
        commits = [
            f"{self.uri}/_delta_log/{n:020}.json" for n in range(max(version, -1) + 1, self.version + 1)
        ]
        if not commits:
            return pl.DataFrame(schema=keys)
        said = pl.Struct({"changed": pl.String})
        lines = pl.scan_ndjson(commits, schema={"commitInfo": said}, storage_options=self.options)
        found = lines.select(pl.col("commitInfo").struct.field("changed").drop_nulls()).collect()["changed"]
        notes = [pl.read_json(io.StringIO(note), schema=keys) for note in found]
        return pl.concat([pl.DataFrame(schema=keys), *notes]).unique().sort(list(keys))

    def commit(
        self, add: Sequence[AddAction], remove: Sequence[str], changed: pl.DataFrame | None = None
    ) -> int:
        """Commit files as the next version.

        Parameters
        ----------
        add
            Files written.
        remove
            Paths of files that they replace.
        changed
            Partitions whose content changes; None if rows are only moved.

        Returns
        -------
        int
            The new version.

        Raises
        ------
        deltalake.exceptions.CommitFailedError
            Another writer was faster.
        """
        now, moved = int(time.time() * 1000), changed is None
        note = {} if changed is None else {"changed": changed.write_json()}
        self.delta.create_write_transaction(
            [*add, *(RemoveAction(path, not moved, now, partition_values={}) for path in remove)],
            "append",
            self.delta.schema(),
            commit_properties=CommitProperties(max_commit_retries=0, custom_metadata=note),
        )
        return self.version + 1

    def follow(self) -> bool:
        """Go on to the newest version; False if the table has gone away."""
        try:
            self.delta.update_incremental()
        except DeltaError:
            return False
        return True
