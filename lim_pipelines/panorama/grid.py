"""The grid behind a heat map: names down, periods across, in each cell how much of what is expected is there.

What does not belong here: what is expected (`coverage.py`, `issuers.py`), how it is drawn (`heatmap.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import polars as pl

UNITS: Final = {"session": "", "week": "1w", "month": "1mo", "quarter": "1q"}
"""Periods of a grid, and how polars rounds a date down to them."""

MOST_ROWS = 200
"""Rows that a map keeps apart on a page; more share rows."""

FEW_ROWS = 45
"""Rows that are named on a map."""

MOST_COLUMNS = 270
_DAYS = {"session": 1.4, "week": 7, "month": 30.4, "quarter": 91.3}

ENDED: Final = -1.0
"""Share of a cell after the end of all its names; NaN is a cell in which nothing is expected yet."""


@dataclass(frozen=True)
class Grid:
    """A heat map's numbers.

    Parameters
    ----------
    title
        What it is a map of.
    unit
        Period of a column, one of `UNITS`.
    counted
        What is counted, in words.
    of
        What the names are: instruments, issuers.
    owed
        Whether something is wrong where it is not there.
    names
        What the rows are, from the top; with more than `MOST_ROWS` names, those of each row.
    starts
        First day of each column, sorted.
    share
        Shape (rows, columns): 0 to 1, NaN where nothing is expected, `ENDED` after the end.
    have, expected
        Totals over all cells.
    """

    title: str
    unit: str
    counted: str
    of: str
    owed: bool
    names: tuple[tuple[str, ...], ...]
    starts: tuple[date, ...]
    share: np.ndarray
    have: float
    expected: float


def unit_for(first: date, last: date) -> str:
    """Return the shortest period of which at most `MOST_COLUMNS` fit between two days."""
    span = (last - first).days + 1
    return next((unit for unit, days in _DAYS.items() if span / days <= MOST_COLUMNS), "quarter")


def grid_of(
    title: str,
    unit: str,
    counted: str,
    of: str,
    names: list[str],
    starts: pl.Series,
    cells: pl.DataFrame,
    expected: np.ndarray,
    ended: np.ndarray,
    *,
    owed: bool = True,
) -> Grid:
    """Lay counts over what is expected, and let neighbours share a row where there are too many.

    Parameters
    ----------
    title, unit, counted, of, owed
        As in `Grid`.
    names
        Rows, in order.
    starts
        First days of the columns, sorted.
    cells
        Columns name, bin (a first day), have.
    expected, ended
        Shape (names, columns): how many are expected; whether the name has ended by then.
    """
    there = np.zeros(expected.shape)
    rows = pl.DataFrame({"name": names, "row": np.arange(len(names))})
    columns = pl.DataFrame({"bin": starts, "column": np.arange(len(starts))})
    placed = cells.join(rows, on="name").join(columns, on="bin")
    there[placed["row"].to_numpy(), placed["column"].to_numpy()] = placed["have"].to_numpy()
    there = np.minimum(there, expected)
    size = -(-len(names) // MOST_ROWS) or 1
    at = np.arange(0, len(names), size)
    have, wanted = np.add.reduceat(there, at, axis=0), np.add.reduceat(expected, at, axis=0)
    over = np.logical_or.reduceat(ended, at, axis=0)
    share = np.divide(have, wanted, out=np.where(over, ENDED, np.nan), where=wanted > 0)
    return Grid(
        title,
        unit,
        counted,
        of,
        owed,
        tuple(tuple(names[i : i + size]) for i in at),
        tuple(starts),
        share,
        float(have.sum()),
        float(wanted.sum()),
    )
