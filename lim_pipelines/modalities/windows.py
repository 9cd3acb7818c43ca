"""Bars as windows of numbers: the last `LENGTH` sessions of an instrument, as known when the last was.

What does not belong here: scaling (`numeric.py`), what the foundation model reads (`foundation/windows.py`).

A window stays as it was first known: a bar that is corrected or arrives later changes none that ended before.
So what is known after a moment changes no bit at or before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from lim_pipelines.modalities.numeric import WindowEncoder
from lim_pipelines.modalities.store import WINDOWS

LENGTH: Final = 32
VARIABLES: Final = ("path", "volume")
"""Cumulative log total return since the window's first bar; log of the volume."""

BAR_WINDOWS = WindowEncoder(LENGTH, VARIABLES)
"""Encoder of the windows made here."""

_WEDNESDAY: Final = 3
"""Windows end on one weekday: by the bar's own date, not by counting, so that no other bar decides."""

_COLUMNS = (
    "instrument_id",
    "freq",
    "date",
    "ts",
    "close",
    "volume",
    "ex_factor",
    "source",
    "withdrawn",
    "known_at",
)

Numbers = npt.NDArray[np.float64]
Positions = npt.NDArray[np.int64]


def market_windows(bars: pl.DataFrame) -> Iterator[tuple[pl.DataFrame, Numbers]]:
    """Cut bars into windows, an instrument at a time.

    Parameters
    ----------
    bars
        Daily bars of `VALIDATED_BARS`, one price type an instrument, with all their revisions.

    Yields
    ------
    (pl.DataFrame, (n, LENGTH, 2) float64)
        Rows of the store's `WINDOWS`, and the numbers. A window is known when its last bar first was;
        `content` is a digest of the numbers.
    """
    bars = bars.select(_COLUMNS).sort("instrument_id", "freq", "ts", "known_at")
    for one in bars.partition_by("instrument_id", "freq", maintain_order=True):
        picks, ends = _picks(one)
        if len(ends):
            yield _rows(one, picks, ends), _numbers(one, picks)


def _picks(bars: pl.DataFrame) -> tuple[Positions, Positions]:
    """Rows of each window, (n, LENGTH), and of its last bar as first known, (n,)."""
    ts = bars["ts"].to_physical().to_numpy()
    known_at = bars["known_at"].to_physical().to_numpy()
    withdrawn = bars["withdrawn"].to_numpy()
    first = np.append(True, ts[1:] != ts[:-1])[: len(ts)]
    on_day = (bars["date"].dt.weekday() == _WEDNESDAY).to_numpy()
    ends = np.flatnonzero(first & on_day & ~withdrawn)
    if first.all() and not withdrawn.any() and (known_at[1:] >= known_at[:-1]).all():
        # Every bar was known in its turn and stayed as it was.
        ends = ends[ends >= LENGTH - 1]
        return ends[:, None] + np.arange(1 - LENGTH, 1), ends
    picks, whole = [], []
    for end in ends:
        known = np.flatnonzero(known_at[: end + 1] <= known_at[end])
        newest = known[np.append(ts[known][1:] != ts[known][:-1], True)]
        seen = newest[~withdrawn[newest]]
        if len(seen) >= LENGTH:
            picks.append(seen[-LENGTH:])
            whole.append(end)
    return np.array(picks, dtype=np.int64).reshape(-1, LENGTH), np.array(whole, dtype=np.int64)


def _numbers(bars: pl.DataFrame, picks: Positions) -> Numbers:
    """Variables of each window, (n, LENGTH, 2); NaN where a price or volume says nothing."""
    close, ex_factor = bars["close"].to_numpy()[picks], bars["ex_factor"].to_numpy()[picks]
    volume = bars["volume"].cast(pl.Float64).fill_null(np.nan).to_numpy()[picks]
    with np.errstate(divide="ignore", invalid="ignore"):
        returns = np.log(close[:, 1:] / (close[:, :-1] * ex_factor[:, 1:]))
        path = np.concatenate([np.zeros((len(picks), 1)), np.cumsum(returns, axis=1)], axis=1)
        numbers = np.stack([path, np.log1p(volume)], axis=2)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _rows(bars: pl.DataFrame, picks: Positions, ends: Positions) -> pl.DataFrame:
    last = bars[ends]
    numbers = _numbers(bars, picks)
    return last.select(
        pl.format("{}|{}|{}", "instrument_id", "freq", pl.col("ts").dt.to_string("iso:strict")).alias("key"),
        pl.Series("content", [hashlib.sha256(one.tobytes()).hexdigest()[:16] for one in numbers]),
        "source",
        "known_at",
        "instrument_id",
        "freq",
        bars["ts"].gather(picks[:, 0]).alias("start"),
        pl.col("ts").alias("end"),
    ).select(WINDOWS.rows.names())
