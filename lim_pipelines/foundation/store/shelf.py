"""The rows of all series, end to end in files that are mapped into memory.

    rows.f32        (N, p + k) float32: variables, then calendar, so that a window is one piece of memory
    ts.i64          (N,) int64: ends of the bars, microseconds since 1970, UTC
    known_at.i64    (N,) int64: since when they were known, microseconds since 1970, UTC

A series has an extent: rows that are its own, more than it needs, so that it can grow in place. Rows behind
the length that an index gives a series belong to later indices, or to nobody. The files are sparse: rows that
were never written take no room.

What does not belong here: which series lie where (`index.py`), what may be overwritten (`writer.py`).
"""

from __future__ import annotations

import errno
import mmap
import os
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lim_pipelines.foundation.series import Floats, Ints
from lim_pipelines.foundation.store.digest import COLUMNS

ROW_BYTES = 4 * COLUMNS

MARGIN = 1 << 16
"""Rows before the first extent and behind the last: windows reach over both ends of a series."""

_AHEAD_SHARE = 4

_FILES = {"rows.f32": ROW_BYTES, "ts.i64": 8, "known_at.i64": 8}
BYTES = sum(_FILES.values())
"""Bytes of a row in all files."""


class Shelf:
    """The files of a folder, mapped.

    Parameters
    ----------
    folder
        Where they lie.
    write
        Whether they are written, and made where they do not exist.

    Attributes
    ----------
    rows : ndarray
        (N, p + k) float32.
    ts, known_at : ndarray
        (N,) int64.
    """

    rows: Floats
    ts: Ints
    known_at: Ints

    def __init__(self, folder: Path, *, write: bool = False) -> None:
        self.folder = folder
        self._write = write
        if write:
            self.grow(0)
        else:
            self._map()

    def grow(self, end: int) -> None:
        """Make room for rows up to `end`, and the margin behind them.

        Raises
        ------
        OSError
            The disk has too little room.
        """
        for name, width in _FILES.items():
            path = self.folder / name
            there = path.stat().st_size if path.exists() else 0
            if there < (end + MARGIN) * width:
                # In large steps: mapping a file again costs more than rows that nobody writes.
                size = (end + end // _AHEAD_SHARE + MARGIN) * width
                with path.open("ab") as file:
                    self._refuse_more_than_there_is(size - 512 * os.fstat(file.fileno()).st_blocks)
                    file.truncate(size)
        if not hasattr(self, "rows") or len(self.rows) < end + MARGIN:
            self._map()

    def _refuse_more_than_there_is(self, needed: int) -> None:
        # Whoever writes into a mapped file and finds no room on the disk is killed, without a word.
        free = shutil.disk_usage(self.folder).free
        if needed > free:
            raise OSError(
                errno.ENOSPC,
                f"the window store needs up to {needed / 1e9:.1f} GB more, {free / 1e9:.1f} are free; make"
                " room, or materialise `lake_maintenance`, which removes what nobody needs",
                str(self.folder),
            )

    def flush(self) -> None:
        """Have the disk hold what was written."""
        for mapped in self._maps:
            mapped.flush()

    def windows(self, length: int) -> npt.NDArray[np.void]:
        """All stretches of `length` rows, one element each, without copying: element i begins at row i.

        An element is the stretch's bytes as a whole, so picking some is a copy of memory each; numpy walks
        over the numbers of a `sliding_window_view` one by one.
        """
        return np.ndarray(
            (len(self.rows) - length + 1,),
            dtype=np.dtype((np.void, length * ROW_BYTES)),
            buffer=self._maps[0],
            strides=(ROW_BYTES,),
        )

    def _map(self) -> None:
        access = mmap.ACCESS_WRITE if self._write else mmap.ACCESS_READ
        self._maps = []
        for name in _FILES:
            with (self.folder / name).open("r+b" if self._write else "rb") as file:
                self._maps.append(mmap.mmap(file.fileno(), 0, access=access))
        # Windows are read at random: reading ahead would fetch what nobody asked for.
        if not self._write:
            self._maps[0].madvise(mmap.MADV_RANDOM)
        self.rows = np.frombuffer(self._maps[0], dtype=np.float32).reshape(-1, COLUMNS)
        self.ts, self.known_at = (np.frombuffer(one, dtype=np.int64) for one in self._maps[1:])
