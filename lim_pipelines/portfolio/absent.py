"""Instruments of a cross-section that cannot be decided on: they are sold when they trade again.

What does not belong here: how the others are weighted (a file each).
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.strategies.base import Known


def with_sold(known: Known, decided: pl.DataFrame) -> pl.DataFrame:
    """Add a row of weight 0, in every book, of each instrument that has bars but none of this session.

    Parameters
    ----------
    known
        What is known at the decision.
    decided
        `known.forecasts` with a column weight, of some or all books.

    Returns
    -------
    pl.DataFrame
        The rows, and behind them those of instruments that have bars but no forecast, or too few: forecast
        and position are null.
    """
    about = decided.select("exchange", "instrument_id").unique()
    present = known.bars.select("exchange", "instrument_id").unique()
    absent = present.join(about, on=about.columns, how="anti").sort("instrument_id")
    books = decided.select("arm", "seed", "forecast_scale").unique(maintain_order=True)
    sold = books.join(absent, how="cross").with_columns(volatility=0.0, weight=0.0)
    # Forecast and position are said by models, which were not asked.
    return pl.concat([decided, sold], how="diagonal")
