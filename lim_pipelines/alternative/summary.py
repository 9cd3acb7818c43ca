"""What a table of alternative data holds, in a few lines: for catalogues and people.

What does not belong here: whether a source is late (`panorama/staleness.py`).
"""

from __future__ import annotations

import hashlib
from datetime import datetime

import polars as pl

from lim_pipelines.alternative.steps import blocks, rows_of
from lim_pipelines.lake import Lake, fingerprint
from lim_pipelines.schemas import Table


def content_version(lake: Lake, table: Table) -> str:
    """Return a hash of all that a table holds, read block by block: the same content, the same hash."""
    digest = hashlib.sha256(table.name.encode())
    for scope in blocks(lake, table):
        digest.update(fingerprint(rows_of(lake, table, scope)).encode())
    return digest.hexdigest()


def by_source(lake: Lake, table: Table, now: datetime) -> pl.DataFrame:
    """Count and date what each source has brought.

    Parameters
    ----------
    lake, table
        A table of alternative data.
    now
        Present moment, UTC.

    Returns
    -------
    pl.DataFrame
        Columns source, rows, first_ts and newest_ts (where the table has `ts`), newest_known_at, and
        stale_days: how long ago that is. Sorted by source.
    """
    rows = lake.revisions(table)
    moments = (
        [pl.col("ts").min().alias("first_ts"), pl.col("ts").max().alias("newest_ts")]
        if "ts" in table.columns
        else []
    )
    newest = pl.col("known_at").max()
    return (
        rows.group_by("source")
        .agg(
            pl.len().alias("rows"),
            *moments,
            newest.alias("newest_known_at"),
            ((pl.lit(now) - newest).dt.total_hours() / 24).round(1).alias("stale_days"),
        )
        .sort("source")
        .collect()
    )
