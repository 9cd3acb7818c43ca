"""Which instruments a session decides on, and when.

What does not belong here: what is known then (the blocks), when a strategy decides (`strategies/`).
"""

from __future__ import annotations

from datetime import date

import polars as pl

from lim_pipelines.align.moments import decisions as session_decisions
from lim_pipelines.align.moments import session_for
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import ONE_PRICE, VALIDATED_BARS


def moments(mic: str, first: date, last: date) -> pl.DataFrame:
    """Decision moments of an exchange's sessions, both dates included.

    Returns
    -------
    pl.DataFrame
        Columns exchange, date, decided_at (close plus the exchange's decision lag, UTC), sorted.
    """
    at = session_decisions(mic, first, last)
    return at.select(pl.lit(mic).alias("exchange"), "date", "decided_at")


def decisions(lake: Lake, mic: str, first: date, last: date) -> pl.DataFrame:
    """Instruments with a validated daily bar, session by session.

    Parameters
    ----------
    lake
        Lake to read.
    mic
        The exchange.
    first, last
        Sessions, both included.

    Returns
    -------
    pl.DataFrame
        Columns exchange, date, instrument_id, decided_at, known_at; sorted by date and instrument. A bar
        that became known after the decision (a file that came late, or a vendor whose days are out with the
        next open) has a row too: models that are trained later see the bar. What stands in it was known at
        the decision; `known_at` is the first decision of the exchange after the bar had come: so all that
        come between two decisions come together.
    """
    bars = lake.revisions(
        VALIDATED_BARS,
        (pl.col("exchange") == mic)
        & (pl.col("freq") == "1d")
        & pl.col("date").is_between(first, last)
        & pl.col("price_type").is_in(ONE_PRICE)
        & ~pl.col("withdrawn"),
    )
    known = bars.group_by("date", "instrument_id").agg(pl.col("known_at").min()).collect()
    rows = known.join(moments(mic, first, last), on="date")
    late = rows.filter(pl.col("known_at") > pl.col("decided_at")).select("known_at").unique()
    turns = late.with_columns(turn=session_for(late["known_at"], mic)["decided_at"])
    turn = pl.coalesce("turn", pl.max_horizontal("decided_at", "known_at"))
    return (
        rows.join(turns, on="known_at", how="left")
        .with_columns(known_at=turn)
        .select("exchange", "date", "instrument_id", "decided_at", "known_at")
        .sort("date", "instrument_id")
    )
