"""Coverage of alternative data: in which quarters a company reports, on how many days somebody writes of it.

What does not belong here: bars, of which the calendar knows how many there should be (`coverage.py`).
Nobody owes a tweet: for texts the map shows the share of days that have one, and an empty cell is no fault.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from lim_pipelines.lake import AsOf, Lake
from lim_pipelines.panorama.grid import UNITS, Grid, grid_of, unit_for
from lim_pipelines.schemas import VALIDATED_EVENTS, VALIDATED_FACTS, VALIDATED_TEXTS, Table

_COUNTED = (
    (VALIDATED_FACTS, "quarter", "quarters with a number filed"),
    (VALIDATED_EVENTS, "quarter", "quarters with an event"),
    (VALIDATED_TEXTS, "", "days with a text"),
)
"""Table, the period that counts (empty: a day, shown by the period that fits), and how to say it."""


def issuer_grids(lake: Lake, *, as_of: AsOf) -> list[Grid]:
    """Lay rows of facts, events and texts over time, by the moment they describe.

    Parameters
    ----------
    lake
        Lake to read.
    as_of
        Moment, or `LATEST`.

    Returns
    -------
    list of Grid
        One a table and source that has rows; rows are entities, expected from their first to their last row.
    """
    return [
        _grid(table, source, days, unit, counted)
        for table, unit, counted in _COUNTED
        for (source,), days in _days(lake, table, as_of).partition_by("source", as_dict=True).items()
    ]


def _days(lake: Lake, table: Table, as_of: AsOf) -> pl.DataFrame:
    """Days on which an entity has a row: source, entity_id, date, sorted."""
    keys = ["source", "entity_id", pl.col("ts").dt.date().alias("date")]
    found = lake.read(table, as_of=as_of).select(keys).unique()
    return found.collect(engine="streaming").sort("source", "entity_id", "date")


def _grid(table: Table, source: str, days: pl.DataFrame, unit: str, counted: str) -> Grid:
    first, last = days.select(pl.col("date").min().alias("a"), pl.col("date").max().alias("b")).row(0)
    shown = unit or unit_for(first, last)
    every = UNITS[shown] or "1d"
    bins = days.select("entity_id", "date", bin=pl.col("date").dt.truncate(every))
    starts = bins.select(pl.date_range(pl.col("bin").min(), pl.col("bin").max(), every)).to_series()
    ends = np.append(starts.to_numpy()[1:], np.datetime64(last) + np.timedelta64(1, "D"))
    counts = pl.len() if unit == "" else pl.lit(1)
    cells = bins.group_by("entity_id", "bin").agg(have=counts.cast(pl.Float64))
    lives = bins.group_by("entity_id").agg(
        first=pl.col("date").min(), last=pl.col("date").max(), n=pl.col("bin").n_unique()
    )
    lives = lives.sort("first", "n", "entity_id")
    begins, finishes = lives["first"].to_numpy()[:, None], lives["last"].to_numpy()[:, None]
    one = np.timedelta64(1, "D")
    within = np.minimum(ends, finishes + one) - np.maximum(starts.to_numpy(), begins)
    expected = np.clip(within / one, 0, None)
    return grid_of(
        f"{table.name.removeprefix('validated_')} of {source}",
        shown,
        counted,
        "issuers",
        [name.removeprefix("issuer:") for name in lives["entity_id"]],
        starts,
        cells.select("bin", "have", name=pl.col("entity_id").str.strip_prefix("issuer:")),
        expected=(expected > 0).astype(float) if unit else expected,
        ended=starts.to_numpy() > finishes,
        owed=bool(unit),
    )
