"""The partitioned, point-in-time lake: Parquet files in Delta tables.

A partition (say one exchange and one date) is written whole or not at all, in one atomic commit for a whole
run. Writing what is already there commits nothing. Facts are revised by later rows, never overwritten in
place, and every read says as of when.

What does not belong here: which columns a table has (`schemas.py`), how vendor rows become table rows
(`sources/`, `align/`), what a revision is (`align/revisions.py`).
"""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import Path
from typing import Any, Final

import polars as pl
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from lim_pipelines.schemas import Table


class Latest(Enum):
    """Type of `LATEST`."""

    LATEST = "latest"


LATEST: Final = Latest.LATEST
"""Read everything known today. Only for operations; models and backtests name a moment."""

AsOf = datetime | Latest

_NAMED_ONE_BY_ONE = 500
"""Changed partitions up to which a commit replaces just those, and above which its whole scope."""

_COMMIT_TRIES = 20
"""A commit that loses a race is tried again; each try takes about 50 ms."""


@dataclass(frozen=True)
class Commit:
    """What a write did.

    Parameters
    ----------
    version
        Version of the table afterwards, -1 if it does not exist.
    changed
        Partitions whose content changed, one row each (the table's partition key).
    rows
        Rows in the written partitions.
    """

    version: int
    changed: pl.DataFrame
    rows: int


def fingerprint(frame: pl.DataFrame) -> str:
    """Content hash of a frame: column names, types and values in row order.

    Parameters
    ----------
    frame
        Rows in a defined order, as `Lake.read` and `Table.conform` return them.

    Returns
    -------
    str
        SHA-256 in hexadecimal; equal content gives an equal hash, however the frame was put together.
    """
    # Over the values themselves: what lies under a null, how strings are pooled and where chunks end are
    # accidents of construction.
    digest = hashlib.sha256()
    for column in frame.iter_columns():
        digest.update(f"{column.name}:{column.dtype}:{len(column)}".encode())
        digest.update(column.is_null().to_numpy().tobytes())
        if column.dtype == pl.String:
            texts = column.fill_null("")
            digest.update(texts.str.len_bytes().to_numpy().tobytes())
            digest.update(texts.str.join("").item().encode())
        else:
            digest.update(column.to_physical().fill_null(strategy="zero").to_numpy().tobytes())
    return digest.hexdigest()


def as_of_view(revisions: pl.DataFrame, as_of: AsOf, table: Table) -> pl.DataFrame:
    """Rows of a table as they were known at a moment.

    Parameters
    ----------
    revisions
        Rows with all their revisions.
    as_of
        Moment, UTC; rows with `known_at` at or before it are seen, the latest of each key wins.
    table
        The rows' table.

    Returns
    -------
    pl.DataFrame
        One row a key, sorted by key.
    """
    return _as_of(revisions.lazy(), as_of, table).collect()


def _as_of(rows: pl.LazyFrame, as_of: AsOf, table: Table) -> pl.LazyFrame:
    key = list(table.key)
    if not table.has_revisions:
        return rows.sort(key)
    if isinstance(as_of, datetime):
        rows = rows.filter(pl.col("known_at") <= as_of)
    return rows.sort([*key, "known_at"]).unique(subset=key, keep="last", maintain_order=True)


def _literal(value: Any) -> str:
    if isinstance(value, date):
        return f"'{value.isoformat()}'"
    return "'" + str(value).replace("'", "''") + "'"


def _predicate(partitions: pl.DataFrame) -> str:
    """Write SQL that is true for exactly the rows of some partitions: (a = x AND b IN (...)) OR ..."""
    *outer, last = partitions.columns
    groups: list[tuple[tuple[Any, ...], pl.DataFrame]] = (
        list(partitions.group_by(outer, maintain_order=True)) if outer else [((), partitions)]
    )
    terms = []
    for values, group in groups:
        parts = [f"{name} = {_literal(value)}" for name, value in zip(outer, values, strict=True)]
        terms.append(" AND ".join([*parts, _among(last, group[last].unique().sort())]))
    return " OR ".join(f"({term})" for term in terms)


