"""Macro series: known series only, one value a period and revision.

What does not belong here: what models read of it (`inputs/macro.py`).
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.align.outcome import Outcome
from lim_pipelines.schemas import ALIGNED_MACRO, RAW_MACRO
from lim_pipelines.sources import frbny_vintages
from lim_pipelines.sources.macro import MACRO_SERIES, QUARANTINE_EXCHANGE
from lim_pipelines.sources.macro_series import SERIES
from lim_pipelines.sources.quarantine import quarantine

_KNOWN = [
    *(series.series_id for series in (*MACRO_SERIES, *SERIES)),
    *(series.series_id for series in frbny_vintages.SERIES),
]

REASONS = {
    "unknown_series": "the series is not known; add it to SERIES in lim_pipelines/sources/macro_series.py or"
    " frbny_vintages.py",
    "future_value": "the period ends after its value was known; correct the lag or the date",
    "duplicate_value": "the same period was given before at the same moment; keep one row",
}


def align(raw: pl.DataFrame) -> Outcome:
    """Bring raw macro values to one value a series, period and revision.

    Parameters
    ----------
    raw
        Frame of `RAW_MACRO`, though row keys may repeat: of those the one first in its file is kept.

    Returns
    -------
    Outcome
        Frame of `ALIGNED_MACRO` and the rows held back.
    """
    nth = pl.int_range(pl.len()).over(ALIGNED_MACRO.row_key, order_by=["source", "file", "line"])
    judged = raw.with_columns(
        rule=pl.when(~pl.col("series_id").is_in(_KNOWN))
        .then(pl.lit("unknown_series"))
        .when(pl.col("ts") > pl.col("known_at"))
        .then(pl.lit("future_value"))
        .when(nth > 0)
        .then(pl.lit("duplicate_value"))
    )
    held = judged.filter(pl.col("rule").is_not_null()).with_columns(
        exchange=pl.lit(QUARANTINE_EXCHANGE),
        date=pl.col("ts").dt.date(),
        symbol=pl.col("series_id"),
        reason=pl.col("rule").replace_strict(REASONS, return_dtype=pl.String),
    )
    rows = ALIGNED_MACRO.conform(judged.filter(pl.col("rule").is_null()))
    return Outcome(rows, quarantine("align", held, list(RAW_MACRO.columns)))
