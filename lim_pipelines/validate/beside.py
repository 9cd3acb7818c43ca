"""What bars are judged against, beside themselves.

What does not belong here: the rules (`rules/`), the columns made of it (`prepare/`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
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

_SERIES = ("instrument_id", "price_type")
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
    older
        Columns `BEFORE_COLUMNS`: the last daily bar before those sessions, however long ago, in its first
        revision; of each instrument that has none in them, at least.
    """

    listings: pl.DataFrame
    actions: pl.DataFrame
    members: pl.DataFrame
    before: pl.DataFrame
    older: pl.DataFrame = field(default_factory=lambda: ALIGNED_BARS.empty().select(BEFORE_COLUMNS))


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
    days = sessions_before(scope)
    before = _daily(lake, days)
    return _read(lake, scope, before, _older(lake, scope, days, before))


def read_beside_import(lake: Lake, scope: pl.DataFrame) -> Beside:
    """Read what the first partitions of an import are judged against, whatever instruments it brings.

    Parameters
    ----------
    lake
        Lake to read.
    scope
        Columns exchange and date: all days of one exchange from the first to the last.

    Returns
    -------
    Beside
        As of `read_beside`; `older` is of all instruments.
    """
    days = sessions_before(scope)
    start = pl.concat([days, scope.select(days.columns)])["date"].min()
    rows = _daily_rows(lake, scope["exchange"][0], pl.col("date") < start)
    return _read(lake, scope, _daily(lake, days), last_bars(rows))


def _read(lake: Lake, scope: pl.DataFrame, before: pl.DataFrame, older: pl.DataFrame) -> Beside:
    mics = scope["exchange"].unique().sort().to_list()
    first, last = scope.select(pl.col("date").min(), last=pl.col("date").max()).row(0)
    here = pl.col("exchange").is_in(mics)
    actions = lake.read(
        CORPORATE_ACTIONS, as_of=LATEST, where=here & pl.col("ex_date").is_between(first, last)
    )
    members = lake.read(
        INDEX_MEMBERS,
        as_of=LATEST,
        where=(pl.col("first") <= last) & (pl.col("last").fill_null(last) >= first),
    )
    return Beside(
        known_listings(lake).filter(here),
        actions.sort(CORPORATE_ACTIONS.key).collect(),
        members.sort(INDEX_MEMBERS.key).collect(),
        before,
        older,
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


def last_bars(rows: pl.LazyFrame) -> pl.DataFrame:
    """Find the last bar of each instrument and price type, in its first revision.

    Parameters
    ----------
    rows
        Columns `BEFORE_COLUMNS`, in any order.

    Returns
    -------
    pl.DataFrame
        Same columns, sorted by row key. Two passes: memory holds a row an instrument, not the history.
    """
    newest = rows.group_by(_SERIES).agg(pl.col("date").max()).collect(engine="streaming")
    found = rows.filter(pl.col("date").is_in(newest["date"].unique().implode()))
    found = found.join(newest.lazy(), on=[*_SERIES, "date"], how="semi").sort(ALIGNED_BARS.row_key)
    return found.unique(_SERIES, keep="first", maintain_order=True).collect()


def _daily_rows(lake: Lake, mic: str, where: pl.Expr) -> pl.LazyFrame:
    here = (pl.col("exchange") == mic) & (pl.col("freq") == "1d") & where
    return lake.revisions(ALIGNED_BARS, here).select(BEFORE_COLUMNS)


def _daily(lake: Lake, days: pl.DataFrame) -> pl.DataFrame:
    found = [NOTHING.before]
    for (mic,), of_one in days.group_by("exchange", maintain_order=True):
        near = pl.col("date").is_between(of_one["date"].min(), of_one["date"].max())
        rows = _daily_rows(lake, str(mic), near)
        found.append(
            rows.join(of_one.lazy(), on=["exchange", "date"], how="semi").sort(ALIGNED_BARS.row_key).collect()
        )
    return pl.concat(found)


def _older(lake: Lake, scope: pl.DataFrame, days: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """Last bars before the sessions that are looked at, of instruments whose first bar there is a new one."""
    here = ["exchange", "date"]
    looked_at = pl.concat([days, scope.select(here)]).unique().sort(here)
    found = [NOTHING.before]
    for (mic,), of_one in looked_at.group_by("exchange", maintain_order=True):
        for stretch in _stretches(str(mic), of_one["date"]):
            within = pl.col("date").is_between(stretch[0], stretch[-1])
            asked = _daily_rows(lake, str(mic), within).join(scope.lazy(), on=here, how="semi")
            first = asked.group_by(_SERIES).agg(pl.col("date").min()).collect()
            known = before.filter(pl.col("exchange") == mic, within).group_by(_SERIES)
            old = known.agg(old=pl.col("date").min())
            new = first.join(old, on=_SERIES, how="left").filter(
                (pl.col("old") < pl.col("date")).fill_null(False).not_()
            )
            if new.height:
                past = _daily_rows(lake, str(mic), pl.col("date") < stretch[0])
                mine = past.filter(pl.col("instrument_id").is_in(new["instrument_id"].unique().implode()))
                found.append(last_bars(mine.join(new.lazy(), on=_SERIES, how="semi")))
    # What lies in an earlier stretch is looked at anyway.
    return (
        pl.concat(found)
        .join(looked_at, on=here, how="anti", maintain_order="left")
        .unique(maintain_order=True)
    )


def _stretches(mic: str, dates: pl.Series) -> list[list[date]]:
    """Dates, sorted, in stretches between which sessions are left out."""
    grid = session_grid(mic, dates[0], dates[-1])["date"]
    # How many sessions are left out before each date: the number of its stretch.
    left_out = grid.filter(~grid.is_in(dates.implode())).search_sorted(dates)
    numbered = pl.DataFrame({"date": dates, "nth": left_out})
    return numbered.group_by("nth", maintain_order=True).agg("date")["date"].to_list()
