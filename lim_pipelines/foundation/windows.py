"""Windows of series: a context of L_X bars and the horizon of L_Y bars behind it (paper, section 4.1).

What does not belong here: turning bars into variables (`series.py`), scaling and masking, which the model
does, and torch.

A window is named by a pick: (position of its series, row of its last context bar). A context longer than the
history is padded with NaN on the left, a horizon longer than the future with NaN on the right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from lim_pipelines.foundation.config import FREQS
from lim_pipelines.foundation.series import Floats, Ints, Series
from lim_pipelines.instruments import ASSET_CLASSES


COARSER = {"1h": "1d", "1d": "1w"} | dict.fromkeys(("1s", "15s", "1m", "5m", "20m"), "1d")
"""Frequency of the bars that stand before a context, by the context's own."""


class Coarse(NamedTuple):
    """Bars of a coarser frequency, all of which ended before the context's first bar.

    Parameters
    ----------
    values
        (B, L_C, p); NaN where there are none.
    calendar
        (B, L_C, k).
    freq
        (B,) positions in `config.FREQS`.
    """

    values: Floats
    calendar: Floats
    freq: Ints


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
    """What windows are gathered from."""

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
    """

    def __init__(self, series: Sequence[Series], context: int, horizon: int) -> None:
        self._context = context
        self._offsets = np.arange(-context + 1, horizon + 1)
        self._freq = np.array([FREQS.index(s.freq) for s in series], dtype=np.int64)
        self._asset_class = np.array([ASSET_CLASSES.index(s.asset_class) for s in series], dtype=np.int64)
        lengths = np.array([len(s) for s in series], dtype=np.int64)
        padded = lengths + context + horizon
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
        )


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


class WindowSampler:
    """Draws windows whose horizon lies in a span of time.

    Exchanges and frequencies are drawn with equal weight, then the instruments within, then the windows of
    one, so that 390 minutes a session do not drown one day a session.

    Parameters
    ----------
    series
        Series to draw from.
    horizon
        L_Y, in bars; the whole horizon must be there.
    patch
        Bars of the shortest context.
    span
        Time that the windows' horizons must lie in.
    """

    def __init__(self, series: Sequence[Series], *, horizon: int, patch: int, span: Span) -> None:
        groups: dict[tuple[str, str], list[tuple[int, int, int]]] = {}
        for i, one in enumerate(series):
            # Row 0 has no return, so the shortest context is rows 1 to `patch`.
            low = max(patch, int(np.searchsorted(one.ts, span.start)))
            high = int(np.searchsorted(one.ts, span.end)) - horizon
            if high > low:
                groups.setdefault((one.exchange, one.freq), []).append((i, low, high))
        self.groups = sorted(groups)
        self._table = np.array([row for name in self.groups for row in groups[name]], dtype=np.int64).reshape(
            -1, 3
        )
        self._size = np.array([len(groups[name]) for name in self.groups], dtype=np.int64)
        self._first = np.cumsum(self._size) - self._size

    def __len__(self) -> int:
        """Distinct windows."""
        return int((self._table[:, 2] - self._table[:, 1]).sum())

    def draw(self, count: int, *seed: int) -> Ints:
        """Draw windows at random; the same seed gives the same windows.

        Parameters
        ----------
        count
            Number of windows.
        seed
            Entropy, e.g. the run's seed and the step.

        Returns
        -------
        (count, 2) int64
            Picks.
        """
        rng = np.random.default_rng(seed)
        group = rng.integers(len(self.groups), size=count)
        row = self._table[self._first[group] + (rng.random(count) * self._size[group]).astype(np.int64)]
        end = row[:, 1] + (rng.random(count) * (row[:, 2] - row[:, 1])).astype(np.int64)
        return np.stack([row[:, 0], end], axis=1)

    def spread(self, count: int) -> dict[tuple[str, str], Ints]:
        """Windows at even distances, at most `count` of each (exchange, frequency): for validation.

        Returns
        -------
        dict
            (exchange, frequency) to (n, 2) picks.
        """
        out = {}
        for name, first, size in zip(self.groups, self._first, self._size, strict=True):
            rows = self._table[first : first + size]
            lengths = rows[:, 2] - rows[:, 1]
            total = int(lengths.sum())
            at = np.unique(np.linspace(0, total - 1, min(count, total)).astype(np.int64))
            which = np.searchsorted(np.cumsum(lengths), at, side="right")
            before = np.cumsum(lengths) - lengths
            out[name] = np.stack([rows[which, 0], rows[which, 1] + at - before[which]], axis=1)
        return out


def split_time(series: Sequence[Series], share: float) -> int:
    """When the last `share` of the time that the series cover begins, in microseconds, UTC.

    One moment for all frequencies: else the minutes of a day would be trained on and the day be held out.
    """
    first = min(int(s.ts[0]) for s in series)
    last = max(int(s.ts[-1]) for s in series)
    return last - round((last - first) * share)


def target_span(series: Sequence[Series], picks: Ints, horizon: int) -> tuple[int, int]:
    """First and last moment of the bars that windows forecast, in microseconds, UTC.

    Read off the bars themselves, not off the span that the windows were to lie in: an audit compares the two.

    Parameters
    ----------
    series
        Series that the picks refer to.
    picks
        (n, 2) windows, n > 0.
    horizon
        L_Y, in bars; a horizon longer than the future ends with the last bar.
    """
    first, last = 2**62, -(2**62)
    for at, row in picks.tolist():
        ts = series[at].ts
        first = min(first, int(ts[min(row + 1, len(ts) - 1)]))
        last = max(last, int(ts[min(row + horizon, len(ts) - 1)]))
    return first, last
