"""What bars are judged against, beside themselves.

What does not belong here: the rules (`rules/`), the columns made of it (`prepare/`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import polars as pl

from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.reference import known_listings
from lim_pipelines.schemas import ALIGNED_BARS, CORPORATE_ACTIONS, INDEX_MEMBERS, LISTINGS
from lim_pipelines.sources.clock import session_grid

BEFORE_SESSIONS: Final = 60
"""Sessions of daily bars before a scope that rules of history look at."""

BEFORE_COLUMNS: Final = tuple(
    name for name in ALIGNED_BARS.columns if name not in ("turnover", "vwap", "trades", "open_interest")
)
"""Columns of `ALIGNED_BARS` that are read of them."""

_SESSIONS_WITHIN = timedelta(days=3 * BEFORE_SESSIONS)
"""Calendar days that hold that many sessions anywhere, the longest closures included."""


@dataclass(frozen=True)
class Beside:
    """What bars of some partitions are judged against.

    Parameters
    ----------
    listings
        Frame of `LISTINGS`: ticks, lots, expiries.
    actions
        Frame of `CORPORATE_ACTIONS`.
    members
        Frame of `INDEX_MEMBERS`.
    before
        Columns `BEFORE_COLUMNS`, all revisions: daily bars of the `BEFORE_SESSIONS` sessions before each
        partition, those of the partitions themselves left out. Aligned, not validated: what is found does not
        depend on the order in which partitions are validated.
    """

    listings: pl.DataFrame
    actions: pl.DataFrame
    members: pl.DataFrame
    before: pl.DataFrame


NOTHING: Final = Beside(
    LISTINGS.empty(),
    CORPORATE_ACTIONS.empty(),
    INDEX_MEMBERS.empty(),
    ALIGNED_BARS.empty().select(BEFORE_COLUMNS),
)
"""Nothing beside: rules that need something judge nothing."""


def read_beside(lake: Lake, scope: pl.DataFrame) -> Beside:
    """Read what the bars of some partitions are judged against.

    Parameters
    ----------
    lake
        Lake to read; it may lack any of the tables.
    scope
        Columns exchange and date.

    Returns
    -------
    Beside
        Of the exchanges in `scope`. Listings, corporate actions and members are as known today: what an
        instrument was on a date is no news about the future, its own dates say when it holds.
    """
    if scope.is_empty():
        return NOTHING
    mics = scope["exchange"].unique().sort().to_list()
    first, last = scope.select(pl.col("date").min(), last=pl.col("date").max()).row(0)
    here = pl.col("exchange").is_in(mics)
    listings = known_listings(lake).filter(here)
    actions = lake.read(
        CORPORATE_ACTIONS, as_of=LATEST, where=here & pl.col("ex_date").is_between(first, last)
    )
    members = lake.read(
        INDEX_MEMBERS,
        as_of=LATEST,
        where=(pl.col("first") <= last) & (pl.col("last").fill_null(last) >= first),
    )
    days = sessions_before(scope)
    return Beside(
        listings,
        actions.sort(CORPORATE_ACTIONS.key).collect(),
        members.sort(INDEX_MEMBERS.key).collect(),
        _daily(lake, days),
    )


def sessions_before(scope: pl.DataFrame) -> pl.DataFrame:
    """Sessions that lie at most `BEFORE_SESSIONS` before one of some partitions, and are none of them.

    Parameters
    ----------
    scope
        Columns exchange and date.

    Returns
    -------
    pl.DataFrame
        Columns exchange and date, sorted.
    """
    found = [scope.select("exchange", "date").clear()]
    for (mic,), asked in scope.group_by("exchange"):
        days = asked["date"].unique().sort()
        bounds = days.to_list()
        grid = session_grid(str(mic), bounds[0] - _SESSIONS_WITHIN, bounds[-1])["date"]
        # Each asked day needs the sessions before it: those whose next asked day is near enough.
        nth = pl.Series(range(len(grid)), dtype=pl.Int64)
        places = days.search_sorted(grid, side="left")
        after = grid.search_sorted(days, side="left").gather(places.clip(0, len(days) - 1))
        near = (places < len(days)) & (after.cast(pl.Int64) - nth <= BEFORE_SESSIONS)
        found.append(pl.DataFrame({"exchange": str(mic), "date": grid.filter(near)}, schema=found[0].schema))
    return pl.concat(found).join(scope, on=["exchange", "date"], how="anti").sort("exchange", "date")


def _daily(lake: Lake, days: pl.DataFrame) -> pl.DataFrame:
    if days.is_empty():
        return NOTHING.before
    near = (
        pl.col("exchange").is_in(days["exchange"].unique().to_list())
        & (pl.col("freq") == "1d")
        & pl.col("date").is_between(days["date"].min(), days["date"].max())
    )
    rows = lake.revisions(ALIGNED_BARS, near).select(BEFORE_COLUMNS)
    return rows.join(days.lazy(), on=["exchange", "date"], how="semi").sort(ALIGNED_BARS.row_key).collect()
