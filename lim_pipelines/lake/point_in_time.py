"""What was known when: moments, and the rows that hold at one.

What does not belong here: files and commits.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from enum import Enum
from typing import Final

import polars as pl

from lim_pipelines.schemas import UTC_TIME, Table

SUPERSEDED_AT: Final = "superseded_at"
"""Hidden stored column where facts have revisions: `known_at` of the next revision, null for the newest."""


class Latest(Enum):
    """Type of `LATEST`."""

    LATEST = "latest"


LATEST: Final = Latest.LATEST
"""Read everything known today. Only for operations; models and backtests name a moment."""

AsOf = datetime | Latest


def stored_schema(table: Table) -> pl.Schema:
    """Return the columns as they are stored: the table's own, and the hidden one."""
    return pl.Schema({**table.schema, SUPERSEDED_AT: UTC_TIME} if table.has_revisions else table.schema)


def with_superseded_at(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Add the hidden column.

    Parameters
    ----------
    rows
        All revisions of the facts in it, sorted by row key.
    table
        The rows' table.
    """
    if not table.has_revisions:
        return rows
    same_fact = pl.all_horizontal(pl.col(name) == pl.col(name).shift(-1) for name in table.key)
    return rows.with_columns(pl.when(same_fact).then(pl.col("known_at").shift(-1)).alias(SUPERSEDED_AT))


def holds(as_of: AsOf | pl.Expr, table: Table) -> pl.Expr:
    """Return the filter, over stored columns, for the rows that hold at a moment.

    A fact's newest revision known by then; none of it if that revision withdraws the fact.
    """
    if not table.has_revisions:
        return pl.lit(True)
    newest = pl.col(SUPERSEDED_AT).is_null()
    if not isinstance(as_of, Latest):
        newest = (pl.col("known_at") <= as_of) & (newest | (pl.col(SUPERSEDED_AT) > as_of))
    return newest & ~pl.col("withdrawn") if "withdrawn" in table.columns else newest


def as_of_view(revisions: pl.DataFrame, as_of: AsOf | pl.Expr, table: Table) -> pl.DataFrame:
    """Rows of a table as they were known at a moment, from a frame of all their revisions.

    Parameters
    ----------
    revisions
        Rows with all their revisions.
    as_of
        Moment, UTC, or an expression that gives each row's; rows with `known_at` at or before it are seen,
        the latest of each key wins.
    table
        The rows' table.

    Returns
    -------
    pl.DataFrame
        One row a key, sorted by key; facts that are withdrawn by then have none.
    """
    rows = with_superseded_at(revisions.sort(table.row_key), table)
    return rows.filter(holds(as_of, table)).select(revisions.columns)


def midnight(day: date) -> datetime:
    """Return the moment a cutoff stands for: that day's midnight, UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def next_cutoff(day: date) -> date:
    """Return the first day of the month after a day's: the cutoff that ends a cutoff's period."""
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)
