"""The Parquet files of a table: how rows become files.

Each file holds rows of one `stored_by` combination, sorted by row key, about a million at most. A file
counts for nothing until a commit names it (`log.py`), so one left behind by a crash is only waste, which
`vacuum` removes.

What does not belong here: which rows are written, commits.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import polars as pl
from deltalake.transaction import AddAction

from lim_pipelines.schemas import Table

FILE_ROWS: Final = 1 << 20
"""Rows of a file at most: what the correction of a single partition has to write anew (docs/lake.md)."""

_ROW_GROUP: Final = 1 << 16
"""Rows of a row group: small enough that a month of a big exchange skips the rest of its file."""


def write_files(
    rows: pl.DataFrame, table: Table, uri: str, options: dict[str, str] | None, *, data_change: bool = True
) -> list[AddAction]:
    """Write rows as Parquet files that no commit names yet.

    Parameters
    ----------
    rows
        Stored columns, sorted by row key.
    table
        The rows' table.
    uri
        Where the table lies.
    options
        Storage options of a URL.
    data_change
        Whether the rows are news; compaction only moves them.

    Returns
    -------
    list[AddAction]
        What a commit has to say.
    """
    return [_write_file(part, table, uri, options, data_change) for part in _parts(rows, table)]


def _parts(rows: pl.DataFrame, table: Table) -> Iterator[pl.DataFrame]:
    stored = list(table.stored_by)
    alone = rows.select(pl.n_unique(name) for name in stored).row(0) if stored and rows.height else ()
    groups = rows.partition_by(stored, maintain_order=True) if any(n > 1 for n in alone) else [rows]
    for group in groups:
        # Files of equal size rather than full ones and a rest.
        files = -(-group.height // FILE_ROWS)
        size = -(-group.height // files) if files else 0
        yield from (group.slice(i * size, size) for i in range(files))


def _write_file(
    rows: pl.DataFrame, table: Table, uri: str, options: dict[str, str] | None, data_change: bool
) -> AddAction:
    # The folder is for people; nobody reads values from it.
    folder = "".join(f"{name}={_plain(rows[name][0])}/" for name in table.stored_by)
    path = f"{folder}{uuid.uuid4().hex}.parquet"
    target = f"{uri}/{path}"
    rows.write_parquet(
        target,
        compression="zstd",
        compression_level=1,
        row_group_size=_ROW_GROUP,
        storage_options=options,
        mkdir="://" not in uri,
    )
    [size] = sizes(uri, [path], options)
    written_at = int(time.time() * 1000)
    return AddAction(path, size or 0, {}, written_at, data_change, json.dumps(_statistics(rows, table)))


def sizes(uri: str, paths: list[str], options: dict[str, str] | None) -> list[int | None]:
    """Sizes in bytes of a table's files; None for one that is not there."""
    from deltalake.fs import DeltaStorageHandler

    return [found.size for found in DeltaStorageHandler(uri, options).get_file_info(paths)]


def _plain(value: Any) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", str(value))


def _statistics(rows: pl.DataFrame, table: Table) -> dict[str, Any]:
    """Describe what lets readers skip the file: bounds of the columns that filters name."""
    names = bounded(table)
    low, high = (rows.select(f(name) for name in names).row(0, named=True) for f in (pl.min, pl.max))
    return {
        "numRecords": rows.height,
        "minValues": {name: _json(value, up=False) for name, value in low.items() if value is not None},
        "maxValues": {name: _json(value, up=True) for name, value in high.items() if value is not None},
        "nullCount": rows.select(pl.col(names).null_count()).row(0, named=True),
    }


def bounded(table: Table) -> list[str]:
    """Columns whose bounds are written down for each file."""
    times = [name for name in ("ts", "known_at") if name in table.columns]
    return list(dict.fromkeys([*table.stored_by, *table.partition_key, *times]))


def _json(value: Any, *, up: bool) -> Any:
    if isinstance(value, datetime):
        # Delta's bounds have milliseconds: rounded outwards they stay bounds.
        whole = value.replace(microsecond=value.microsecond // 1000 * 1000)
        if up and whole < value:
            whole += timedelta(milliseconds=1)
        return whole.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    return value.isoformat() if isinstance(value, date) else value
