"""Data that come a session late.

What does not belong here: the decisions that then look a session further back (`walkforward.decide_each`).
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from lim_pipelines.exchanges import sessions

_MARGIN = timedelta(days=30)
"""Longer than any exchange is closed."""


def later(rows: pl.DataFrame, by: int) -> pl.DataFrame:
    """Make rows known as many sessions of their exchange later.

    Parameters
    ----------
    rows
        Columns exchange, date (session) and known_at, and others.
    by
        Sessions, at least 0.

    Returns
    -------
    pl.DataFrame
        The same rows in the same order; `known_at` is later by the time from the close of the row's session
        to that of the session behind it. Behind the last session of a calendar a session is a day.
    """
    if by == 0 or rows.is_empty():
        return rows
    first, last = rows.select(first=pl.col("date").min(), last=pl.col("date").max()).row(0)
    gaps = pl.concat(
        sessions(mic, first, last + _MARGIN).select(
            "date",
            exchange=pl.lit(mic),
            gap=pl.col("close").shift(-by) - pl.col("close"),
        )
        for mic in rows["exchange"].unique().sort()
    )
    gap = pl.col("gap").fill_null(timedelta(days=by))
    return (
        rows.join(gaps, on=["exchange", "date"], how="left", maintain_order="left")
        .with_columns(pl.col("known_at") + gap)
        .drop("gap")
    )
