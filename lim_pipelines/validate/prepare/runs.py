"""Runs of bars: neighbouring rows of one instrument, date, length and price type, looked up once.

What does not belong here: what the rules of one kind read (the files beside this one).

Rows stand in the order of the table's row key, as the lake and alignment give them, so the bars of a session
are neighbours: comparing a row with the one above costs a tenth of grouping by text. In another order some
neighbours are not seen; none is seen wrongly.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

RUN: Final = ("exchange", "date", "instrument_id", "freq", "price_type")
"""Columns that the rows of a run share."""


@dataclass(frozen=True)
class Runs:
    """The runs of a frame.

    Parameters
    ----------
    heads
        First row of each run, as it stands in the frame.
    of
        Number of each row's run, shape (rows,).
    opens
        Whether a row is the first of its run, shape (rows,).
    first
        Whether a row is the first known revision of its bar, shape (rows,).
    """

    heads: pl.DataFrame
    of: pl.Series
    opens: pl.Series
    first: pl.Series

    def spread(self, facts: pl.DataFrame) -> pl.DataFrame:
        """Give each row of the frame what is known of its run.

        Parameters
        ----------
        facts
            One row a run, in their order.
        """
        if facts.height == len(self.of):
            return facts
        return facts.select(pl.all().gather(self.of))


def runs_of(frame: pl.DataFrame) -> Runs:
    """Find the runs of a frame of bars, in the order of its row key."""
    marks = frame.select(
        opens=pl.any_horizontal((pl.col(name) != pl.col(name).shift()).fill_null(True) for name in RUN),
        moved=(pl.col("ts") != pl.col("ts").shift()).fill_null(True),
    )
    opens = marks["opens"]
    return Runs(frame.filter(opens), opens.cast(pl.UInt32).cum_sum() - 1, opens, opens | marks["moved"])


def unknown(rows: int, columns: Iterable[str], dtype: Any = pl.Float64) -> pl.DataFrame:
    """Return columns without a value: what cannot be told passes every rule."""
    return pl.select(pl.repeat(None, rows, dtype=dtype).alias(name) for name in columns)
