"""The two windows that are compared: the newest sessions, and the reference before them cut into stretches.

What does not belong here: reading (`observations.py`, `inputs.py`), comparing (`distances.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

Stretches = npt.NDArray[np.int64]

RECENT_SESSIONS = 40
"""Sessions that are judged, and length of a stretch; two months."""

MOST_STRETCHES = 31
"""Stretches of the reference: five years with the recent one."""

FEWEST_STRETCHES = 8
"""Below that the reference cannot tell how far chance goes."""


@dataclass(frozen=True)
class Windows:
    """The newest sessions and the stretches before them.

    Parameters
    ----------
    sessions
        All sessions of both windows, rising; the last `length` are the recent ones.
    length
        Sessions in a stretch.
    """

    sessions: tuple[date, ...]
    length: int

    @property
    def stretches(self) -> int:
        """Stretches of the reference; also the number that the recent one goes by."""
        return len(self.sessions) // self.length - 1

    @property
    def reference(self) -> tuple[date, date]:
        """First and last session of the reference."""
        return self.sessions[0], self.sessions[-self.length - 1]

    @property
    def recent(self) -> tuple[date, date]:
        """First and last recent session."""
        return self.sessions[-self.length], self.sessions[-1]

    def number(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Add `stretch` to rows with a `date`: 0, 1, ... in the reference; others have no place and go."""
        place = [i // self.length for i in range(len(self.sessions))]
        numbered = pl.DataFrame({"date": self.sessions, "stretch": place}, schema_overrides={"date": pl.Date})
        return rows.join(numbered, on="date", how="inner")


def windows_of(
    dates: pl.Series, length: int = RECENT_SESSIONS, stretches: int = MOST_STRETCHES
) -> Windows | None:
    """Find the windows of rows: the newest sessions they have, and whole stretches before.

    Parameters
    ----------
    dates
        Sessions of the rows, in any order.
    length
        Sessions in a stretch.
    stretches
        Stretches of the reference, at most.

    Returns
    -------
    Windows or None
        None if there are fewer than `FEWEST_STRETCHES`.
    """
    days = dates.unique().sort()
    whole = min(stretches, len(days) // length - 1)
    if whole < FEWEST_STRETCHES:
        return None
    return Windows(tuple(days.tail((whole + 1) * length)), length)
