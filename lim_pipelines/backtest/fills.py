"""The price at which orders of a session are filled, and when there is none: halts.

What does not belong here: price limits (`rules/price_limit.py`), slippage (`ticks.py`, `impact.py`).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from lim_pipelines.backtest.errors import BacktestError
from lim_pipelines.backtest.grid import Floats, Grid
from lim_pipelines.strategies.execution import Execution


def volumes(grid: Grid, execution: Execution) -> Floats | None:
    """Units traded a session where `participation` limits trades, shape (T0, n), NaN unknown; else None.

    Raises
    ------
    BacktestError
        An instrument never has a volume.
    """
    if execution.participation is None:
        return None
    volume = grid.scatter(pl.col("volume"))
    never = np.flatnonzero(np.isnan(volume).all(axis=0))
    if len(never):
        names = grid.instruments["instrument_id"].gather(never).to_list()
        raise BacktestError(
            f"execution: participation needs volumes, and {names} have none; remove `participation`, or take"
            " them out of the universe"
        )
    return volume


def fill_prices(grid: Grid, close: Floats, volume: Floats | None, execution: Execution) -> Floats:
    """Prices that fill, instrument's currency, shape (T0, n); NaN where nothing can be traded.

    Parameters
    ----------
    grid
        Bars by session.
    close
        Closes, NaN where there is none, shape (T0, n); without one nothing is traded.
    volume
        As from `volumes`.
    execution
        Which price, and whether a bar without volume is a halt.
    """
    fill = close.copy()
    if execution.fill != "close":
        price = grid.scatter(pl.when(pl.col(execution.fill) > 0).then(execution.fill))
        fill = np.where(np.isfinite(close), price, np.nan)
    if execution.exchange_rules:
        halted = (pl.col("volume") == 0) & (pl.col("price_type") == "trade")
        fill[grid.scatter(halted, empty=0.0) > 0] = np.nan
    if volume is not None:
        fill[np.isnan(volume)] = np.nan
    return fill
