"""Columns that rules read beside the table's own.

What does not belong here: the rules (`rules/`), reading what rows are judged against (`beside.py`).
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.schemas import VALIDATED_BARS, VALIDATED_MACRO, Table
from lim_pipelines.validate.beside import NOTHING, Beside
from lim_pipelines.validate.prepare import agreement, alternative, bars, quotes
from lim_pipelines.validate.prepare.history import history
from lim_pipelines.validate.prepare.runs import runs_of

_DAY = 86_400_000_000
"""Microseconds of a day, UTC: arithmetic on whole numbers takes half the time of that on calendars."""


def prepare(frame: pl.DataFrame, table: Table, beside: Beside = NOTHING) -> pl.DataFrame:
    """Add the columns that rules read beside the table's own.

    Parameters
    ----------
    frame
        Rows of the table before validation; bars in the order of their row key.
    table
        A validated table of bars, macro series or alternative data.
    beside
        What rows of bars are judged against.

    Returns
    -------
    pl.DataFrame
        Same rows and order, with finite and seconds_to_known; for bars also the columns that the files of
        this folder describe; for alternative data what `alternative.prepare` adds.
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
    return _of_bars(frame, beside)


def _of_bars(frame: pl.DataFrame, beside: Beside) -> pl.DataFrame:
    runs = runs_of(frame)
    listed, ruled = bars.of_listings(runs, beside.listings), bars.of_exchanges(runs)
    of_runs = pl.concat(
        [
            listed.drop("root", "tick", "lot"),
            ruled.drop("share_tick"),
            bars.steps(runs, pl.concat([listed, ruled], how="horizontal")),
            bars.of_heads(runs),
            agreement.intraday(frame, runs),
            agreement.explained_factor(runs, beside.actions).to_frame(),
        ],
        how="horizontal",
    )
    facts = runs.spread(of_runs)
    past = history(frame, runs, pl.concat([beside.older, beside.before]), facts["price_limit"])
    curve = agreement.curve(runs, listed["root"], past["log_return"].filter(runs.opens))
    given = pl.concat(
        [
            frame,
            facts,
            past,
            runs.spread(curve),
            quotes.spreads(frame, runs),
            agreement.other_source(frame, runs).to_frame(),
            bars.in_session(frame, facts["long"]).to_frame(),
        ],
        how="horizontal",
    )
    return given.with_columns(
        # A bar that ends at midnight is of the day that ends with it: markets that never close.
        days_from_session=(pl.col("ts").to_physical() - 1) // _DAY - pl.col("date").to_physical(),
        on_tick=bars.on_tick(facts),
        on_lot=bars.on_lot(),
        complete_bar=bars.complete_bar(),
        vwap_beyond=bars.vwap_beyond_range(),
        turnover_beyond=bars.turnover_beyond_range(),
    ).drop("tick", "tick_from", "lot", "multiplier", "price_limit", "long")
