"""Freshness: which exchange's newest session should be there and is not, by the close of the exchange itself.

What does not belong here: how stale sources of other data are (`panorama/staleness.py`), who is told.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from lim_pipelines.exchanges import get_exchange
from lim_pipelines.exchanges.closes import ended
from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.schemas import LANDING_FILES, UTC_TIME, VALIDATED_BARS

GRACE = timedelta(minutes=45)
"""Time that a load may take after the feed has a session: the schedule asks at once, several loads wait for
each other."""

BACK = timedelta(days=30)
"""How far back is looked for the newest session; longer than any holiday."""


def freshness(lake: Lake, mics: Iterable[str], now: datetime) -> pl.DataFrame:
    """Newest session of each exchange beside the newest one that is due.

    An exchange owes the sessions that end after it came into use: after its first file arrived or, where
    nobody keeps the ledger of files, after its first bar was known. So one whose history is being loaded for
    the first time owes nothing of it, and one that never brought anything owes nothing at all.

    Parameters
    ----------
    lake
        The lake; bars of the last `BACK` are read, and all of exchanges that the ledger does not know.
    mics
        Exchanges; simulated ones are left out, nobody delivers them.
    now
        Moment of looking, UTC.

    Returns
    -------
    pl.DataFrame
        One row an exchange, sorted: exchange; newest, its newest validated session (null: none in `BACK`);
        due, the newest session that it owes (null: none in `BACK`); missing, sessions between the two;
        due_since, the moment from which the first of them is (UTC, null: none is); overdue.

    Raises
    ------
    UnknownExchangeError
        An identifier is not registered.
    """
    real = sorted(mic for mic in mics if not get_exchange(mic).simulated)
    since = (now - BACK).date()
    due = (
        ended(real, now - BACK, now - GRACE)
        .join(_in_use_since(lake, real), on="exchange")
        .filter(pl.col("ready") > pl.col("in_use"))
    )
    there = (
        lake.read(
            VALIDATED_BARS, as_of=LATEST, where=pl.col("exchange").is_in(real) & (pl.col("date") >= since)
        )
        .group_by("exchange")
        .agg(newest=pl.col("date").max())
        .collect()
    )
    known = pl.DataFrame({"exchange": real}, schema={"exchange": pl.String}).join(
        there, on="exchange", how="left"
    )
    missing = (
        due.join(known, on="exchange")
        .filter(pl.col("newest").is_null() | (pl.col("date") > pl.col("newest")))
        .group_by("exchange")
        .agg(missing=pl.len(), due_since=(pl.col("ready") + GRACE).min().cast(UTC_TIME))
    )
    return (
        known.join(due.group_by("exchange").agg(due=pl.col("date").max()), on="exchange", how="left")
        .join(missing, on="exchange", how="left")
        .with_columns(pl.col("missing").fill_null(0).cast(pl.Int64))
        .with_columns(overdue=pl.col("missing") > 0)
        .select("exchange", "newest", "due", "missing", "due_since", "overdue")
        .sort("exchange")
    )


def _in_use_since(lake: Lake, mics: list[str]) -> pl.DataFrame:
    """Moment from which each exchange is in use, a row each; none of one that has brought nothing yet."""
    here = pl.col("exchange").is_in(mics)
    files = lake.read(LANDING_FILES, as_of=LATEST, where=here)
    arrived = files.group_by("exchange").agg(in_use=pl.col("arrived_at").min()).collect()
    unknown = here & ~pl.col("exchange").is_in(arrived["exchange"].to_list())
    bars = lake.revisions(VALIDATED_BARS, unknown)
    known = bars.group_by("exchange").agg(in_use=pl.col("known_at").min()).collect()
    return pl.concat([arrived, known])


def words(row: dict[str, Any]) -> str:
    """Say how fresh an exchange is.

    Parameters
    ----------
    row
        Of `freshness`.
    """
    newest = f"newest session {row['newest']}" if row["newest"] else f"no session in {BACK.days} days"
    if not row["overdue"]:
        return f"{row['exchange']}: {newest}, nothing due"
    since = row["due_since"].strftime("%Y-%m-%d %H:%M UTC")
    return f"{row['exchange']}: {newest}, {row['missing']} to {row['due']} due since {since}"
