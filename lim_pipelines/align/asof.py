"""As-of joins: to each moment the newest fact that was known by then.

What does not belong here: values on a grid (`fill.py`), when something becomes known (`publication.py`),
which session can use it (`moments.py`), reading the lake.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from lim_pipelines.lake import as_of_view
from lim_pipelines.schemas import UTC_TIME
from lim_pipelines.schemas.table import Column, Table

_HIDDEN = "_lim_"
"""Before the names of columns that go through the join without being asked for."""


def as_known(
    moments: pl.DataFrame,
    facts: pl.DataFrame,
    *,
    by: Sequence[str],
    columns: Sequence[str],
    at: str = "at",
    tolerance: timedelta | None = None,
    expiry: timedelta | str | None = None,
) -> pl.DataFrame:
    """Join to each moment the newest fact known at or before it.

    Parameters
    ----------
    moments
        Columns `by` and `at` (UTC, microseconds), and any others, in any order. It is fastest sorted by `at`,
        or by `by` and then `at`.
    facts
        Columns `by`, `ts` (what moment a fact describes), `known_at`, `columns`; all revisions, in any order.
    by
        Columns that say whom or what a fact is about; empty where all facts are about one thing.
    columns
        Columns of `facts` to join; `ts` and `known_at` may be among them.
    at
        Column of `moments` with the moment.
    tolerance
        Maximal age of knowledge, `at - known_at`, itself included. None: any.
    expiry
        Maximal age of what is described, `at - ts`, itself included; or the name of a column of `facts` with
        the moment from which the fact no longer holds (null: never). None: any.

    Returns
    -------
    pl.DataFrame
        `moments` as they came, and `columns`: of the facts with `known_at <= at`, the one of the latest `ts`,
        and of its revisions the latest. Nulls where there is none, or where it is too old: an older fact does
        not stand in for it. Of facts alike in `by`, `ts` and `known_at` the last one given counts.

    Raises
    ------
    ValueError
        A column is missing, has no time zone, holds a null it must not, or is in both frames.

    Notes
    -----
    A later revision of an older period does not hide a newer period (paper section 5.1, temporal alignment).
    """
    stream = align_stream([moments], facts, by=by, columns=columns, at=at, tolerance=tolerance, expiry=expiry)
    return next(stream)


def align_stream(
    parts: Iterable[pl.DataFrame],
    facts: pl.DataFrame,
    *,
    by: Sequence[str],
    columns: Sequence[str],
    at: str = "at",
    tolerance: timedelta | None = None,
    expiry: timedelta | str | None = None,
) -> Iterator[pl.DataFrame]:
    """Do what `as_known` does part by part, so that memory holds the facts and one part at a time.

    Parameters
    ----------
    parts
        Frames of moments, such as the partitions of a table, one after the other, in any order.
    facts, by, columns, at, tolerance, expiry
        As for `as_known`.

    Yields
    ------
    pl.DataFrame
        One for each part.

    Raises
    ------
    ValueError
        As `as_known`.
    """
    published = _publications(facts, list(by), list(columns), expiry)
    for part in parts:
        _refuse_moments(part, list(by), list(columns), at)
        yield _joined(part, published, list(by), list(columns), at, tolerance, expiry)


def vintage(facts: pl.DataFrame, as_of: datetime, *, by: Sequence[str]) -> pl.DataFrame:
    """All facts as they were known at a moment: `lake.as_of_view` for frames that are no table of the lake.

    Parameters
    ----------
    facts
        Columns `by`, `ts`, `known_at`, and any others; all revisions.
    as_of
        Moment, UTC.
    by
        Columns that, with `ts`, say which fact a row is about.

    Returns
    -------
    pl.DataFrame
        One row a fact, its latest revision known at or before `as_of`, sorted by `by` and `ts`.

    Raises
    ------
    ValueError
        A column is missing, or holds a null it must not.
    """
    key = (*by, "ts")
    _refuse_facts(facts, [*key, "known_at"], [*key, "known_at"])
    columns = {name: Column(dtype, "", "", nullable=True) for name, dtype in facts.schema.items()}
    return as_of_view(facts, as_of, Table("facts", "Facts.", columns, key, (), ()))


def _publications(
    facts: pl.DataFrame, by: list[str], columns: list[str], expiry: timedelta | str | None
) -> pl.DataFrame:
    """Facts that were the newest when they were published, one a moment, sorted by `known_at`.

    All but `by` is renamed; `until` is the moment from which the next one holds.
    """
    expires = [expiry] if isinstance(expiry, str) else []
    _refuse_facts(facts, [*by, "ts", "known_at", *columns, *expires], ["ts", "known_at"])
    known_at, ts = f"{_HIDDEN}known_at", f"{_HIDDEN}ts"
    # Sorted by time alone: names, which are slow to sort, need only be told apart.
    ordered = (
        facts.drop_nulls(by)
        .select(
            *by,
            *(pl.col(name).alias(_HIDDEN + name) for name in dict.fromkeys(["ts", "known_at", *columns])),
            *(pl.col(name).alias(f"{_HIDDEN}expires") for name in expires),
        )
        .sort([known_at, ts], maintain_order=True)
    )
    ladder = ordered.filter(pl.col(ts) == _each(pl.col(ts).cum_max(), by))
    following = ladder.with_columns(_each(pl.col(known_at).shift(-1), by).alias(f"{_HIDDEN}until"))
    return following.filter(pl.col(f"{_HIDDEN}until").ne_missing(pl.col(known_at)))


def _each(expression: pl.Expr, by: list[str]) -> pl.Expr:
    return expression.over(by) if by else expression


def _joined(
    part: pl.DataFrame,
    published: pl.DataFrame,
    by: list[str],
    columns: list[str],
    at: str,
    tolerance: timedelta | None,
    expiry: timedelta | str | None,
) -> pl.DataFrame:
    row = f"{_HIDDEN}row"
    sorted_part = part if _in_order(part, by, at) else part.with_row_index(row).sort(at, nulls_last=True)
    # Every column more is one more to gather: those that nobody asks for stay out of the join.
    wanted = set(columns) | ({"known_at"} if tolerance is not None else set())
    wanted |= {"expires"} if isinstance(expiry, str) else {"ts"} if expiry is not None else set()
    right = [*by, *(_HIDDEN + name for name in sorted(wanted | {"known_at"}))]
    joined = sorted_part.join_asof(
        _within(published, part, by, at).select(right),
        left_on=at,
        right_on=f"{_HIDDEN}known_at",
        by=by or None,
        strategy="backward",
        coalesce="known_at" not in wanted,
        check_sortedness=False,
    )
    if row in joined.columns:
        joined = joined.sort(row)
    holds = pl.col(at).is_not_null()
    if tolerance is not None:
        holds &= pl.col(at) - pl.col(f"{_HIDDEN}known_at") <= tolerance
    if isinstance(expiry, str):
        holds &= (pl.col(at) < pl.col(f"{_HIDDEN}expires")) | pl.col(f"{_HIDDEN}expires").is_null()
    elif expiry is not None:
        holds &= pl.col(at) - pl.col(f"{_HIDDEN}ts") <= expiry
    always = tolerance is None and expiry is None and not part[at].null_count()
    found = (pl.col(_HIDDEN + name) for name in columns)
    return joined.select(
        *part.columns,
        *(
            (value if always else pl.when(holds).then(value)).alias(name)
            for name, value in zip(columns, found, strict=True)
        ),
    )


def _within(published: pl.DataFrame, part: pl.DataFrame, by: list[str], at: str) -> pl.DataFrame:
    """Leave out what no moment of the part can see: a join's time goes by all that it is given."""
    first: Any = part[at].min()
    last: Any = part[at].max()
    if first is None:
        return published.clear()
    seen = published.head(published[f"{_HIDDEN}known_at"].search_sorted(last, side="right"))
    until = pl.col(f"{_HIDDEN}until")
    seen = seen.filter(until.is_null() | (until > first))
    if not by:
        return seen
    lowest, highest = pl.lit(part[by[0]].min()), pl.lit(part[by[0]].max())
    return seen.filter(pl.col(by[0]).is_between(lowest, highest))


