"""Windows of series: a context of L_X bars and the horizon of L_Y bars behind it (paper, section 4.1).

What does not belong here: turning bars into variables (`series.py`), drawing windows (`sampler.py`), scaling
and masking, which the model does, and torch.

A window is named by a pick: (position of its series, row of its last context bar). A context longer than the
history is padded with NaN on the left, a horizon longer than the future with NaN on the right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from lim_pipelines.foundation.coarse import Coarse, bars_before, companions
from lim_pipelines.foundation.config import FREQS, FoundationConfig
from lim_pipelines.foundation.series import DAY, VARIABLES, Floats, Ints, Series
from lim_pipelines.instruments import ASSET_CLASSES

HELD_OUT_SHARE = 0.04
"""Share of the time that the series cover, the latest, whose targets a training holds out."""

HELD_OUT_DAYS = 92
"""Most days of it: a share of half a century would hold out all of a market whose minutes are a year old."""


class WindowBatch(NamedTuple):
    """B windows as arrays.

    Parameters
    ----------
    values
        (B, L_X, p) context; NaN where missing or before the history begins.
    future
        (B, L_Y, p) horizon; NaN where missing or not yet there. A target, never an input.
    calendar
        (B, L_X, k) time features of the context's bars; 0 before the history begins.
    freq, asset_class
        (B,) positions in `config.FREQS` and `instruments.ASSET_CLASSES`.
    coarse
        What stands before the context, of the same instruments; None: nothing was asked for.
    """

    values: Floats
    future: Floats
    calendar: Floats
    freq: Ints
    asset_class: Ints
    coarse: Coarse | None = None


class Windows(Protocol):
    """Series that windows are gathered from, in memory or mapped from files; n of them, told by position."""

    @property
    def instrument_id(self) -> Sequence[str]:
        """Instrument of each."""
        ...

    @property
    def exchange(self) -> Sequence[str]:
        """Exchange of each."""
        ...

    @property
    def asset_class(self) -> Sequence[str]:
        """Asset class of each."""
        ...

    @property
    def freq(self) -> Sequence[str]:
        """Frequency of each."""
        ...

    @property
    def length(self) -> Ints:
        """Bars of each, (n,)."""
        ...

    def ts(self, at: int) -> Ints:
        """Return the ends of a series' bars, (T,) microseconds since 1970, UTC, increasing."""
        ...

    def returns(self, at: int) -> Floats:
        """Log returns of a series' bars, (T,), the variable `close`; NaN where missing."""
        ...

    def batch(self, picks: Ints) -> WindowBatch:
        """Gather windows: (B, 2) position of the series, row of the last context bar."""
        ...


