"""Partitions as wholes: one line of figures a partition and source, which rules of partitions judge.

What does not belong here: which figures are right (`rules/partitions.py`), holding partitions (`gate.py`).

A file may be wrong as a whole although each of its rows could be right: half of the instruments are
missing, it is yesterday's again, all prices are in another unit. The figures look at a session's newest
bars and at the sessions before it, never at later ones; of earlier bars at the first revision, and only at
what was known when the session was: what is found of a session does not change when the past is corrected
or filled in.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Final

import polars as pl

from lim_pipelines.schemas import ALIGNED_BARS
from lim_pipelines.validate.beside import BEFORE_COLUMNS, Beside

UNIT: Final = ["exchange", "date", "source"]
"""What a line of figures is about."""

USUAL_DAYS: Final = 30
"""Calendar days before a session from which its usual number of instruments is taken: about 20 sessions."""

USUAL_SESSIONS: Final = 5
"""Sessions that these days must hold; before, nothing is usual."""

FEW_ROWS: Final = 20
FEW_EXPECTED: Final = 20
FEW_INSTRUMENTS: Final = 10
FEW_COPIES: Final = 5
FEW_MEMBERS: Final = 20
"""Below so many a share says nothing."""

DAYS_APART: Final = 10
"""Calendar days between two sessions of a source that still follow each other."""

JUMP: Final = 1.5
"""Factor between a close and the one before that is a jump here."""


def summarise(frame: pl.DataFrame, blocked: pl.Series, beside: Beside) -> pl.DataFrame:
    """Sum up partitions.

    Parameters
    ----------
    frame
        Frame of `ALIGNED_BARS`, all revisions of whole partitions, sorted by row key.
    blocked
        Whether a row fails a blocking rule of rows; as long as `frame`.
    beside
        What came before, and the members of indices.

    Returns
    -------
    pl.DataFrame
        A row a partition and source, sorted by them; shares are null where there are too few to tell:

        - rows: bars, each in its newest revision, without those withdrawn;
        - share_failing: of the rows, those that fail a blocking rule;
        - instruments: instruments with a daily bar; usual: their median over the source's sessions of the
          `USUAL_DAYS` before; coverage: their ratio;
        - share_copied: of the instruments that trade in a daily bar, those whose prices and volume are those
          of the session before;
        - common_jump: of the instruments with a close in the session before, the share whose close, ex
          corporate actions, is more than `JUMP` times that, or less than one `JUMP`-th: the larger of both
          shares; without coins, which do that;
        - members_kept: of the index members with a daily bar in the session before, those that have one.
    """
    newest, daily = ~_same_bar(-1) & ~pl.col("withdrawn"), pl.col("freq") == "1d"
    enough = pl.len() >= FEW_ROWS
    figures = (
        frame.select(*UNIT, newest.alias("newest"), blocked=blocked)
        .filter("newest")
        .group_by(UNIT)
        .agg(rows=pl.len().cast(pl.Int64), share_failing=pl.when(enough).then(pl.col("blocked").mean()))
    )
    own = frame.filter(daily).select(BEFORE_COLUMNS)
    days = own.filter(newest)
    # Both are sorted, and of different partitions.
    past = pl.concat(part.filter(~_same_bar(1)) for part in (beside.before.select(BEFORE_COLUMNS), own))
    sessions = _sessions(days, past)
    for more in (_together(days, past, sessions), _members(days, past, sessions, beside)):
        sessions = sessions.join(more, on=[name for name in UNIT if name in more.columns], how="left")
    return figures.join(sessions.drop("as_of", "before"), on=UNIT, how="left").sort(UNIT)


def _same_bar(step: int) -> pl.Expr:
    """Whether a row is a revision of the bar of the row before it (1) or after it (-1)."""
    same = pl.all_horizontal(pl.col(name) == pl.col(name).shift(step) for name in ALIGNED_BARS.key)
    return same.fill_null(False)


def _sessions(days: pl.DataFrame, past: pl.DataFrame) -> pl.DataFrame:
    """Each source's sessions: when known, the session before, instruments beside the usual number."""
    source = ["exchange", "source"]
    today = days.group_by(UNIT).agg(
        as_of=pl.col("known_at").max(), instruments=pl.col("instrument_id").n_unique().cast(pl.Int64)
    )
    counts = past.group_by(*source, "date", "known_at").agg(found=pl.col("instrument_id").n_unique())
    # Each earlier session is looked at by those of the days after it, if it was known when they were.
    day = timedelta(days=1)
    looked_at = counts.select(
        *source,
        "found",
        earlier="date",
        earlier_known="known_at",
        date=pl.date_ranges(pl.col("date") + day, pl.col("date") + USUAL_DAYS * day),
    ).explode("date")
    usual = (
        looked_at.join(today.select(*UNIT, "as_of"), on=UNIT)
        .filter(pl.col("earlier_known") <= pl.col("as_of"))
        .group_by(*UNIT, "earlier")
        .agg(pl.col("found").sum())
        .group_by(UNIT)
        .agg(before=pl.col("earlier").max(), usual=pl.col("found").median(), sessions=pl.len())
    )
    known = (pl.col("sessions") >= USUAL_SESSIONS) & (pl.col("usual") >= FEW_EXPECTED)
    near = pl.col("date") - pl.col("before") <= DAYS_APART * day
    return (
        today.join(usual, on=UNIT, how="left")
        .with_columns(usual=pl.when(known).then("usual"), before=pl.when(near).then("before"))
        .with_columns(coverage=pl.col("instruments") / pl.col("usual"))
        .drop("sessions")
    )


