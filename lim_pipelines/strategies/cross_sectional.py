"""Cross-sectional strategies: one instrument against another, all decided at once (paper section 5.3).

What does not belong here: forecasts (`base.py`; relative to the session's mean), positions
(`portfolio/markowitz.py`).
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from lim_pipelines.strategies.base import Decision


def decisions(sessions: pl.DataFrame, every: int, start: datetime, end: datetime) -> list[Decision]:
    """Rebalances of a period, led by the last one before it.

    The rhythm counts the sessions of the first exchange since the beginning of its calendar, so it does not
    depend on where a cutoff falls. With several exchanges a decision waits for the last close of the date.

    Parameters
    ----------
    sessions
        As from `base.universe_sessions`.
    every
        Sessions from one rebalance to the next.
    start, end
        Decisions at or after `start` and before `end`, UTC.

    Returns
    -------
    list of Decision
        Oldest first. The first one is decided before `start` (none if the calendar begins there): nothing
        is traded on it, it says which positions the period begins with.
    """
    leading = sessions["exchange"].min()
    rhythm = sessions.filter((pl.col("exchange") == leading) & (pl.col("ordinal") % every == 0)).select(
        "date"
    )
    rows = (
        sessions.join(rhythm, on="date", how="semi")
        .group_by("date")
        .agg(pl.col("decided_at").max(), pl.col("exchange").sort())
        .sort("date")
        .filter(pl.col("decided_at") < end)
    )
    before = rows.filter(pl.col("decided_at") < start).tail(1)
    inside = rows.filter(pl.col("decided_at") >= start)
    return [Decision(day, at, tuple(mics)) for day, at, mics in pl.concat([before, inside]).iter_rows()]