class WindowStore:
    """Series laid end to end, so that any windows are gathered in one indexing operation.

    Parameters
    ----------
    series
        Series to take windows from.
    context, horizon
        L_X and L_Y, in bars.
    coarse
        Bars of the coarser series of the same instrument that stand before a context; they are missing where
        that series is not among the series.
    """

    def __init__(self, series: Sequence[Series], context: int, horizon: int, coarse: int = 0) -> None:
        self.instrument_id = [one.instrument_id for one in series]
        self.exchange = [one.exchange for one in series]
        self.asset_class = [one.asset_class for one in series]
        self.freq = [one.freq for one in series]
        self.length = np.array([len(one) for one in series], dtype=np.int64)
        self._series = series
        self._context, self._before = context, coarse
        self._companion = companions(self.exchange, self.instrument_id, self.freq)
        self._offsets = np.arange(-context + 1, horizon + 1)
        self._freq = np.array([FREQS.index(s.freq) for s in series], dtype=np.int64)
        self._asset_class = np.array([ASSET_CLASSES.index(s.asset_class) for s in series], dtype=np.int64)
        padded = self.length + context + horizon
        self._start = context + np.cumsum(padded) - padded
        self._values = self._lay(series, [s.values for s in series], np.nan, context, horizon)
        self._calendar = self._lay(series, [s.calendar for s in series], 0.0, context, horizon)

    @staticmethod
    def _lay(
        series: Sequence[Series], parts: list[Floats], filler: float, context: int, horizon: int
    ) -> Floats:
        pieces = []
        for part in parts:
            width = part.shape[1]
            before = np.full((context, width), filler, dtype=np.float32)
            after = np.full((horizon, width), filler, dtype=np.float32)
            pieces += [before, part, after]
        return np.concatenate(pieces)

    def ts(self, at: int) -> Ints:
        """Return the ends of a series' bars, (T,) microseconds since 1970, UTC."""
        return self._series[at].ts

    def returns(self, at: int) -> Floats:
        """Log returns of a series' bars, (T,)."""
        return self._series[at].values[:, VARIABLES.index("close")]

    def batch(self, picks: Ints) -> WindowBatch:
        """Gather windows.

        Parameters
        ----------
        picks
            (B, 2) position of the series, row of the last context bar.
        """
        rows = (self._start[picks[:, 0]] + picks[:, 1])[:, None] + self._offsets
        values = self._values[rows]
        return WindowBatch(
            values=values[:, : self._context],
            future=values[:, self._context :],
            calendar=self._calendar[rows[:, : self._context]],
            freq=self._freq[picks[:, 0]],
            asset_class=self._asset_class[picks[:, 0]],
            coarse=self._coarse(picks) if self._before else None,
        )

    def _coarse(self, picks: Ints) -> Coarse:
        first = np.maximum(picks[:, 1] - self._context + 1, 0).tolist()
        return bars_before(
            self._series.__getitem__,
            self._companion[picks[:, 0]],
            self._freq[picks[:, 0]],
            [int(self._series[i].ts[row]) for i, row in zip(picks[:, 0].tolist(), first, strict=True)],
            self._before,
            self._values.shape[1],
        )


def store_of(series: Sequence[Series], config: FoundationConfig) -> WindowStore:
    """Lay series as a family's model reads them."""
    return WindowStore(series, config.context, config.horizon, config.coarse)


class Span(NamedTuple):
    """A stretch of time that windows may use for targets.

    Parameters
    ----------
    start
        A window's context ends at or after this moment, so its whole horizon lies behind it; microseconds,
        UTC.
    end
        A window's horizon ends before this moment; microseconds, UTC.
    """

    start: int
    end: int


def split_time(windows: Windows, share: float, most: int | None = None) -> int:
    """When the last `share` of the time that the series cover begins, in microseconds, UTC.

    One moment for all frequencies: else the minutes of a day would be trained on and the day be held out.

    Parameters
    ----------
    windows
        Series.
    share
        Of the time from the first bar of all to the last.
    most
        Longest stretch, in microseconds; None: any.
    """
    clocks = [windows.ts(at) for at in range(len(windows.length))]
    first = min(int(ts[0]) for ts in clocks)
    last = max(int(ts[-1]) for ts in clocks)
    stretch = round((last - first) * share)
    return last - (stretch if most is None else min(stretch, most))


def held_out_from(windows: Windows) -> int:
    """First moment whose targets a training holds out, in microseconds, UTC."""
    return split_time(windows, HELD_OUT_SHARE, HELD_OUT_DAYS * DAY)


def target_span(windows: Windows, picks: Ints, horizon: int) -> tuple[int, int]:
    """First and last moment of the bars that windows forecast, in microseconds, UTC.

    Read off the bars themselves, not off the span that the windows were to lie in: an audit compares the two.

    Parameters
    ----------
    windows
        Series that the picks refer to.
    picks
        (n, 2) windows, n > 0.
    horizon
        L_Y, in bars; a horizon longer than the future ends with the last bar.
    """
    first, last = 2**62, -(2**62)
    which, at = np.unique(picks[:, 0], return_inverse=True)
    lowest, highest = np.full(len(which), 2**62), np.full(len(which), -1)
    np.minimum.at(lowest, at, picks[:, 1])
    np.maximum.at(highest, at, picks[:, 1])
    for one, low, high in zip(which.tolist(), lowest.tolist(), highest.tolist(), strict=True):
        ts = windows.ts(one)
        first = min(first, int(ts[min(low + 1, len(ts) - 1)]))
        last = max(last, int(ts[min(high + horizon, len(ts) - 1)]))
    return first, last
