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
        All rows of `existing`, plus: new facts as proposed; every revision proposed for later than the latest
        one there that changes a value, as proposed; and for a fact whose last incoming values were proposed
        for no later and differ from the latest there, one row known from max(proposed, `arrived_at`, just
        after the latest revision) on. Sorted by row key. Merging the same again changes nothing.

    Notes
    -----
    Sources give all that they hold of a fact, so several deliveries of one run and the same deliveries run by
    run end in the same rows; what was known up to the latest revision there is never touched.

    Values that a revision there has held since the proposed moment or later are old news and never undo a
    correction: reading an old file again is harmless. A vendor that takes a correction back must therefore
    send it as feed (its rows are known on arrival), not as history. A fact that was withdrawn holds again
    from `arrived_at` on when any file gives it again.
    """
    key = list(table.key)
    values = [name for name in table.columns if name not in {*table.row_key, *PROVENANCE}]
    columns = table.schema.names()
    if existing.is_empty():
        return incoming.select(columns).sort(table.row_key)
    latest = existing.sort("known_at").unique(key, keep="last").select(*key, *_held(["known_at", *values]))
    judged = incoming.join(latest, on=key, how="left", nulls_equal=True)
    there = pl.col("_known_at").is_not_null()
    later = pl.col("known_at") > pl.col("_known_at")
    new = judged.filter(~there)

    news = _changes(judged.filter(there & later), key, values)
    last = judged.filter(there).sort("known_at").unique(key, keep="last")
    disputed = last.filter(~later & _differs(values))
    stale = disputed.join(
        existing.select(*key, *values, pl.col("known_at").alias("known_there")),
        on=[*key, *values],
        nulls_equal=True,
    ).filter((pl.col("known_there") >= pl.col("known_at")) & ~_taken_back(values))
    corrections = disputed.join(stale, on=key, how="anti", nulls_equal=True).with_columns(
        known_at=pl.max_horizontal(
            "known_at",
            pl.lit(arrived_at, table.schema["known_at"]),
            pl.col("_known_at") + pl.duration(microseconds=1),
        )
    )
    parts = [existing, new, news, corrections]
    return pl.concat([part.select(columns) for part in parts]).sort(table.row_key)


def _changes(later: pl.DataFrame, key: list[str], values: list[str]) -> pl.DataFrame:
    """Revisions that differ from the one before them; before the first is the latest there."""
    ordered = later.sort([*key, "known_at"])
    first = ~pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift(1)) for name in key)
    before = [
        pl.when(first).then(pl.col(f"_{value}")).otherwise(pl.col(value).shift(1)).alias(f"_{value}")
        for value in values
    ]
    return ordered.with_columns(before).filter(_differs(values))


def _differs(values: list[str]) -> pl.Expr:
    return ~pl.all_horizontal(pl.col(value).eq_missing(pl.col(f"_{value}")) for value in values)


def _taken_back(values: list[str]) -> pl.Expr:
    """Whether the latest revision there withdrew the fact."""
    return pl.col("_withdrawn") if "withdrawn" in values else pl.lit(False)


def _held(columns: list[str]) -> list[pl.Expr]:
    return [pl.col(column).alias(f"_{column}") for column in columns]