def _in_order(part: pl.DataFrame, by: list[str], at: str) -> bool:
    """Whether the moments of each thing are in order already: all are, or thing by thing."""
    if part[at].null_count():
        return False
    if part[at].is_sorted():
        return True
    later = pl.col(at) >= pl.col(at).shift(1)
    for name in reversed(by):
        before = pl.col(name).shift(1)
        later = (pl.col(name) > before) | ((pl.col(name) == before) & later)
    return bool(part.select(later.slice(1).fill_null(False).all()).item())


def _refuse_facts(facts: pl.DataFrame, needed: Sequence[str], filled: Sequence[str]) -> None:
    _refuse_missing("facts", facts, needed)
    for name in ("ts", "known_at"):
        _refuse_other_time("facts", facts, name)
    for name in filled:
        if nulls := facts[name].null_count():
            raise ValueError(f"facts: {nulls} rows have no {name}; fill it or leave them out")


def _refuse_moments(moments: pl.DataFrame, by: list[str], columns: list[str], at: str) -> None:
    _refuse_missing("moments", moments, [*by, at])
    _refuse_other_time("moments", moments, at)
    if clash := sorted(set(columns) & set(moments.columns)):
        raise ValueError(f"moments have columns {clash} already; rename them there or in the facts")


def _refuse_missing(what: str, frame: pl.DataFrame, needed: Sequence[str]) -> None:
    if missing := [name for name in needed if name not in frame.columns]:
        raise ValueError(f"{what}: columns {missing} are missing (has {frame.columns})")


def _refuse_other_time(what: str, frame: pl.DataFrame, name: str) -> None:
    if frame.schema[name] != UTC_TIME:
        raise ValueError(f"{what}: {name} is {frame.schema[name]}, it must be {UTC_TIME}; convert it to UTC")
