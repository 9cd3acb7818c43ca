"""Exchange rates as they were known at each session.

What does not belong here: where rates are read (`facts.py`).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from lim_pipelines.backtest.errors import BacktestError
from lim_pipelines.backtest.grid import Floats, Grid, Indices


def exchange_rates(grid: Grid, terms: pl.DataFrame, base: str, rates: pl.DataFrame) -> Floats:
    """Look up the base currency for one unit of each instrument's currency.

    Parameters
    ----------
    grid
        Bars by session; their `ts` says when a session of an exchange ended.
    terms
        As from `instruments.terms`, n rows.
    base
        Base currency.
    rates
        Columns currency, known_at, rate.

    Returns
    -------
    array
        Shape (T0, n): the last rate known at the session's end.

    Raises
    ------
    BacktestError
        A rate is missing.
    """
    mics, currencies = terms["exchange"].to_list(), terms["currency"].to_list()
    shape = (len(grid.dates), len(mics))
    if set(currencies) == {base}:
        return np.broadcast_to(np.float64(1.0), shape)
    out, ends = np.ones(shape), _ends(grid)
    for column, (mic, currency) in enumerate(zip(mics, currencies, strict=True)):
        if currency != base:
            known = rates.filter(pl.col("currency") == currency).sort("known_at")
            out[:, column] = _as_known(known, ends[mic], grid, currency, base)
    return out


def _ends(grid: Grid) -> dict[str, Indices]:
    """Microsecond at which each session ended on each exchange; where it had none, on any."""
    bars = grid.bars.with_columns(pl.col("ts").cast(pl.Datetime("us", "UTC")).to_physical())
    any_end = bars.group_by("row").agg(pl.col("ts").max()).sort("row")
    ends = {}
    for (mic,), own in bars.group_by("exchange"):
        when = np.zeros(len(grid.dates), dtype=np.int64)
        when[any_end["row"].to_numpy()] = any_end["ts"].to_numpy()
        here = own.group_by("row").agg(pl.col("ts").max())
        when[here["row"].to_numpy()] = here["ts"].to_numpy()
        ends[str(mic)] = when
    return ends


def _as_known(known: pl.DataFrame, ends: Indices, grid: Grid, currency: str, base: str) -> Floats:
    moments = known["known_at"].cast(pl.Datetime("us", "UTC")).to_physical().to_numpy()
    at = np.searchsorted(moments, ends, side="right") - 1
    missing = np.flatnonzero(at[grid.start :] < 0)
    if len(missing) or not len(moments):
        first = grid.dates[grid.start + int(missing[0])] if len(missing) else ""
        raise BacktestError(
            f"no exchange rate of {currency} in {base} was known on {first}: materialize validated_bars of a"
            f" pair {currency}{base} or {base}{currency}, or set `execution: {{currency: {currency}}}` if all"
            " instruments are in it"
        )
    return np.asarray(known["rate"].to_numpy()[np.maximum(at, 0)])
