"""Splits and dividends: what goes ex, as the bars confirm it.

What does not belong here: vendors' files (`sources/`), rolls of futures (`rolls.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from lim_pipelines.backtest.grid import Floats, Grid, Indices
from lim_pipelines.backtest.rules.table import RuleTable

CONFIRMED = 1e-3
"""How far a told action may be from the bar's `ex_factor`, as a fraction of it."""


@dataclass(frozen=True)
class Ex:
    """What goes ex on one session, one entry an instrument.

    Parameters
    ----------
    columns
        Of the instruments.
    divisor
        What quantities are divided by.
    extra
        What a unit (after the division) earns beside the reinvested return, base currency: the dividend paid
        in cash, less the one that would have been reinvested.
    whole
        Smallest quantity that can be held, as one number where it is that of all; 0 is any.
    lieu
        Cash for one unit of what is left over, base currency.
    """

    columns: Indices
    divisor: Floats
    extra: Floats
    whole: Floats | float
    lieu: Floats


def ex_events(
    grid: Grid,
    before: Floats,
    factor: Floats,
    paid: npt.NDArray[np.bool_],
    point: Floats,
    actions: pl.DataFrame,
    rules: RuleTable | None,
) -> dict[int, Ex]:
    """Say what becomes of quantities on ex-dates.

    Parameters
    ----------
    grid
        Bars by session, of n instruments.
    before
        Previous marks times `factor`, shape (T0, n).
    factor
        `ex_factor`, shape (T0, n).
    paid
        Whether quantities are bought with cash, shape (n,); the others know no splits or dividends.
    point
        Base currency for one point of price, shape (T0, n).
    actions
        Rows of `CORPORATE_ACTIONS`. One that the bar does not confirm is not applied.
    rules
        Dated rules, from session `grid.start` on: lots. None: fractions are held.

    Returns
    -------
    dict
        Index of the session to what goes ex.
    """
    told = _told(grid, actions)
    events = {}
    for t in np.flatnonzero(((factor != 1.0) & paid & np.isfinite(before)).any(axis=1)).tolist():
        columns = np.flatnonzero((factor[t] != 1.0) & paid & np.isfinite(before[t]))
        f, old = factor[t, columns], before[t, columns] / factor[t, columns]
        split, dividend = np.array([told.get((t, i), (np.nan, 0.0)) for i in columns.tolist()]).T
        right = np.abs(split * (1.0 - dividend / old) / f - 1.0) <= CONFIRMED
        split, dividend = np.where(right, split, f), np.where(right, dividend, 0.0)
        cash = split * dividend * point[t, columns]
        was = old * point[t - 1, columns]
        whole = np.zeros(len(columns))
        if rules is not None and t >= grid.start:
            whole = np.where(right, np.minimum(rules.at(t - grid.start).lot[columns], 1.0), 0.0)
        lieu = before[t, columns] * point[t, columns] + cash - split * was
        unit = float(whole[0]) if np.ptp(whole) == 0 else whole
        events[t] = Ex(columns, split, cash - (split - f) * was, unit, lieu)
    return events


def _told(grid: Grid, actions: pl.DataFrame) -> dict[tuple[int, int], tuple[float, float]]:
    """(Session, column) to split ratio and dividend; of several sources the first by name counts."""
    columns = grid.instruments.select("instrument_id").with_columns(
        column=pl.int_range(pl.len(), dtype=pl.Int64)
    )
    rows = (
        actions.filter(pl.col("kind").is_in(["split", "dividend"]))
        .join(columns, on="instrument_id")
        .filter(pl.col("source") == pl.col("source").min().over("column", "ex_date"))
    )
    if rows.is_empty():
        return {}
    split, dividend = pl.col("kind") == "split", pl.col("kind") == "dividend"
    rows = rows.with_columns(row=grid.dates.search_sorted(rows["ex_date"], side="left"))
    summed = rows.group_by("row", "column").agg(
        ratio=pl.col("ratio").filter(split).product(), amount=pl.col("amount").filter(dividend).sum()
    )
    return {(row, column): (ratio, amount) for row, column, ratio, amount in summed.iter_rows()}