def _among(column: str, values: pl.Series) -> str:
    first, last = values[0], values[-1]
    if isinstance(first, date) and isinstance(last, date) and (last - first).days + 1 == len(values):
        return f"{column} >= {_literal(first)} AND {column} <= {_literal(last)}"
    return f"{column} IN ({', '.join(_literal(value) for value in values)})"


class Lake:
    """The lake below one root folder or URL.

    Parameters
    ----------
    root
        Folder, or a URL that the `deltalake` package reads (s3://...).
    storage_options
        Credentials and settings for a URL.
    """

    def __init__(self, root: str | Path, storage_options: dict[str, str] | None = None) -> None:
        self.root = str(root)
        self.storage_options = storage_options

    def uri(self, table: Table) -> str:
        """Where a table lies."""
        return f"{self.root.rstrip('/')}/{table.name}"

    def _open(self, table: Table) -> DeltaTable | None:
        try:
            return DeltaTable(self.uri(table), storage_options=self.storage_options)
        except TableNotFoundError:
            return None

    def version(self, table: Table) -> int:
        """Version of a table; -1 if it does not exist."""
        delta = self._open(table)
        return -1 if delta is None else delta.version()

    def file_uris(self, table: Table) -> list[str]:
        """Parquet files that make up the newest version of a table, for readers such as DuckDB."""
        delta = self._open(table)
        return [] if delta is None else sorted(delta.file_uris())

    def revisions(
        self, table: Table, where: pl.Expr | None = None, version: int | None = None
    ) -> pl.LazyFrame:
        """All rows of a table with all their revisions, in no particular order.

        Parameters
        ----------
        table
            Table to read.
        where
            Filter; filters on `exchange` and `date` skip files.
        version
            Version of the table; None is the newest.
        """
        delta = self._open(table)
        if delta is None:
            return table.empty().lazy()
        if version is not None:
            delta.load_as_version(version)
        rows = pl.scan_delta(delta)
        if where is not None:
            rows = rows.filter(where)
        return rows.select(table.schema.names()).cast(table.schema)

    def read(self, table: Table, *, as_of: AsOf, where: pl.Expr | None = None) -> pl.LazyFrame:
        """Read a table as it was known at a moment.

        Parameters
        ----------
        table
            Table to read.
        as_of
            Moment, UTC, or `LATEST`. Ignored by tables without `known_at`.
        where
            Filter on the key columns; filters on `exchange` and `date` skip files.

        Returns
        -------
        pl.LazyFrame
            One row a key, sorted by key.
        """
        return _as_of(self.revisions(table, where), as_of, table)

    def write(self, table: Table, frame: pl.DataFrame, scope: pl.DataFrame) -> Commit:
        """Make `frame` the whole content of the partitions in `scope`.

        One atomic commit for all partitions that change; none if nothing changes. Other partitions are not
        touched, so writers of different partitions do not disturb each other.

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
            Another writer of the same partitions won every race.
        """
        partition_key = list(table.partition_key)
        scope = scope.select(pl.col(name).cast(table.schema[name]) for name in partition_key).unique()
        frame = table.conform(frame)
        stray = frame.join(scope, on=partition_key, how="anti")
        if stray.height:
            raise ValueError(
                f"table {table.name}: rows outside the written partitions, e.g. {stray.row(0, named=True)}"
            )
        for attempt in range(_COMMIT_TRIES):
            try:
                return self._write_once(table, frame, scope)
            except CommitFailedError:
                if attempt == _COMMIT_TRIES - 1:
                    raise
                time.sleep(0.02 * (attempt + 1))
        raise AssertionError("unreachable")

    def _write_once(self, table: Table, frame: pl.DataFrame, scope: pl.DataFrame) -> Commit:
        partition_key, names = list(table.partition_key), table.schema.names()
        delta = self._open(table)
        old = table.empty()
        if delta is not None:
            rows = pl.scan_delta(delta).filter(self._near(scope)).select(names).cast(table.schema)
            old = rows.join(scope.lazy(), on=partition_key, how="semi").collect()
        doubled = old.filter(pl.struct(table.row_key).is_duplicated())
        changed = (
            pl.concat(
                [
                    frame.join(old, on=names, how="anti", nulls_equal=True).select(partition_key),
                    old.join(frame, on=names, how="anti", nulls_equal=True).select(partition_key),
                    doubled.select(partition_key),
                ]
            )
            .unique()
            .sort(partition_key)
        )
        if not changed.height:
            return Commit(-1 if delta is None else delta.version(), changed, frame.height)
        # Naming thousands of partitions one by one is slow; a whole scope is mostly a range.
        replaced = changed if changed.height <= _NAMED_ONE_BY_ONE else scope
        target = delta or self._create(table)
        write_deltalake(
            target,
            frame.join(replaced, on=partition_key, how="semi").sort(table.row_key).to_arrow(),
            # A replacement even of nothing: two writers of one partition must conflict, and appends never do.
            mode="overwrite",
            predicate=_predicate(replaced),
            commit_properties=CommitProperties(custom_metadata={"changed": changed.write_json()}),
        )
        return Commit(target.version(), changed, frame.height)

    def _create(self, table: Table) -> DeltaTable:
        """Create a table, or open it if another writer has just done so."""
        return DeltaTable.create(
            self.uri(table),
            schema=table.empty().to_arrow().schema,
            mode="ignore",
            partition_by=list(table.stored_by),
            storage_options=self.storage_options,
            # `changed_since` reads the commits, however old.
            configuration={
                "delta.enableExpiredLogCleanup": "false",
                "delta.logRetentionDuration": "interval 36500 days",
            },
        )

    @staticmethod
    def _near(scope: pl.DataFrame) -> pl.Expr:
        """Bounding box of the scope, which lets the reader skip files."""
        return pl.all_horizontal(
            pl.col(name).is_between(pl.lit(scope[name].min()), pl.lit(scope[name].max()))
            if scope.height
            else pl.lit(False)
            for name in scope.columns
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
            The table's partition key, one row a partition that is new or corrected since.
        """
        keys = {name: table.schema[name] for name in table.partition_key}
        delta = self._open(table)
        if delta is None:
            return pl.DataFrame(schema=keys)
        notes = [
            pl.read_json(io.StringIO(entry["changed"]), schema=keys)
            for entry in delta.history(limit=max(delta.version() - version, 0) or None)
            if int(entry["version"]) > version and "changed" in entry
        ]
        return pl.concat([pl.DataFrame(schema=keys), *notes]).unique().sort(list(keys))

    def content_version(self, table: Table, scope: pl.DataFrame) -> str:
        """Content hash of the partitions in `scope`, all revisions included.

        Returns
        -------
        str
            SHA-256 in hexadecimal; partitions that hold the same rows have the same hash, whenever written.
        """
        rows = self.revisions(table, self._near(scope)).join(
            scope.lazy(), on=list(table.partition_key), how="semi"
        )
        return fingerprint(rows.sort(table.row_key).collect())


def midnight(day: date) -> datetime:
    """Return the moment a cutoff stands for: that day's midnight, UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def next_cutoff(day: date) -> date:
    """Return the first day of the month after a day's: the cutoff that ends a cutoff's period."""
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)


def scope_of(columns: dict[str, Sequence[Any]]) -> pl.DataFrame:
    """All combinations of some key values, as a scope for `Lake.write`.

    Parameters
    ----------
    columns
        Partition key column to its values.
    """
    frames = [pl.DataFrame({name: list(values)}) for name, values in columns.items()]
    out = frames[0]
    for frame in frames[1:]:
        out = out.join(frame, how="cross")
    return out
