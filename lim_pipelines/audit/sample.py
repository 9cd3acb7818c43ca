"""Which partitions and moments an audit looks at: few, the same for the same content, the telling ones first.

What does not belong here: looking (`tables.py`, `inputs.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Final

import polars as pl

from lim_pipelines.lake import Lake, fingerprint
from lim_pipelines.schemas import Table

_CANDIDATES: Final = 8
"""Partitions that are looked into for each one that is taken."""

_JUST_BEFORE: Final = timedelta(microseconds=1)


def sample(
    lake: Lake,
    table: Table,
    scope: pl.DataFrame,
    partitions: int,
    moments: int,
    others: Sequence[Table] = (),
) -> tuple[pl.DataFrame, list[datetime]]:
    """Choose partitions of a table, and moments at which something of them became known.

    Parameters
    ----------
    lake
        The lake.
    table
        Table whose partitions and revisions count.
    scope
        Partitions to choose from (the table's partition key); the choice depends on what they hold alone.
    partitions, moments
        How many of each; fewer if there are fewer.
    others
        Tables whose moments are as telling as revisions: links, people's decisions.

    Returns
    -------
    scope, moments
        Partitions with rows, those with revisions first; moments just before and at revisions, and at other
        arrivals, sorted.
    """
    keys = list(table.partition_key)
    ordered = scope.select(keys).unique().sort(keys)
    if ordered.is_empty():
        return ordered, []
    tried = _drawn(ordered, _CANDIDATES * partitions, Random(fingerprint(ordered)))
    near = pl.all_horizontal(pl.col(name).is_in(tried[name].unique().implode()) for name in keys)
    wanted = list(dict.fromkeys([*keys, *table.row_key]))
    rows = lake.revisions(table, near).select(wanted).join(tried.lazy(), on=keys, how="semi").collect()
    rows = rows.with_columns(_nth=pl.col("known_at").rank("ordinal").over(table.key)).sort(wanted)
    found = rows.group_by(keys).agg(revised=(pl.col("_nth") > 1).sum()).sort(keys)
    rng = Random(fingerprint(rows.select(wanted)))
    revised, plain = (found.filter(pl.col("revised") > 0), found.filter(pl.col("revised") == 0))
    taken = _drawn(revised.select(keys), (partitions + 1) // 2, rng)
    rest = found.select(keys).join(taken, on=keys, how="anti", maintain_order="left")
    plainly = plain.select(keys) if plain.height >= partitions - taken.height else rest
    taken = pl.concat([taken, _drawn(plainly, partitions - taken.height, rng)]).sort(keys)
    return taken, _moments(lake, rows.join(taken, on=keys, how="semi"), moments, others, rng)


def _moments(
    lake: Lake, rows: pl.DataFrame, count: int, others: Sequence[Table], rng: Random
) -> list[datetime]:
    told = set(rows.filter(pl.col("_nth") > 1)["known_at"].to_list())
    for table in others:
        told |= set(lake.revisions(table).select(pl.col("known_at").unique()).collect()["known_at"].to_list())
    arrivals = set(rows["known_at"].to_list())
    if arrivals:
        # Before anything of these partitions was known nothing can differ.
        first = min(arrivals)
        told = {moment for moment in told if moment > first}
    chosen: list[datetime] = []
    for moment in rng.sample(sorted(told), min(len(told), max(1, count // 3))):
        chosen += [moment - _JUST_BEFORE, moment]
    left = sorted(arrivals - set(chosen))
    chosen += rng.sample(left, min(len(left), max(0, count - len(chosen))))
    return sorted(set(chosen[:count] if count > 1 else chosen[-1:]))


def _drawn(frame: pl.DataFrame, count: int, rng: Random) -> pl.DataFrame:
    return frame[sorted(rng.sample(range(frame.height), min(frame.height, count)))]
