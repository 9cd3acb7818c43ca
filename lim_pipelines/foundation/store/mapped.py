"""Windows of stored series, gathered from a mapped file.

What does not belong here: windows of series in memory (`windows.py`), which to draw (`sampler.py`).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from lim_pipelines.foundation.coarse import Coarse, bars_before, companions
from lim_pipelines.foundation.config import FREQS
from lim_pipelines.foundation.series import CALENDAR, VARIABLES, Floats, Ints, Series
from lim_pipelines.foundation.store.digest import COLUMNS
from lim_pipelines.foundation.store.shelf import MARGIN, Shelf
from lim_pipelines.foundation.windows import WindowBatch
from lim_pipelines.instruments import ASSET_CLASSES

_P = len(VARIABLES)


class MappedWindows:
    """What `windows.WindowStore` offers, of series on disk: flat memory, however many there are.

    Parameters
    ----------
    shelf
        Where the rows lie.
    series
        Rows of an index: which series, and their extents.
    context, horizon
        L_X and L_Y, in bars.
    coarse
        Bars of the coarser series of the same instrument that stand before a context; they are missing where
        that series is not among the series.

    Raises
    ------
    ValueError
        A window is longer than the margin of a shelf.
    """

    def __init__(
        self, shelf: Shelf, series: pl.DataFrame, context: int, horizon: int, coarse: int = 0
    ) -> None:
        if context + horizon > MARGIN:
            raise ValueError(f"context {context} + horizon {horizon}: a window has {MARGIN} bars at most")
        self.instrument_id: list[str] = series["instrument_id"].to_list()
        self.exchange: list[str] = series["exchange"].to_list()
        self.asset_class: list[str] = series["asset_class"].to_list()
        self.freq: list[str] = series["freq"].to_list()
        self.length: Ints = series["length"].to_numpy()
        self._shelf = shelf
        self._offset = series["offset"].to_numpy()
        self._context, self._horizon, self._before = context, horizon, coarse
        self._companion = companions(self.exchange, self.instrument_id, self.freq)
        self._windows = shelf.windows(context + horizon)
        self._freq = np.array([FREQS.index(name) for name in self.freq], dtype=np.int64)
        self._asset_class = np.array([ASSET_CLASSES.index(name) for name in self.asset_class], dtype=np.int64)

    def ts(self, at: int) -> Ints:
        """Return the ends of a series' bars, (T,) microseconds since 1970, UTC."""
        return self._shelf.ts[self._of(at)]

    def returns(self, at: int) -> Floats:
        """Return the log returns of a series' bars, (T,)."""
        return self._shelf.rows[self._of(at), VARIABLES.index("close")]

    def batch(self, picks: Ints) -> WindowBatch:
        """Gather windows.

        Parameters
        ----------
        picks
            (B, 2) position of the series, row of the last context bar.
        """
        which, first = picks[:, 0], picks[:, 1] - (self._context - 1)
        length = self._context + self._horizon
        found = self._windows[self._offset[which] + first]
        rows = found.view(np.float32).reshape(len(picks), length, COLUMNS)
        # Rows before a series and behind what was known of it are other series' rows, or later ones.
        over = np.flatnonzero((first < 0) | (first + length > self.length[which]))
        if len(over):
            place = first[over, None] + np.arange(length)
            window, at = np.nonzero((place < 0) | (place >= self.length[which[over], None]))
            rows[over[window], at] = _NOTHING
        return WindowBatch(
            values=rows[:, : self._context, :_P],
            future=rows[:, self._context :, :_P],
            calendar=rows[:, : self._context, _P:],
            freq=self._freq[which],
            asset_class=self._asset_class[which],
            coarse=self._coarse(which, np.maximum(first, 0)) if self._before else None,
        )

    def _coarse(self, which: Ints, first: Ints) -> Coarse:
        return bars_before(
            self.bars,
            self._companion[which],
            self._freq[which],
            self._shelf.ts[self._offset[which] + first].tolist(),
            self._before,
        )

    def bars(self, at: int) -> Series:
        """Return a series, mapped."""
        here = self._of(at)
        return Series(
            instrument_id=self.instrument_id[at],
            exchange=self.exchange[at],
            asset_class=self.asset_class[at],
            freq=self.freq[at],
            ts=self._shelf.ts[here],
            known_at=self._shelf.known_at[here],
            values=self._shelf.rows[here, :_P],
            calendar=self._shelf.rows[here, _P:],
        )

    def _of(self, at: int) -> slice:
        first = int(self._offset[at])
        return slice(first, first + int(self.length[at]))


_NOTHING = np.array([np.nan] * _P + [0.0] * len(CALENDAR), dtype=np.float32)
