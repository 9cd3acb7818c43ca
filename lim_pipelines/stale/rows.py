"""Which rows a result would read today and did not read then, or the other way round.

What does not belong here: what results read (`wanted.py`), what follows for them (`judge.py`).

Only partitions that were committed since are looked at, and of them only rows that differ between the two
versions; of those, what a read as of its own moment shows of either. A table that nobody has written to since
costs the look at its version.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import polars as pl

from lim_pipelines.lake import LATEST, Lake, fingerprint
from lim_pipelines.lake.past import listings_on
from lim_pipelines.lake.point_in_time import holds, stored_schema
from lim_pipelines.schemas import Table
from lim_pipelines.stale.wanted import Wanted

DIFFERENCES = pl.Schema(
    {"exchange": pl.String, "first_date": pl.Date, "last_date": pl.Date, "rows": pl.Int64}
)
"""Market identifier, empty where rows have none; first and last session of the rows; how many."""


@dataclass(frozen=True)
class Recorded:
    """A read of a result, as it recorded it.

    Parameters
    ----------
    wanted
        The rows.
    version
        Version of the table before it was read; -1: it did not exist.
    fingerprint
        Content hash of the rows.
    content
        Computes that hash of the rows that would be read now.
    """

    wanted: Wanted
    version: int
    fingerprint: str
    content: Callable[[], str]


def content(lake: Lake, wanted: Wanted, version: int | None = None) -> str:
    """Content hash of the rows of a read, in a version of the table or the newest one."""
    found = _shown(_stored(lake, wanted.table, version).filter(wanted.where), wanted).collect()
    return fingerprint(found.sort(found.columns))


def differences(lake: Lake, reads: Sequence[Recorded]) -> list[pl.DataFrame]:
    """Find what each of some reads would read otherwise today.

    Parameters
    ----------
    lake
        The lake.
    reads
        What was read.

    Returns
    -------
    list of pl.DataFrame
        Columns `DIFFERENCES`, one frame a read, one row an exchange; none where it would read the same.
    """
    found = [pl.DataFrame(schema=DIFFERENCES) for _ in reads]
    versions = {table.name: lake.version(table) for table in (read.wanted.table for read in reads)}
    old = [i for i, read in enumerate(reads) if read.version != versions[read.wanted.table.name]]
    order = sorted(old, key=lambda i: _version(reads[i]))
    for (_, version), of_table in groupby(order, key=lambda i: _version(reads[i])):
        alike = list(of_table)
        table = reads[alike[0]].wanted.table
        known = version <= versions[table.name]
        committed = lake.changed_since(table, version if known else -1)
        if committed.is_empty():
            continue
        readable = known and (version == -1 or lake.has_version(table, version))
        for _, of_reader in groupby(alike, key=lambda i: reads[i].wanted.reader):
            own = list(of_reader)
            if readable:
                for i, other in zip(own, _between(lake, [reads[i] for i in own], committed), strict=True):
                    found[i] = other
            else:
                for i in own:
                    found[i] = _by_content(lake, reads[i], committed)
    return found


def _version(read: Recorded) -> tuple[str, int]:
    return read.wanted.table.name, read.version


def _between(lake: Lake, reads: Sequence[Recorded], committed: pl.DataFrame) -> list[pl.DataFrame]:
    """Differences of reads of one reader, table and version."""
    table, version = reads[0].wanted.table, reads[0].version
    where = reads[0].wanted.where & _near(committed)
    moments = [read.wanted.as_of for read in reads]
    newest = max((moment for moment in moments if moment is not None), default=None)
    if newest is not None and None not in moments:
        where &= pl.col("known_at") <= newest
    keys = list(table.partition_key)
    now, then = (
        _stored(lake, table, one).filter(where).join(committed.lazy(), on=keys, how="semi")
        for one in (None, version)
    )
    names = stored_schema(table).names()
    gone = then.join(now, on=names, how="anti", nulls_equal=True).collect()
    new = now.join(then, on=names, how="anti", nulls_equal=True).collect()
    return [_otherwise(read.wanted, gone, new) for read in reads]


def _near(committed: pl.DataFrame) -> pl.Expr:
    """Rows near some partitions, as a filter that skips files."""
    bounds = [
        pl.col(name).is_between(values.min(), values.max())
        if values.dtype == pl.Date
        else pl.col(name).is_in(values.unique().to_list())
        for name, values in zip(committed.columns, committed.iter_columns(), strict=True)
    ]
    return pl.all_horizontal(bounds)


def _otherwise(wanted: Wanted, gone: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """Count what a read shows of one of two sets of rows and not of the other."""
    then, now = (_shown(rows.lazy(), wanted).collect() for rows in (gone, new))
    both = [_without(then, now), _without(now, then)]
    return _summed(pl.concat(both), wanted.table)


def _without(rows: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    return rows.join(others, on=rows.columns, how="anti", nulls_equal=True)


def _by_content(lake: Lake, read: Recorded, committed: pl.DataFrame) -> pl.DataFrame:
    """Differences by content hash: the version is gone, so nobody can tell which rows they are.

    Named are then all rows of the committed partitions that would be read.
    """
    if read.fingerprint == read.content():
        return pl.DataFrame(schema=DIFFERENCES)
    table = read.wanted.table
    near = _stored(lake, table, None).filter(read.wanted.where & _near(committed))
    here = near.join(committed.lazy(), on=list(table.partition_key), how="semi")
    found = _summed(_shown(here, read.wanted).collect(), table)
    return found if found.height else pl.DataFrame([("", None, None, 0)], schema=DIFFERENCES, orient="row")


def _stored(lake: Lake, table: Table, version: int | None) -> pl.LazyFrame:
    """All rows of a version, hidden columns too."""
    schema = stored_schema(table)
    log = None if version == -1 else lake.open(table, version)
    if log is None:
        return pl.LazyFrame(schema=schema)
    return log.scan().select(pl.col(name).cast(dtype) for name, dtype in schema.items())


def _shown(rows: pl.LazyFrame, wanted: Wanted) -> pl.LazyFrame:
    """Rows and columns that a read shows of stored ones."""
    as_of = LATEST if wanted.as_of is None else wanted.as_of
    if not wanted.all_revisions:
        rows = rows.filter(holds(as_of, wanted.table))
    elif wanted.as_of is not None:
        rows = rows.filter(pl.col("known_at") <= wanted.as_of)
    if wanted.also is not None:
        rows = rows.filter(wanted.also)
    if wanted.listed_on is not None:
        rows = listings_on(rows, wanted.listed_on)
    return rows.select(*(wanted.columns or wanted.table.columns))


def _summed(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Count facts by exchange: one that is another now stands in both versions and counts once."""
    exchange = pl.col("exchange") if "exchange" in table.columns else pl.lit("")
    day = pl.col("date") if "date" in table.columns else pl.lit(None, pl.Date)
    facts = rows.select(exchange=exchange, day=day, fact=pl.struct(table.key))
    return (
        facts.group_by("exchange")
        .agg(first_date=pl.col("day").min(), last_date=pl.col("day").max(), rows=pl.col("fact").n_unique())
        .sort("exchange")
        .select(pl.col(name).cast(dtype) for name, dtype in DIFFERENCES.items())
    )
