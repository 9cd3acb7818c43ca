"""Links of which a child has one at a time, told apart for good: no two of them hold on one day.

Of rival links (one child, one scheme) the one that was known last holds. Here the others get revisions that
take those days from them, known when the rival became known, so that whoever reads links (the marts' SQL,
the graph) reads them plainly: newest revision, `first` to `last`. Where no day is left, `last` is the day
before `first`.

What does not belong here: finding links (`master.py`), reading them (`known.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import groupby
from typing import Any

import polars as pl

from lim_pipelines.entities.known import FOREVER, one_of
from lim_pipelines.schemas import ENTITY_LINKS

_DAY = timedelta(days=1)
_Row = dict[str, Any]
_Key = tuple[str, date, str]


def told_apart(links: pl.DataFrame) -> pl.DataFrame:
    """Give rival links revisions, so that one holds on a day.

    Parameters
    ----------
    links
        Frame of `ENTITY_LINKS` with all revisions.

    Returns
    -------
    pl.DataFrame
        Frame of `ENTITY_LINKS`. As of any moment each child has on each day the parent that was known last,
        of those known at once the first in the alphabet. What is known at a moment depends on nothing later.
    """
    if links.is_empty():
        return links
    marked = pl.concat(
        part.with_columns(_one_of=one_of(part["relation"][0])) for part in links.partition_by("relation")
    )
    by = ["relation", "child", "_one_of"]
    several = pl.len().over(by) > 1
    rivals = marked.filter(several).sort(*by, "known_at")
    rows = [
        row
        for _, group in groupby(rivals.iter_rows(named=True), key=lambda row: [row[name] for name in by])
        for row in _revisions(group)
    ]
    made = pl.DataFrame(rows, schema=dict(marked.schema), orient="row")
    alone = marked.filter(~several, pl.col("last").is_null() | (pl.col("first") <= pl.col("last")))
    return ENTITY_LINKS.conform(pl.concat([alone, made]).sort(ENTITY_LINKS.row_key))


def _revisions(links: Iterator[_Row]) -> Iterator[_Row]:
    """Follow rival links, in order of `known_at`, and say at each moment what changes."""
    newest: dict[_Key, _Row] = {}
    shown: dict[_Key, _Row] = {}
    for moment, group in groupby(links, key=lambda row: row["known_at"]):
        newest |= {_key(row): row for row in group}
        now = {_key(row): row for row in _pieces(newest.values())}
        gone = {key: row | {"last": row["first"] - _DAY} for key, row in shown.items() if key not in now}
        for key, row in (gone | now).items():
            if key not in shown or any(row[name] != shown[key][name] for name in ("last", "score", "method")):
                yield row | {"known_at": moment}
        shown = gone | now


def _pieces(links: Any) -> Iterator[_Row]:
    """Days that are left to each link by those that go before it."""
    free = [(date.min, FOREVER)]
    for row in sorted(sorted(links, key=_key), key=lambda row: row["known_at"], reverse=True):
        first, last = row["first"], row["last"] or FOREVER
        left = []
        for begin, end in free:
            inside = max(begin, first), min(end, last)
            if inside[0] > inside[1]:
                left.append((begin, end))
                continue
            yield row | {"first": inside[0], "last": None if inside[1] == FOREVER else inside[1]}
            if begin < inside[0]:
                left.append((begin, inside[0] - _DAY))
            if inside[1] < end:
                left.append((inside[1] + _DAY, end))
        free = left


def _key(row: _Row) -> _Key:
    return row["parent"], row["first"], row["source"]
