"""Bars of the lake in stretches of time that fit into memory, from each instrument's own moment on.

What does not belong here: which instruments, and from when (`changes.py`); turning bars into series.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import polars as pl

from lim_pipelines.lake import Past
from lim_pipelines.schemas import VALIDATED_BARS

STRETCH_ROWS = 1 << 20
"""Rows that are read at once, but for a session that has more: some 300 MB while they become series."""

_NAMED = 64
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)


def stretches(
    past: Past, here: pl.Expr, starts: pl.DataFrame, columns: list[str], *, every: bool = False
) -> Iterator[pl.DataFrame]:
    """Read bars as of a past's moment, a stretch of sessions after the other.

    Parameters
    ----------
    past
        Past of the cutoff.
    here
        Rows that are wanted.
    starts
        Columns of `changes.CHANGES`: of each instrument the bars that end at `since` or later are wanted;
        `rows`, about how many that makes, decides whether stretches are needed at all.
    columns
        Columns of VALIDATED_BARS that are read.
    every
        Whether `starts` names all bars that are `here`, so that none has to be left out.

    Yields
    ------
    pl.DataFrame
        These columns, in no particular order; sessions in order from one frame to the next.
    """
    if starts.is_empty():
        return
    since = starts.select("instrument_id", "since")
    here &= ends_from(int(starts["since"].min()))  # type: ignore[arg-type]
    # One file of an exchange holds all instruments: names help where few are wanted.
    if starts.height <= _NAMED:
        here &= pl.col("instrument_id").is_in(starts["instrument_id"].to_list())
    for days in _days(past, here) if starts["rows"].sum() > STRETCH_ROWS else [pl.lit(True)]:
        frame = past.read(VALIDATED_BARS, as_of=past.moment, where=here & days).select(columns).collect()
        if not every:
            frame = frame.join(since, on="instrument_id", how="inner").filter(
                pl.col("ts").to_physical() >= pl.col("since")
            )
        if frame.height:
            yield frame.select(columns)


def ends_from(moment: int) -> pl.Expr:
    """Bars that end at a moment (microseconds since 1970, UTC) or later; earlier files are skipped."""
    if moment <= _FIRST:
        return pl.lit(True)
    return pl.col("ts") >= _EPOCH + timedelta(microseconds=moment)


def _days(past: Past, here: pl.Expr) -> Iterator[pl.Expr]:
    counts = (
        past.read(VALIDATED_BARS, as_of=past.moment, where=here)
        .group_by("date")
        .len()
        .sort("date")
        .collect(engine="streaming")
    )
    stretch = (pl.col("len").cum_sum() - pl.col("len")) // STRETCH_ROWS
    spans = counts.group_by(stretch.alias("stretch")).agg(
        first=pl.col("date").min(), last=pl.col("date").max()
    )
    for first, last in spans.sort("stretch").select("first", "last").iter_rows():
        yield pl.col("date").is_between(first, last)
