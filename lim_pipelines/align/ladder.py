"""Longer bars that vendors do not give, with all their revisions, from bars with all theirs.

What does not belong here: making one longer bar (`resample.py`), reading and writing the lake (`derive.py`).
"""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from lim_pipelines.align.resample import resample
from lim_pipelines.lake import as_of_view
from lim_pipelines.schemas import INTRADAY, RESAMPLED_BARS, UTC_TIME, VALIDATED_BARS

LADDER = ("15s", "1m", "20m", "1h", "1d")
"""Bar lengths that are made where the vendors do not give them."""

_SERIES = ["exchange", "date", "instrument_id", "price_type"]
_BAR = [*_SERIES, "freq", "ts"]
_END = pl.lit(datetime(9999, 1, 1, tzinfo=UTC), UTC_TIME)
_TICK = pl.duration(microseconds=1)


def ladder(bars: pl.DataFrame) -> pl.DataFrame:
    """Make the longer bars of `LADDER` that are missing.

    Parameters
    ----------
    bars
        Frame of `VALIDATED_BARS` with all revisions, whole sessions.

    Returns
    -------
    pl.DataFrame
        Frame of `RESAMPLED_BARS`. Each correction, withdrawal or late bar gives a revision of the longer bars
        it is part of, known when it was; a longer bar of which nothing is left, or that the vendor gives
        later, is withdrawn. What is made of a session depends on no other session.
    """
    if not bars["freq"].is_in(INTRADAY).any():
        return RESAMPLED_BARS.empty()
    looks = _looks(bars)
    steady = _missing(as_of_view(bars, _END, VALIDATED_BARS))
    if looks.is_empty():
        return RESAMPLED_BARS.conform(steady)
    made = []
    for (nth,), now in looks.group_by("nth"):
        # The whole session: bars of other instruments show that a period is over.
        there = bars.join(now, on=["exchange", "date"], how="semi").join(
            now.select(*_SERIES, "look"), on=_SERIES, how="left"
        )
        view = as_of_view(there, pl.col("look").fill_null(_END), VALIDATED_BARS).drop("look")
        seen = _missing(view).join(now.select(*_SERIES, "look"), on=_SERIES)
        made.append(seen.filter(pl.col("known_at") <= pl.col("look")).with_columns(nth=pl.lit(nth, pl.Int64)))
    revised = _in_sequence(pl.concat(made).drop("look"), looks)
    unrevised = steady.join(looks, on=_SERIES, how="anti")
    return RESAMPLED_BARS.conform(pl.concat([unrevised, revised.select(unrevised.columns)]))


def _looks(bars: pl.DataFrame) -> pl.DataFrame:
    """Moments at which a series is looked at: just before and at each change of the past, and at the end.

    A bar changes the past if a bar of its series that ends no earlier was known before it: all corrections
    do. Returns the columns of `_SERIES`, look and nth; nothing for series without such a change.
    """
    ends = bars.group_by(*_SERIES, "ts").agg(shown=pl.col("known_at").min()).sort("ts")
    ends = ends.with_columns(pl.col("shown").cum_min(reverse=True).over(_SERIES))
    late = bars.join(ends, on=[*_SERIES, "ts"]).filter(pl.col("known_at") > pl.col("shown"))
    at = late.select(*_SERIES, look="known_at").unique()
    end = at.select(_SERIES).unique().with_columns(look=_END)
    looks = pl.concat([at, at.with_columns(pl.col("look") - _TICK), end]).unique().sort(*_SERIES, "look")
    return looks.with_columns(nth=pl.int_range(pl.len()).over(_SERIES))


def _in_sequence(made: pl.DataFrame, looks: pl.DataFrame) -> pl.DataFrame:
    """Make revisions of what was seen at each look: what differs from the look before is known since then."""
    made = made.with_row_index("row")
    grid = made.select(_BAR).unique().join(looks, on=_SERIES)
    grid = grid.join(made.select(*_BAR, "nth", "row", "known_at"), on=[*_BAR, "nth"], how="left")
    grid = grid.sort(*_BAR, "nth").with_columns(
        withdrawn=pl.col("row").is_null(),
        row=pl.col("row").forward_fill().over(_BAR),
        # Nothing that the look before did not show was known by then.
        known_at=pl.max_horizontal("known_at", pl.col("look").shift(1).over(_BAR) + _TICK),
    )
    values = [name for name in made.columns if name not in {*_BAR, "nth", "row", "known_at", "withdrawn"}]
    states = grid.filter(pl.col("row").is_not_null()).join(made.select("row", *values), on="row", how="left")
    states = states.sort(*_BAR, "nth")
    same = pl.all_horizontal(
        pl.col(n).eq_missing(pl.col(n).shift(1).over(_BAR)) for n in (*values, "withdrawn")
    )
    first = pl.int_range(pl.len()).over(_BAR) == 0
    return states.filter(first | ~same)


def _missing(there: pl.DataFrame) -> pl.DataFrame:
    """Longer bars that are missing where one state of knowledge is given, one revision a bar."""
    made = [RESAMPLED_BARS.empty()]
    for freq in LADDER:
        missing = there.join(there.filter(pl.col("freq") == freq), on=_SERIES, how="anti")
        # Of the longest bars that divide the length wanted; fewer rows, the same result.
        for shorter in reversed([name for name in INTRADAY if _divides(name, freq)]):
            longer = resample(missing.filter(pl.col("freq") == shorter), freq, by_session=True)
            made.append(longer)
            missing = missing.join(longer, on=_SERIES, how="anti")
            there = pl.concat([there, longer])
    return pl.concat(made)


def _divides(shorter: str, freq: str) -> bool:
    """Whether bars of one length make up whole bars of another; any intraday bars make up a session."""
    if freq not in INTRADAY:
        return True
    return shorter != freq and not (INTRADAY[freq] % INTRADAY[shorter])
