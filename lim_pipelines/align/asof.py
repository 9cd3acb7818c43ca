"""The join that cannot look ahead: facts as they were known at the moment of a decision.

What does not belong here: which facts a strategy wants.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import polars as pl


def join_asof_known(
    left: pl.DataFrame,
    facts: pl.DataFrame,
    *,
    at: str,
    values: Mapping[str, str],
    by: Sequence[str] = (),
    max_age: timedelta | None = None,
) -> pl.DataFrame:
    """Join to each row the newest fact known at its moment.

    Parameters
    ----------
    left
        Rows with the column `at` (UTC) and the columns of `by`.
    facts
        Rows with `ts`, `known_at`, the columns of `by` and of `values`; all revisions.
    at
        Column of `left` with the moment of decision.
    values
        Column of `facts` to its name in the result.
    by
        Columns that must agree.
    max_age
        A fact whose `ts` lies further back than this has expired and is joined as missing.

    Returns
    -------
    pl.DataFrame
        `left` in its order with the columns of `values`; null where nothing was known.

    Notes
    -----
    A plain as-of join on `known_at` takes the row that was published last, which may be the revision of an
    old period. Here a row counts only if no newer period was known when it was published.
    """
    ordered = facts.sort("known_at", "ts")
    newest = pl.col("ts").cum_max()
    current = ordered.filter(pl.col("ts") == (newest.over(by) if by else newest))
    facts_only = current.select(
        *by, pl.col("known_at").alias("_known_at"), pl.col("ts").alias("_ts"), *_renamed(values)
    )
    rows = left.with_row_index("_row").sort(at)
    joined = rows.join_asof(
        facts_only,
        left_on=at,
        right_on="_known_at",
        by=list(by) or None,
        strategy="backward",
        check_sortedness=False,
    )
    if max_age is not None:
        fresh = pl.col(at) - pl.col("_ts") <= max_age
        joined = joined.with_columns(
            pl.when(fresh).then(pl.col(name)).alias(name) for name in values.values()
        )
    return joined.sort("_row").drop("_row", "_known_at", "_ts", strict=False)


def _renamed(values: Mapping[str, str]) -> list[pl.Expr]:
    return [pl.col(old).alias(new) for old, new in values.items()]
