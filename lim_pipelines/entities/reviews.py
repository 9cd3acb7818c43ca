"""The list for people: names and tickers linked to nobody, with candidates, and what to do.

What does not belong here: their decisions (`decided.py`).
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.schemas import LINK_REVIEWS

REMEDY = (
    "; decide in landing/link_decisions/<name>.csv (source,name,entity_id,decision,decided_by),"
    " or bring a listing that holds on the day"
)


def reviews(
    open_rows: pl.DataFrame, candidates: pl.DataFrame, method: str, contested: str, nothing: str
) -> pl.DataFrame:
    """Make the list.

    Parameters
    ----------
    open_rows
        Columns `_row`, `source`, `name`, `known_at`: what is linked to nobody; and `rows` where a row stands
        for several.
    candidates
        Columns `_row`, `candidate`, `score`.
    method
        ticker or name.
    contested, nothing
        Why it is not linked by itself, where there are candidates, and where there is none.

    Returns
    -------
    pl.DataFrame
        Frame of `LINK_REVIEWS`, pending: one row a source, name and candidate; `rows` counts the open rows
        and `known_at` is that of the first.
    """
    if "rows" not in open_rows.columns:
        open_rows = open_rows.with_columns(rows=1)
    found = open_rows.join(candidates, on="_row", how="left")
    has = pl.col("candidate").is_not_null()
    return LINK_REVIEWS.conform(
        found.with_columns(
            reason=pl.when(has).then(pl.lit(contested)).otherwise(pl.lit(nothing)) + pl.lit(REMEDY),
            candidate=pl.col("candidate").fill_null(""),
            score=pl.col("score").cast(pl.Float64).fill_null(0.0),
        )
        .group_by("source", "name", "candidate")
        .agg(
            pl.col("score").max(),
            pl.col("reason").sort().first(),
            rows=pl.col("rows").sum(),
            known_at=pl.col("known_at").min(),
        )
        .with_columns(method=pl.lit(method), state=pl.lit("pending"))
    )
