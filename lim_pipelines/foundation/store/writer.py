"""Extents of series that grow in place, or move where others still read what is there.

What does not belong here: what is written (`refresh.py`), when it counts (`index.py`: until an index names
rows, they are nobody's).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lim_pipelines.foundation.series import Series
from lim_pipelines.foundation.store import index
from lim_pipelines.foundation.store.digest import BLOCK, digest_series, rows_of
from lim_pipelines.foundation.store.shelf import BYTES, MARGIN, Shelf

_SLACK_ROWS, _SLACK_SHARE = 64, 4


@dataclass
class Extent:
    """Rows of one series, as an index has them (see `index.SCHEMA`), or as the next one will."""

    offset: int = 0
    capacity: int = 0
    length: int = 0
    first_ts: int = 0
    last_ts: int = 0
    last_close: float = 0.0
    newest: int = 0
    digest: str = ""
    blocks: bytes = field(default=b"", repr=False)


class Writer:
    """Writes rows into a shelf without touching any that an index names or ever named.

    Parameters
    ----------
    folder
        Folder of the shelf and its indices.

    Attributes
    ----------
    written : int
        Bytes written so far, copies included.
    """

    def __init__(self, folder: Path) -> None:
        self.shelf = Shelf(folder, write=True)
        named = index.extents(folder)
        self._used = dict(named.select("offset", "length").iter_rows())
        ends = named["offset"] + named["capacity"]
        self._end = int(ends.max()) if len(ends) else MARGIN  # type: ignore[arg-type]
        self.written = 0

    def put(self, extent: Extent, series: Series, more: int) -> None:
        """Append a series' bars to an extent.

        Parameters
        ----------
        extent
            Where to; it grows.
        series
            Bars of the same instrument; those that end by the extent's last one are left out.
        more
            Rows that are still to come for this extent after these, as far as one knows.
        """
        first = int(np.searchsorted(series.ts, extent.last_ts, side="right")) if extent.length else 0
        count = len(series) - first
        if not count:
            return
        end = extent.length + count
        if end > extent.capacity or self._used.get(extent.offset, 0) > extent.length:
            self.move(extent, extent.length, end + more)
        here = slice(extent.offset + extent.length, extent.offset + end)
        self.shelf.rows[here] = rows_of(series)[first:]
        self.shelf.ts[here] = series.ts[first:]
        self.shelf.known_at[here] = series.known_at[first:]
        self.written += count * BYTES
        if not extent.length:
            extent.first_ts = int(series.ts[first])
        extent.length, extent.last_ts = end, int(series.ts[-1])
        extent.newest = max(extent.newest, int(series.known_at[first:].max()))

    def move(self, extent: Extent, keep: int, rows: int) -> None:
        """Give an extent other rows, with a copy of its first `keep`, and room for `rows` and some more."""
        old = extent.offset
        extent.offset = self._end
        extent.capacity = max(keep, rows) + max(keep, rows) // _SLACK_SHARE + _SLACK_ROWS
        self._end += extent.capacity
        self.shelf.grow(self._end)
        for file in (self.shelf.rows, self.shelf.ts, self.shelf.known_at):
            file[extent.offset : extent.offset + keep] = file[old : old + keep]
        self.written += keep * BYTES
        extent.length = keep
        extent.blocks = extent.blocks[: keep // BLOCK * 32]
        extent.last_ts = int(self.shelf.ts[extent.offset + keep - 1]) if keep else 0

    def seal(self, extent: Extent, name: tuple[str, str, str, str]) -> None:
        """Hash what an extent holds now."""
        here = slice(extent.offset, extent.offset + extent.length)
        extent.digest, extent.blocks = digest_series(
            name, self.shelf.ts[here], self.shelf.known_at[here], self.shelf.rows[here], extent.blocks
        )
