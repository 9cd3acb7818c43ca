"""What the SQL marts need beside the lake's tables: sessions, and which of them have to be made again.

What does not belong here: SQL (`dbt_project/`), the warehouse's file (`resources/warehouse.py`), and what was
known when: `dbt_project/macros/as_known.sql` decides that.

A mart's row of a session says what was known at that session. So a change of the lake concerns the sessions
that follow the moment at which its rows were known, not all of them: a correction that arrives today
changes today's rows, history that is brought in later changes those since it was known.
"""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

from lim_pipelines.exchanges import sessions
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import (
    ENTITY_LINKS,
    INDEX_MEMBERS,
    LISTINGS,
    QUARANTINE,
    RESAMPLED_BARS,
    UTC_TIME,
    VALIDATED_BARS,
    VALIDATED_FACTS,
    VALIDATED_MACRO,
    Table,
)

BARS = (VALIDATED_BARS, RESAMPLED_BARS)
BY_MOMENT = (VALIDATED_FACTS, VALIDATED_MACRO, ENTITY_LINKS, INDEX_MEMBERS)
"""Tables whose rows concern every session since they were known."""

READ = (*BARS, QUARANTINE, *BY_MOMENT, LISTINGS)
"""Tables of the lake that the marts read."""

CHANGES = pl.Schema({"table_name": pl.String, "exchange": pl.String, "date": pl.Date})

SESSIONS = pl.Schema(
    {
        "exchange": pl.String(),
        "date": pl.Date(),
        "previous": pl.Date(),
        "session_close": UTC_TIME,
        "next_open": UTC_TIME,
    }
)

_LONGEST_BREAK = timedelta(days=30)
"""No exchange is closed for longer; beyond it lies the session before the first and after the last."""


def versions(lake: Lake) -> dict[str, int]:
    """Versions of the tables that the marts read; -1 for one that does not exist."""
    return {table.name: lake.version(table) for table in READ}


def calendar(lake: Lake) -> pl.DataFrame:
    """Sessions of every exchange that has bars, from the month of its first one to that of its last.

    Returns
    -------
    pl.DataFrame
        Columns exchange, date, previous (session before), session_close, next_open (UTC), held (whether the
        lake has bars of it); sorted by exchange and date.
    """
    held = lake.revisions(VALIDATED_BARS).select("exchange", "date").unique().collect()
    spans = held.group_by("exchange").agg(first=pl.col("date").min(), last=pl.col("date").max())
    return (
        pl.concat(
            [pl.DataFrame(schema=SESSIONS), *(_sessions(*span) for span in spans.sort("exchange").rows())]
        )
        .join(held.with_columns(held=True), on=["exchange", "date"], how="left", maintain_order="left")
        .with_columns(pl.col("held").fill_null(False))
    )


def _sessions(mic: str, first: date, last: date) -> pl.DataFrame:
    first = first.replace(day=1)
    last = (last.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    # The calendar knows nothing before 1970.
    known = sessions(mic, max(first - _LONGEST_BREAK, date(1970, 1, 1)), last + _LONGEST_BREAK)
    return known.select(
        pl.lit(mic).alias("exchange"),
        "date",
        pl.col("date").shift(1).alias("previous"),
        pl.col("close").alias("session_close"),
        # The last year that a calendar knows ends without a next session.
        pl.col("open").shift(-1).fill_null(pl.col("close") + timedelta(days=1)).alias("next_open"),
    ).filter(pl.col("date").is_between(first, last))


def changed_sessions(lake: Lake, seen: dict[str, int], days: pl.DataFrame) -> pl.DataFrame:
    """Sessions whose rows may differ from those made of earlier versions of the tables.

    Parameters
    ----------
    lake
        The lake.
    seen
        Versions that the rows were made of, as `versions` gives them.
    days
        Frame of `calendar`.

    Returns
    -------
    pl.DataFrame
        Columns table_name, exchange, date: because of which table, and which session; `sessions` where the
        session itself is new. Of tables whose rows concern every session since they were known, all sessions
        since the earliest row that is new or gone.
    """
    found = [pl.DataFrame(schema=CHANGES)]
    for table in READ:
        changed = lake.changed_since(table, seen[table.name])
        if changed.is_empty():
            continue
        if table in BARS:
            hit = _with_next(changed, days)
        elif table is QUARANTINE:
            hit = changed.select("exchange", "date").unique()
        else:
            hit = _since(_news(lake, table, seen[table.name], changed), table, days)
        found.append(hit.select(pl.lit(table.name).alias("table_name"), "exchange", "date"))
        if table is VALIDATED_BARS:
            came = _came_or_went(lake, seen[table.name], changed)
            found.append(came.select(pl.lit("sessions").alias("table_name"), "exchange", "date"))
    return pl.concat(found)


def _came_or_went(lake: Lake, seen: int, changed: pl.DataFrame) -> pl.DataFrame:
    """Sessions of which the lake had no bars before, or has none now; all if the version is gone."""
    if seen >= 0 and not lake.has_version(VALIDATED_BARS, seen):
        return changed
    key = list(changed.columns)
    near = pl.col("date").is_between(pl.lit(changed["date"].min()), pl.lit(changed["date"].max()))

    def held(version: int | None) -> pl.DataFrame:
        rows = (
            VALIDATED_BARS.empty().lazy() if version == -1 else lake.revisions(VALIDATED_BARS, near, version)
        )
        return changed.join(rows.select(key).unique().collect(), on=key, how="semi")

    before, now = held(seen), held(None)
    return changed.join(before.join(now, on=key, how="semi"), on=key, how="anti")


def _with_next(changed: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """Sessions, and those after them: a return reads the close before."""
    after = days.select("exchange", "date", "previous").join(
        changed, left_on=["exchange", "previous"], right_on=["exchange", "date"], how="semi"
    )
    return pl.concat([changed.select("exchange", "date"), after.select("exchange", "date")]).unique()


def _news(lake: Lake, table: Table, seen: int, changed: pl.DataFrame) -> pl.DataFrame:
    """Rows of the changed partitions that are new since a version, or gone; all if that version is gone."""

    def rows(version: int | None) -> pl.DataFrame:
        names = list(table.partition_key)
        near = pl.all_horizontal(pl.col(name).is_in(changed[name].unique().to_list()) for name in names)
        return lake.revisions(table, near, version).collect()

    now = rows(None)
    if seen < 0 or not lake.has_version(table, seen):
        return now
    before, every = rows(seen), list(table.columns)
    new = now.join(before, on=every, how="anti", nulls_equal=True)
    return pl.concat([new, before.join(now, on=every, how="anti", nulls_equal=True)])


def _since(news: pl.DataFrame, table: Table, days: pl.DataFrame) -> pl.DataFrame:
    """Sessions that some rows concern."""
    if table is LISTINGS:
        # Read as known today: what counts is when the symbol has that meaning.
        still = pl.col("last").fill_null(date.max)
        first, last = news.select(pl.col("first").min(), still.max().alias("last")).row(0)
        return days.filter(pl.col("date").is_between(pl.lit(first, pl.Date), pl.lit(last, pl.Date)))
    since = pl.col("known_at")
    if "first" in table.columns:
        # A session's date is at most a day off in UTC.
        since = pl.max_horizontal(since, pl.col("first").cast(UTC_TIME) - pl.duration(days=1))
    return days.filter(pl.col("session_close") >= pl.lit(news.select(since.min()).item(), UTC_TIME))
