"""Corrections: what arrives is laid beside what is there, never over it.

What does not belong here: reading and writing the lake.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from lim_pipelines.schemas import Table

PROVENANCE = frozenset({"source", "file", "line"})
"""Where a value came from; a row that differs in nothing else is no correction."""


def merge(existing: pl.DataFrame, incoming: pl.DataFrame, arrived_at: datetime, table: Table) -> pl.DataFrame:
    """Merge what arrives into what is there.

    Parameters
    ----------
    existing
        All revisions that are there, frame of `table`.
    incoming
        What the sources say now, frame of `table`; it may hold several revisions of a fact.
    arrived_at
        When `incoming` reached us (UTC).
    table
        A table with `known_at`.

    Returns
    -------
    pl.DataFrame
        All rows of `existing`, plus: new facts as proposed; and for a fact whose last incoming values
        differ from the latest ones there, one row known from max(proposed, `arrived_at`, just after the
        latest revision) on. Sorted by row key. Merging the same again changes nothing.

    Notes
    -----
    Values that a revision there has held since the proposed moment or later are old news and never undo a
    correction: reading an old file again is harmless. A vendor that takes a correction back must therefore
    send it as feed (its rows are known on arrival), not as history.
    """
    key = list(table.key)
    values = [name for name in table.columns if name not in {*table.row_key, *PROVENANCE}]
    if existing.is_empty():
        return incoming.select(table.schema.names()).sort(table.row_key)
    latest = existing.sort("known_at").unique(key, keep="last")
    new = incoming.join(latest, on=key, how="anti", nulls_equal=True)

    last = incoming.sort("known_at").unique(key, keep="last")
    known = last.join(
        latest.select(*key, pl.col("known_at").alias("_latest"), *_held(values)), on=key, how="inner"
    )
    changed = known.filter(~pl.all_horizontal(pl.col(v).eq_missing(pl.col(f"_{v}")) for v in values))
    stale = changed.join(
        existing.select(*key, *values, pl.col("known_at").alias("_since")),
        on=[*key, *values],
        nulls_equal=True,
    ).filter(pl.col("_since") >= pl.col("known_at"))
    corrections = changed.join(stale, on=key, how="anti").with_columns(
        known_at=pl.max_horizontal(
            "known_at",
            pl.lit(arrived_at, table.schema["known_at"]),
            pl.col("_latest") + pl.duration(microseconds=1),
        )
    )
    columns = table.schema.names()
    return pl.concat([existing.select(columns), new.select(columns), corrections.select(columns)]).sort(
        table.row_key
    )


def _held(values: list[str]) -> list[pl.Expr]:
    return [pl.col(value).alias(f"_{value}") for value in values]
