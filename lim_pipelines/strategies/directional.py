"""Directional strategies: every instrument for itself, every session (paper section 5.3).

What does not belong here: forecasts (`base.py`), sizing (`portfolio/sizing.py`).
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from lim_pipelines.strategies.base import Decision


def decisions(sessions: pl.DataFrame, start: datetime, end: datetime) -> list[Decision]:
    """Every session of every exchange decided on in a period, each exchange after its own close.

    Parameters
    ----------
    sessions
        As from `base.universe_sessions`.
    start, end
        Decisions at or after `start` and before `end`, UTC.
    """
    rows = sessions.filter((pl.col("decided_at") >= start) & (pl.col("decided_at") < end)).sort(
        "decided_at", "exchange"
    )
    return [
        Decision(day, at, (mic,))
        for mic, day, at in rows.select("exchange", "date", "decided_at").iter_rows()
    ]