def _together(days: pl.DataFrame, past: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    """Shares of instruments that repeat the source's session before, and that jump from it together."""
    bar = ["open", "high", "low", "close", "volume"]
    # Text is slow to join on: what all rows share need not be.
    names = [name for name in ("exchange", "source", "price_type") if past[name].n_unique() > 1]
    names.append("instrument_id")
    old = past.select(
        *names, pl.col("date").alias("before"), *(pl.col(n).alias(f"{n}_before") for n in (*bar, "known_at"))
    )
    both = (
        days.select({*UNIT, *names, *bar, "ex_factor", "asset_class"})
        .join(sessions.drop_nulls("before").select(*UNIT, "as_of", "before"), on=UNIT)
        .join(old, on=[*names, "before"])
        .filter(pl.col("known_at_before") <= pl.col("as_of"))
    )
    traded = (pl.col("volume") > 0) & (pl.col("high") > pl.col("low"))
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name}_before")) for name in bar)
    ratio = pl.col("close") / (pl.col("close_before") * pl.col("ex_factor"))
    step = pl.when((ratio > 0) & ratio.is_finite(), pl.col("asset_class") != "crypto").then(ratio.log())
    limit = math.log(JUMP)
    return (
        both.select(*UNIT, same=pl.when(traded).then(same), step=step)
        .group_by(UNIT)
        .agg(
            share_copied=pl.when(pl.col("same").count() >= FEW_COPIES).then(pl.col("same").mean()),
            common_jump=pl.when(pl.col("step").count() >= FEW_INSTRUMENTS).then(
                pl.max_horizontal((pl.col("step") > limit).mean(), (pl.col("step") < -limit).mean())
            ),
        )
    )


def _members(days: pl.DataFrame, past: pl.DataFrame, sessions: pl.DataFrame, beside: Beside) -> pl.DataFrame:
    """Of each session's index members that had a bar in the session before, the share that has one now."""
    here, never = ["exchange", "date"], pl.lit("9999-12-31").str.to_date()
    dates = sessions.select(*here, "before").unique().drop_nulls()
    listed = beside.listings.select("symbol", "exchange", "instrument_id", "first", "last")
    members = beside.members.select("symbol", since="first", until="last")
    named = members.join(listed, on="symbol").filter(pl.col("exchange").is_in(dates["exchange"].implode()))
    ours = pl.col("instrument_id").is_in(named["instrument_id"].unique().implode())
    seen, days = (part.select(*here, "instrument_id").filter(ours).unique() for part in (past, days))
    expected = (
        named.join(dates, on="exchange")
        .filter(pl.col("date").is_between("since", pl.col("until").fill_null(never)))
        .filter(pl.col("date").is_between("first", pl.col("last").fill_null(never)))
        .join(seen.rename({"date": "before"}), on=["exchange", "instrument_id", "before"])
        .select(*here, "instrument_id")
        .unique()
    )
    there = days.with_columns(there=pl.lit(True))
    share = pl.col("there").fill_null(False).mean()
    return (
        expected.join(there, on=[*here, "instrument_id"], how="left")
        .group_by(here)
        .agg(members_kept=pl.when(pl.len() >= FEW_MEMBERS).then(share))
    )
