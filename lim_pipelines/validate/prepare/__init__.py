"""Columns that rules read beside the table's own.

What does not belong here: the rules (`rules/`), reading what rows are judged against (`beside.py`).
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.schemas import VALIDATED_BARS, VALIDATED_MACRO, Table
from lim_pipelines.validate.beside import NOTHING, Beside
from lim_pipelines.validate.prepare import alternative


def prepare(frame: pl.DataFrame, table: Table, beside: Beside = NOTHING) -> pl.DataFrame:
    """Add the columns that rules read beside the table's own.

    Parameters
    ----------
    frame
        Rows of the table before validation.
    table
        A validated table of bars, macro series or alternative data.
    beside
        What rows of bars are judged against.

    Returns
    -------
    pl.DataFrame
        Same rows and order, with finite and seconds_to_known; for bars also days_from_session and
        log_return, the total return since the row before of the same instrument and length, null where
        there is none or prices are not positive; for alternative data what `alternative.prepare` adds.
    """
    numbers = [name for name, dtype in frame.schema.items() if dtype == pl.Float64]
    frame = frame.with_columns(
        finite=pl.all_horizontal(
            pl.lit(True), *(pl.col(name).is_finite().fill_null(True) for name in numbers)
        ),
        seconds_to_known=(pl.col("known_at") - pl.col("ts")).dt.total_seconds(),
    )
    if table.name == VALIDATED_MACRO.name:
        return frame
    if table.name != VALIDATED_BARS.name:
        return alternative.prepare(frame)
    series = ["instrument_id", "freq", "price_type"]
    before = pl.col("close").shift(1).over(series, order_by=["ts", "known_at"])
    ratio = pl.col("close") / (before * pl.col("ex_factor"))
    return frame.with_columns(
        # A bar that ends at midnight is of the day that ends with it: markets that never close.
        days_from_session=(pl.col("ts").dt.offset_by("-1us").dt.date() - pl.col("date")).dt.total_days(),
        log_return=pl.when((ratio > 0) & ratio.is_finite()).then(ratio.log()),
    )
