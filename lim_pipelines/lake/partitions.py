"""Whole partitions in files: what they hold, and putting other content in their place.

What does not belong here: what the content should be, and trying again (`store.py`).
"""

from __future__ import annotations

import random
import time

import polars as pl
from deltalake.exceptions import CommitFailedError

from lim_pipelines.lake.files import write_files
from lim_pipelines.lake.log import Log
from lim_pipelines.lake.point_in_time import stored_schema, with_superseded_at
from lim_pipelines.schemas import Table

_LONGEST_PAUSE = 0.1
"""Seconds between two tries at most; random, so that writers do not go on meeting."""


def as_scope(table: Table, scope: pl.DataFrame) -> pl.DataFrame:
    """Return the partition key of some rows, each partition once."""
    return scope.select(pl.col(name).cast(table.schema[name]) for name in table.partition_key).unique()


def refuse_strays(table: Table, frame: pl.DataFrame, scope: pl.DataFrame) -> None:
    """Raise ValueError if rows lie outside the partitions of a scope."""
    stray = frame.select(table.partition_key).unique().join(scope, on=table.partition_key, how="anti")
    if stray.height:
        raise ValueError(
            f"table {table.name}: rows outside the written partitions, e.g. {stray.row(0, named=True)}"
        )


def _holding(log: Log, partitions: pl.DataFrame) -> list[str]:
    """Files that may hold rows of some partitions, by their bounds."""
    bounds = [
        condition
        for name in partitions.columns
        for condition in (pl.col(f"min.{name}") <= pl.col(name), pl.col(f"max.{name}") >= pl.col(name))
    ]
    # A partition key may have a column of that name, too.
    files = log.files().rename({"path": "_file"})
    return files.join_where(partitions, *bounds)["_file"].unique().sort().to_list()


def _rows(log: Log, paths: list[str]) -> pl.LazyFrame:
    """All rows of some files, stored columns, and the file of each as `_file`."""
    uris = [f"{log.uri}/{path}" for path in paths]
    return pl.scan_parquet(uris, storage_options=log.options, include_file_paths="_file")


def content_of(log: Log | None, table: Table, scope: pl.DataFrame) -> pl.DataFrame:
    """Read all rows of some partitions: the table's columns, sorted by row key; none without a table."""
    paths = [] if log is None else _holding(log, scope)
    if log is None or not paths:
        return table.empty()
    near = pl.all_horizontal(
        pl.col(name).is_between(pl.lit(scope[name].min()), pl.lit(scope[name].max()))
        for name in scope.columns
    )
    rows = _rows(log, paths).filter(near).select(table.schema.names())
    return rows.join(scope.lazy(), on=scope.columns, how="semi").sort(table.row_key).collect()


def replace(
    log: Log, table: Table, scope: pl.DataFrame, frame: pl.DataFrame, changed: pl.DataFrame, tries: int
) -> int | None:
    """Put new content in the place of partitions, in one commit.

    Parameters
    ----------
    log
        The table as it was when the content was made; it follows if others commit meanwhile.
    table
        The table.
    scope
        Partitions that the content was made from.
    frame
        New content of the scope, sorted by row key.
    changed
        Partitions of the scope whose content is another than before; only these are written.
    tries
        Races that may be lost against writers of other partitions.

    Returns
    -------
    int | None
        The new version; None if another writer has changed what the content was made from.
    """
    stored, partition = stored_schema(table).names(), list(table.partition_key)
    new = with_superseded_at(frame, table)
    if changed.height < scope.height:
        new = new.join(changed, on=partition, how="semi", maintain_order="left")
    replaced: list[str] = []
    near = _holding(log, changed)
    if near:
        hit = _rows(log, near).join(changed.lazy(), on=partition, how="semi")
        replaced = hit.select(pl.col("_file").unique()).collect()["_file"].to_list()
    if replaced:
        # Rows of the same files that stay as they are.
        replaced = [path for path in near if any(file.endswith(path) for file in replaced)]
        rest = _rows(log, replaced).join(changed.lazy(), on=partition, how="anti").select(stored)
        new = pl.concat([new, rest.cast(new.schema).collect()]).sort(table.row_key)
    files = write_files(new, table, log.uri, log.options)
    seen = log.version
    for _ in range(tries):
        try:
            return log.commit(files, replaced, changed)
        except CommitFailedError:
            time.sleep(random.uniform(0, _LONGEST_PAUSE))
        if not log.follow():
            return None
        there = set(log.files()["path"])
        others = log.changed_since(seen).join(scope, on=partition, how="semi")
        if others.height or not there.issuperset(replaced):
            return None
    return None
