"""Partitions as wholes: one line of figures a partition and source, which rules of partitions judge.

What does not belong here: which figures are right (`rules/partitions.py`), holding partitions (`gate.py`).

A file may be wrong as a whole although each of its rows could be right: half of the instruments are
missing, it is yesterday's again, all prices are in another unit. The figures look at a session's newest
bars and at the aligned sessions before it, never at later ones; of earlier bars at what their source had said
last when the session was known: what is found of a session does not change when the past is corrected
afterwards. It may change when an earlier session arrives that claims to have been known before.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Final

import polars as pl

from lim_pipelines.schemas import ALIGNED_BARS
from lim_pipelines.validate.beside import BEFORE_COLUMNS, Beside
from lim_pipelines.validate.usual import BACK, UNIT, usual_coverage

FEW_ROWS: Final = 20
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
        - instruments: instruments with a daily bar; usual: instruments that the source usually delivers;
          coverage: the share of these that have a daily bar of any source (`usual.py`);
        - share_copied: of the instruments that trade in a daily bar (or whose price moves, if volumes are not
          given), those whose prices and volume are those of the session before;
        - common_jump: of the instruments with a close in the session before, the share whose close, ex
          corporate actions, is more than `JUMP` times that and those of the sessions before that, or less
          than one `JUMP`-th of them: the larger of both shares; without coins, which do that;
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
    # Both are sorted, and of different partitions.
    days, past = own.filter(newest), pl.concat([beside.before.select(BEFORE_COLUMNS), own])
    sessions = _sessions(days, past)
    for more in (_together(days, past, sessions), _members(days, past, sessions, beside)):
        sessions = sessions.join(more, on=[name for name in UNIT if name in more.columns], how="left")
    return figures.join(sessions.drop("as_of", "before", "back"), on=UNIT, how="left").sort(UNIT)


def _same_bar(step: int) -> pl.Expr:
    """Whether a row is a revision of the bar of the row before it (1) or after it (-1)."""
    same = pl.all_horizontal(pl.col(name) == pl.col(name).shift(step) for name in ALIGNED_BARS.key)
    return same.fill_null(False)


def _sessions(days: pl.DataFrame, past: pl.DataFrame) -> pl.DataFrame:
    """Each source's sessions: when known, instruments beside the usual ones, the sessions before."""
    today = days.group_by(UNIT).agg(
        as_of=pl.col("known_at").max(), instruments=pl.col("instrument_id").n_unique().cast(pl.Int64)
    )
    usual = usual_coverage(today, days, past).rename({"before": "back"})
    before = pl.col("back").list.first()
    near = pl.col("date") - before <= timedelta(days=DAYS_APART)
    return today.join(usual, on=UNIT, how="left").with_columns(before=pl.when(near).then(before))


def _as_known(past: pl.DataFrame) -> pl.DataFrame:
    """Add column until: when the row's source revised it, null for its last word."""
    revised = _same_bar(1) | _same_bar(-1)
    last_word = pl.lit(None, past.schema["known_at"]).alias("until")
    lone, several = past.filter(~revised).with_columns(last_word), past.filter(revised)
    if several.is_empty():
        return lone
    bar = [*ALIGNED_BARS.key, "source"]
    following = pl.all_horizontal(pl.col(name) == pl.col(name).shift(-1) for name in bar)
    several = several.sort(*bar, "known_at").with_columns(
        until=pl.when(following).then(pl.col("known_at").shift(-1))
    )
    return pl.concat([lone, several])


def _together(days: pl.DataFrame, past: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    """Shares of instruments that repeat the source's session before, and that jump from it together."""
    bar = ["open", "high", "low", "close", "volume"]
    # Text is slow to join on: what all rows share need not be.
    names = [name for name in ("exchange", "source", "price_type") if past[name].n_unique() > 1]
    names.append("instrument_id")
    old = _as_known(past).filter(~pl.col("withdrawn"))
    old = old.select(*names, *bar, "ex_factor", "known_at", "until", day="date")
    asked = sessions.drop_nulls("before").select(*UNIT, "as_of", "back")
    today = days.select({*UNIT, *names, *bar, "ex_factor", "asset_class"}).join(asked, on=UNIT)
    both = _met(today, old, names, 0)
    traded = (pl.col("volume").is_null() | (pl.col("volume") > 0)) & (pl.col("high") > pl.col("low"))
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name}_0")) for name in bar)
    ratio = pl.col("close") / (pl.col("close_0") * pl.col("ex_factor"))
    step = pl.when((ratio > 0) & ratio.is_finite(), pl.col("asset_class") != "crypto").then(ratio.log())
    both = both.with_columns(same=pl.when(traded).then(same), step=step)
    old = old.drop("open", "high", "low", "volume")
    up, down = (_jumping(both, old, names, sign) for sign in (1, -1))
    share = pl.max_horizontal(pl.col("up", "down").fill_null(0)) / pl.col("steps")
    return (
        both.group_by(UNIT)
        .agg(
            share_copied=pl.when(pl.col("same").count() >= FEW_COPIES).then(pl.col("same").mean()),
            steps=pl.col("step").count(),
        )
        .join(up.rename({"len": "up"}), on=UNIT, how="left")
        .join(down.rename({"len": "down"}), on=UNIT, how="left")
        .with_columns(common_jump=pl.when(pl.col("steps") >= FEW_INSTRUMENTS).then(share))
        .select(*UNIT, "share_copied", "common_jump")
    )


def _jumping(both: pl.DataFrame, old: pl.DataFrame, names: list[str], sign: int) -> pl.DataFrame:
    """Count the bars that jump up (1) or down (-1) from the session before, and from those before that.

    What jumps from the session before alone shows that that one was wrong, not this one.
    """
    found = both.filter(sign * pl.col("step") > math.log(JUMP))
    factor = pl.col("ex_factor") * pl.col("ex_factor_0")
    for nth in range(1, BACK):
        met = _met(found, old, names, nth)
        step = (pl.col("close") / (pl.col(f"close_{nth}") * factor)).log()
        found = pl.concat(
            [met.filter(sign * step > math.log(JUMP)), found.join(met, on=list({*UNIT, *names}), how="anti")],
            how="diagonal",
        )
        factor = factor * pl.col(f"ex_factor_{nth}").fill_null(1.0)
    return found.group_by(UNIT).len()


def _met(bars: pl.DataFrame, old: pl.DataFrame, names: list[str], nth: int) -> pl.DataFrame:
    """Bars that have one in the nth session before, with that one's values as known when the bars were."""
    met = bars.with_columns(day=pl.col("back").list.get(nth, null_on_oob=True)).join(
        old.rename({name: f"{name}_{nth}" for name in old.columns if name not in (*names, "day")}),
        on=[*names, "day"],
    )
    since, until = f"known_at_{nth}", f"until_{nth}"
    stands = (pl.col(since) <= pl.col("as_of")) & (pl.col(until) > pl.col("as_of")).fill_null(True)
    return met.filter(stands).drop("day", since, until)


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
