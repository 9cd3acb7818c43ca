"""Which partitions and moments an audit looks at: few, the same for the same content, the telling ones first.

What does not belong here: looking (`tables.py`, `inputs.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final

import polars as pl

from lim_pipelines.lake import Lake, fingerprint
from lim_pipelines.schemas import Table

_CANDIDATES: Final = 24
"""Partitions that are looked into for each one that is taken."""

_MOST: Final = 4
"""Moments of a partition that stands alone, unless more are asked for."""

_JUST_BEFORE: Final = timedelta(microseconds=1)


@dataclass(frozen=True)
class Draw:
    """A moment, and the partitions that are made again as of it: none of which nothing was known yet."""

    moment: datetime
    scope: pl.DataFrame


def sample(
    lake: Lake,
    table: Table,
    scope: pl.DataFrame,
    partitions: int,
    moments: int,
    *,
    others: Sequence[Table] = (),
    together: bool = False,
) -> list[Draw]:
    """Choose partitions of a table, and moments of each at which something of it became known.

    Parameters
    ----------
    lake
        The lake.
    table
        Table whose partitions and revisions count.
    scope
        Partitions to choose from (the table's partition key); the choice depends on what they hold alone.
    partitions, moments
        How many partitions, and moments of each. Where partitions have fewer moments, more of them are taken;
        where there are fewer partitions, more moments of each.
    others
        Tables whose moments are as telling as revisions: links, people's decisions.
    together
        Whether a step makes all partitions at once: then the moments are those of all, and a draw holds all
        partitions that have begun.

    Returns
    -------
    list of Draw
        In order of their moments. Of partitions those with revisions, full ones, and any. Of each the middle
        of its arrivals, at which others are still to come, and moments just before and at a revision.
    """
    keys = list(table.partition_key)
    told = _told(lake, others)
    ordered = scope.select(keys).unique().sort(keys)
    if ordered.is_empty():
        return []
    tried = _drawn(ordered, _CANDIDATES * partitions, Random(fingerprint(ordered)))
    near = pl.all_horizontal(pl.col(name).is_in(tried[name].unique().implode()) for name in keys)
    wanted = list(dict.fromkeys([*keys, *table.row_key]))
    rows = lake.revisions(table, near).select(wanted).join(tried.lazy(), on=keys, how="semi").collect()
    rows = rows.with_columns(_nth=pl.col("known_at").rank("ordinal").over(table.key)).sort(wanted)
    found = (
        rows.group_by(keys)
        .agg(revised=(pl.col("_nth") > 1).sum(), first=pl.col("known_at").min(), rows=pl.len())
        .sort(keys)
    )
    rng = Random(fingerprint(rows.select(wanted)))
    ranked = _ranked(found, rng)
    if together:
        taken = ranked.head(partitions)
        of_all = rows.join(taken, on=keys, how="semi")
        return [
            Draw(moment, taken.filter(pl.col("first") <= moment).select(keys).sort(keys))
            for moment in _moments(of_all, max(partitions, moments), told, rng)
        ]
    left = partitions * moments
    each = max(moments, min(_MOST, left // max(1, ranked.height)))
    by_moment: dict[datetime, list[pl.DataFrame]] = {}
    for part in ranked.select(keys).iter_slices(1):
        own = _moments(rows.join(part, on=keys, how="semi"), min(each, left), told, rng)
        for moment in own:
            by_moment.setdefault(moment, []).append(part)
        left -= len(own)
        if not left:
            break
    return [Draw(moment, pl.concat(parts).sort(keys)) for moment, parts in sorted(by_moment.items())]


def _ranked(found: pl.DataFrame, rng: Random) -> pl.DataFrame:
    """Partitions in the order in which they are taken: by turns with revisions, full, and any."""
    order = rng.sample(range(found.height), found.height)
    drawn = found.with_columns(_drawn=pl.Series(order, dtype=pl.Int64)).sort("_drawn")
    turns = (
        drawn.sort(pl.col("revised") == 0, maintain_order=True),
        drawn.sort("rows", descending=True, maintain_order=True),
        drawn,
    )
    placed = [turn.with_columns(_turn=pl.int_range(pl.len()), _of=pl.lit(n)) for n, turn in enumerate(turns)]
    return pl.concat(placed).sort("_turn", "_of").unique("_drawn", keep="first", maintain_order=True)


def _told(lake: Lake, tables: Sequence[Table]) -> set[datetime]:
    moments = (lake.revisions(table).select(pl.col("known_at").unique()) for table in tables)
    return {moment for one in moments for moment in one.collect()["known_at"].to_list()}


def _moments(rows: pl.DataFrame, count: int, told: set[datetime], rng: Random) -> list[datetime]:
    """Moments that tell: the middle of the arrivals, just before and at revisions, and others."""
    arrivals = rows["known_at"].unique().sort().to_list()
    if not arrivals:
        return []
    middle = arrivals[(len(arrivals) - 1) // 2]
    # Before anything of these partitions was known nothing can differ.
    revised = set(rows.filter(pl.col("_nth") > 1)["known_at"])
    telling = {moment for moment in told | revised if moment > arrivals[0]}
    chosen = [middle]
    for moment in rng.sample(sorted(telling), min(len(telling), max(1, count // 3))):
        chosen += [moment - _JUST_BEFORE, moment]
    left = sorted(set(arrivals) - set(chosen))
    chosen += rng.sample(left, min(len(left), max(0, count - len(chosen))))
    return sorted(set(chosen[:count]))


def _drawn(frame: pl.DataFrame, count: int, rng: Random) -> pl.DataFrame:
    return frame[sorted(rng.sample(range(frame.height), min(frame.height, count)))]
