"""The contexts that a model is asked about, of whatever form they come in: L_X bars each.

What does not belong here: reading frames (`frames.py`), what the model says (`inference.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from torch import Tensor

from lim_pipelines.foundation.coarse import none_before
from lim_pipelines.foundation.config import FREQS, FoundationConfig
from lim_pipelines.foundation.frames import ArrowTable, Read, read_frame
from lim_pipelines.foundation.layouts import SLOTS
from lim_pipelines.foundation.series import CALENDAR, VARIABLES, Floats, Ints, Series
from lim_pipelines.foundation.windows import WindowBatch, store_of
from lim_pipelines.instruments import ASSET_CLASSES

SPARE = len(SLOTS) - len(VARIABLES)
"""Most variables that the model does not know by name."""

Array = Floats | Tensor | WindowBatch
"""Contexts (B, L, p) in the variables of the model, or with their calendars, frequencies and classes."""


def read_for(bars: ArrowTable | pl.LazyFrame, config: FoundationConfig) -> Read:
    """Read a table, as much of it as a model looks at; see `frames.read_frame`."""
    # The first return needs the close before. Coarser bars are no more than these, wherever a context begins.
    longest = config.context + config.coarse + 1
    return read_frame(bars, shortest=config.patch + 1, longest=longest, spare=SPARE)


def last_windows(read: Read, config: FoundationConfig) -> WindowBatch:
    """Contexts that end with the last bar of each series."""
    ends = [[i, len(one) - 1] for i, one in enumerate(read.series)]
    return windows_at(read.series, np.array(ends, dtype=np.int64), config)


def windows_at(series: Sequence[Series], picks: Ints, config: FoundationConfig) -> WindowBatch:
    """Contexts of some series: (n, 2) position of the series, row of the last bar."""
    return store_of(series, config).batch(picks)


def windows_of(bars: Array, config: FoundationConfig) -> WindowBatch:
    """Arrays as contexts.

    Parameters
    ----------
    bars
        (B, L, p): the columns of `VARIABLES` and up to `SPARE` more, NaN where missing. Such contexts have no
        calendar, and are of the first frequency and asset class of the family; a `WindowBatch` says more.
        Longer contexts than L_X are cut, shorter ones padded with NaN, as coarser bars are that it lacks.
    config
        The family.

    Raises
    ------
    ValueError
        An array is of another shape.
    """
    values = bars.values if isinstance(bars, WindowBatch) else bars
    if isinstance(values, Tensor):
        values = values.detach().float().cpu().numpy()
    values = np.asarray(values, dtype=np.float32)
    if values.ndim != 3 or not 0 < values.shape[2] <= len(SLOTS) or values.shape[1] < config.patch:
        raise ValueError(
            f"an array of shape {values.shape}; contexts are (B, L, p): at least {config.patch} bars, the"
            f" variables {', '.join(VARIABLES)} and up to {SPARE} others"
        )
    batch, length, p = values.shape
    if not isinstance(bars, WindowBatch):
        bars = WindowBatch(
            values=values,
            future=np.empty((batch, 0, p), np.float32),
            calendar=np.zeros((batch, length, len(CALENDAR)), np.float32),
            freq=np.full(batch, FREQS.index(config.freqs[0])),
            asset_class=np.full(batch, ASSET_CLASSES.index(config.asset_classes[0])),
        )
    return bars._replace(
        values=_fitted(values, config.context, np.nan),
        calendar=_fitted(bars.calendar, config.context, 0.0),
        coarse=bars.coarse or (none_before(bars.freq, config.coarse, p) if config.coarse else None),
    )


def _fitted(part: Floats, length: int, filler: float) -> Floats:
    """Keep the last `length` bars of (B, L, ...), or put as many before them as are missing."""
    missing = max(0, length - part.shape[1])
    return np.pad(part[:, -length:], ((0, 0), (missing, 0), (0, 0)), constant_values=filler)
