"""What a file says, laid beside what other files said before it.

What does not belong here: the lake and the order of files (`load.py`), what a revision is
(`align/revisions.py`).
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from lim_pipelines.align.revisions import PROVENANCE, merge
from lim_pipelines.schemas import Table


def lay_beside(there: pl.DataFrame, incoming: pl.DataFrame, now: datetime, table: Table) -> pl.DataFrame:
    """Merge the rows of one file into what is there.

    Parameters
    ----------
    there
        Rows of whole partitions of `table`.
    incoming
        Rows of the file, all within these partitions.
    now
        When they reached us (UTC).
    table
        A raw table with `known_at`.

    Returns
    -------
    pl.DataFrame
        As `align.revisions.merge`, but for rows that are known before the latest one there, if that is of
        another file: files may land in any order, so such a row takes its place before the later ones and is
        never newer than them. A row whose moment is taken is dropped then. Laying the same again changes
        nothing.
    """
    # Only facts that the file speaks of are compared: a drop is small, what is there is not.
    facts = incoming.select(table.key).unique()
    touched = there.join(facts, on=table.key, how="semi")
    if touched.is_empty():
        return pl.concat([there, merge(touched, incoming, now, table)])
    others = there.join(facts, on=table.key, how="anti")
    latest = touched.sort("known_at").unique(table.key, keep="last")
    judged = incoming.join(
        latest.select(*table.key, _known_at="known_at", _file="file"), on=table.key, how="left"
    )
    early = judged.filter((pl.col("known_at") < pl.col("_known_at")) & (pl.col("file") != pl.col("_file")))
    early = early.select(touched.columns)
    rest = incoming.join(early, on=table.row_key, how="anti")
    return pl.concat([others, _inserted(merge(touched, rest, now, table), early, table)])


def _inserted(there: pl.DataFrame, early: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Add rows at their own moments, where they change what held then."""
    if early.is_empty():
        return there
    values = [name for name in table.columns if name not in {*table.row_key, *PROVENANCE}]
    free = early.join(there, on=table.row_key, how="anti").with_columns(_new=True)
    rows = pl.concat([there.with_columns(_new=False), free]).sort(table.row_key)
    repeats = pl.all_horizontal(
        pl.col(name).eq_missing(pl.col(name).shift(1)) for name in (*table.key, *values)
    )
    return rows.filter(~(pl.col("_new") & repeats)).drop("_new")
