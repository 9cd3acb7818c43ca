"""Rolls of futures: the contract held is sold, as many of the next one are bought.

What does not belong here: which contract follows which (`align/continuous.py`), costs (`overnight.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from lim_pipelines.backtest.grid import Floats, Grid, Indices


@dataclass(frozen=True)
class Roll:
    """What rolls before one session, one entry an instrument.

    Parameters
    ----------
    columns
        Of the instruments.
    ratio
        Price of the new contract over that of the old one.
    """

    columns: Indices
    ratio: Floats


def roll_events(grid: Grid, before: Floats, factor: Floats, paid: npt.NDArray[np.bool_]) -> dict[int, Roll]:
    """Find rolls of margined instruments.

    Parameters
    ----------
    grid
        Bars by session; where they have a column `contract`, a roll is a change of it, else an `ex_factor`.
    before, factor
        Previous marks times `ex_factor`, and that, shape (T0, n).
    paid
        Instruments that cannot roll, shape (n,).

    Returns
    -------
    dict
        Index of the session to what rolls before it.
    """
    rolls = (factor != 1.0) & ~paid
    if "contract" in grid.bars.columns:
        previous = pl.col("contract").shift(1).over("column")
        bars = Grid(grid.dates, grid.start, grid.instruments, grid.in_time())
        told = pl.col("contract").is_not_null() & previous.is_not_null()
        rolls &= ~(bars.scatter(told, empty=0.0) > 0)
        rolls |= (bars.scatter(told & (pl.col("contract") != previous), empty=0.0) > 0) & ~paid
    rolls &= np.isfinite(before)
    return {
        t: Roll(np.flatnonzero(rolls[t]), factor[t, rolls[t]])
        for t in np.flatnonzero(rolls.any(axis=1)).tolist()
    }
