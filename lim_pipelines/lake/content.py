"""Content: hashes of it, and which partitions differ in it.

What does not belong here: where content is stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import polars as pl

from lim_pipelines.schemas import Table


def fingerprint(frame: pl.DataFrame) -> str:
    """Content hash of a frame: column names, types and values in row order.

    Parameters
    ----------
    frame
        Rows in a defined order, as `Table.conform` returns them.

    Returns
    -------
    str
        SHA-256 in hexadecimal; equal content gives an equal hash, however the frame was put together.
    """
    digest = hashlib.sha256()
    for column in frame.iter_columns():
        _add(digest, column)
    return digest.hexdigest()


def _add(digest: hashlib._Hash, column: pl.Series) -> None:
    """Add a column to a digest."""
    # Over the values themselves: what lies under a null, how strings are pooled and where chunks end are
    # accidents of construction.
    nulls = column.null_count()
    digest.update(f"{column.name}:{column.dtype}:{len(column)}:{nulls}".encode())
    if nulls:
        digest.update(column.is_null().to_numpy().data)
    if column.dtype == pl.String:
        # In runs: most text columns of a sorted table (exchange, freq, source) hardly ever change.
        runs = column.fill_null("").rle().struct.unnest()
        digest.update(runs["len"].to_numpy().data)
        digest.update(runs["value"].str.len_bytes().to_numpy().data)
        digest.update(runs["value"].str.join("").item().encode())
    elif isinstance(column.dtype, pl.List):
        # How long each list is, then all that is in them as a column of its own.
        lists = column.drop_nulls()
        digest.update(lists.list.len().to_numpy().data)
        _add(digest, lists.list.explode(empty_as_null=False))
    else:
        values = column.to_physical()
        digest.update((values.fill_null(strategy="zero") if nulls else values).to_numpy().data)


def changed_partitions(old: pl.DataFrame, new: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Partitions in which two contents differ.

    Parameters
    ----------
    old, new
        Contents of the same partitions, with the table's columns, sorted by row key.
    table
        Their table.

    Returns
    -------
    pl.DataFrame
        The partition key, sorted, one row a partition that differs.
    """
    partition = list(table.partition_key)
    if old.is_empty() or new.is_empty():
        return pl.concat([old.select(partition), new.select(partition)]).unique().sort(partition)
    sizes = (
        old.group_by(partition)
        .len("_old")
        .join(new.group_by(partition).len("_new"), on=partition, how="full", coalesce=True)
    )
    same_size = pl.col("_old").eq_missing(pl.col("_new"))
    found = [sizes.filter(~same_size).select(partition)]
    if found[0].height:
        alike = sizes.filter(same_size).select(partition)
        old, new = (frame.join(alike, on=partition, how="semi") for frame in (old, new))
    # Partitions of the same sizes in the same order: rows that belong together stand at the same place.
    if table.row_key[: len(partition)] != partition:
        old, new = (frame.sort(partition, maintain_order=True) for frame in (old, new))
    other = new.rename({name: f"_{name}" for name in new.columns})
    differs = pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"_{name}")) for name in new.columns)
    found.append(pl.concat([old, other], how="horizontal").filter(differs).select(partition))
    return pl.concat(found).unique().sort(partition)


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
