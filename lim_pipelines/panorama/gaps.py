"""Gaps: sessions in a row in which an instrument has no bar.

What does not belong here: when an instrument is expected (`coverage.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl


@dataclass(frozen=True)
class Gap:
    """Sessions in a row without a bar."""

    exchange: str
    freq: str
    instrument_id: str
    first: date
    last: date
    sessions: int


def longest_gaps(bars: pl.LazyFrame, life: pl.DataFrame, dates: np.ndarray, most: int) -> list[Gap]:
    """Find the stretches without bars of the instruments that miss most.

    Parameters
    ----------
    bars
        Bars of one exchange and length.
    life
        Their instruments, as in `Coverage.lives`.
    dates
        Sessions of the exchange, sorted, shape (n,).
    most
        How many instruments to look at: bars of these are read.
    """
    lost = life.with_columns(lost=pl.col("expected") - pl.col("have")).filter(pl.col("lost") >= 1)
    worst = lost.sort("lost", "instrument_id", descending=[True, False]).head(most)
    if worst.is_empty():
        return []
    found = (
        bars.filter(pl.col("instrument_id").is_in(worst["instrument_id"].to_list()))
        .select("instrument_id", "date")
        .unique()
        .collect(engine="streaming")
    )
    gaps = []
    for mic, freq, name, first, end in worst.select(
        "exchange", "freq", "instrument_id", "first", "end"
    ).iter_rows():
        span = dates[(dates >= np.datetime64(first)) & (dates <= np.datetime64(end))]
        there = np.isin(span, found.filter(pl.col("instrument_id") == name)["date"].to_numpy())
        turns = np.flatnonzero(np.diff(np.concatenate([[True], there, [True]]).astype(int)))
        for start, stop in zip(turns[::2], turns[1::2], strict=True):
            gaps.append(Gap(mic, freq, name, span[start].item(), span[stop - 1].item(), int(stop - start)))
    return gaps
