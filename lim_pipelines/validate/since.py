"""Since when rows count as known that a person let through from their release on.

What does not belong here: what is released (`releases.py`), which rows are published (`gate.py`).

A row released since its release is published with the moment of its release. From then on the published row
is what is known of it: it keeps its moment when the rest of its file arrives and nothing fails any more, or
when more is released. Only a later release since arrival puts history right.
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.schemas import UTC_TIME, VALIDATED_BARS

_PARTITION = list(VALIDATED_BARS.partition_key)
_ROW = VALIDATED_BARS.row_key
_FACT = [name for name in VALIDATED_BARS.columns if name != "known_at"]


def known_since(
    rows: pl.DataFrame,
    frame: pl.DataFrame,
    waived: pl.DataFrame,
    failed: pl.DataFrame,
    releases: pl.DataFrame,
    published: pl.DataFrame,
) -> pl.DataFrame:
    """Let rows count as known from their release on, where the release says so.

    Parameters
    ----------
    rows
        Bars of `frame` that are published.
    frame
        Bars that were judged.
    waived, failed
        What `released_rows` and `released_partitions` give.
    releases
        Frame of `RELEASES`: all of these partitions, of whatever content.
    published
        What is published of the same partitions now: what was known once stays known since then.

    Returns
    -------
    pl.DataFrame
        Same rows, `known_at` never earlier than it was. Revisions of one bar stay in order: one that was
        superseded before it was released is known just before the one that followed.
    """
    late = releases.filter(pl.col("since") == "release").select(_PARTITION).unique()
    if late.is_empty():
        return rows
    on_time = rows.join(late, on=_PARTITION, how="anti")
    here = rows.join(late, on=_PARTITION, how="semi")
    known = published.join(late, on=_PARTITION, how="semi").select(*_nth(), published_at="known_at")
    by_row = _moments(pl.concat([frame[waived["row"]].select(_ROW), waived], how="horizontal"), _ROW, "row")
    by_partition = _moments(failed.filter("released"), _PARTITION, "partition")
    released_at = pl.max_horizontal("row_release", "partition_release")
    # Else a row would go back whenever an old release still stands beside a newer one.
    put_right = released_at.is_null() & (
        pl.max_horizontal("row_arrival", "partition_arrival") > pl.col("published_at")
    ).fill_null(False)
    since = pl.when(put_right).then(None).otherwise(pl.coalesce("published_at", released_at))
    # Revisions are moved back in line from the newest on, a microsecond each.
    nth = pl.int_range(pl.len(), dtype=pl.Int64)
    moved = pl.max_horizontal("known_at", since).dt.timestamp("us") - nth
    moved_rows = (
        here.with_columns(_nth()[-1])
        .join(known, on=[*_FACT, "nth"], how="left", nulls_equal=True)
        .join(by_row, on=_ROW, how="left")
        .join(by_partition, on=_PARTITION, how="left")
        .sort(_ROW)
        .with_columns(
            (moved.cum_min(reverse=True) + nth).over(VALIDATED_BARS.key).cast(UTC_TIME).alias("known_at")
        )
        .select(rows.columns)
    )
    return pl.concat([on_time, moved_rows]).sort(_ROW)


def _nth() -> list[pl.Expr]:
    """Name what a row says of its bar, and how often that was said before: a vendor may go back and forth."""
    nth = pl.col("known_at").rank("ordinal").over(_FACT).alias("nth")
    return [*(pl.col(name) for name in _FACT), nth]


def _moments(released: pl.DataFrame, on: list[str], level: str) -> pl.DataFrame:
    """When something was last released, from its release on and since its arrival."""
    return released.group_by(on).agg(
        pl.col("released_at").filter(pl.col("since") == since).max().alias(f"{level}_{since}")
        for since in ("release", "arrival")
    )
