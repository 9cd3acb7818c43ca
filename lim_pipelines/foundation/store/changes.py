"""Which instruments' bars are others than an index has them, and from which moment on.

What does not belong here: what the bars are now (`stretches.py`): values are read of a past of the cutoff
alone. Here only instruments, moments and counts are found.

Between two cutoffs a row comes into view because it became known in between, or because it was committed in
between although it was known before: a file that came late and is dated back. The first kind has its
`known_at`, the second is found in the commits of the lake.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from lim_pipelines.foundation.series import microseconds
from lim_pipelines.lake import Lake, Past, midnight
from lim_pipelines.schemas import ONE_PRICE, VALIDATED_BARS

CHANGES = pl.Schema({"instrument_id": pl.String, "since": pl.Int64, "first": pl.Date, "rows": pl.Int64})
"""Instrument; first bar that is another (end, microseconds, UTC) and first session; how many rows are others,
about."""

_SINCE = pl.col("ts").min().to_physical().alias("since")
_FIRST = pl.col("date").min().alias("first")
_ROWS = pl.len().cast(pl.Int64).alias("rows")


def wanted(exchange: str, freq: str) -> pl.Expr:
    """Rows of the lake that the series of an exchange and a stored frequency are made of."""
    return (pl.col("exchange") == exchange) & (pl.col("freq") == freq) & pl.col("price_type").is_in(ONE_PRICE)


def everything(past: Past, here: pl.Expr) -> pl.DataFrame:
    """All instruments, for who has nothing yet; columns of `CHANGES`."""
    rows = past.read(VALIDATED_BARS, as_of=past.moment, where=here)
    return _grouped(rows)


def since(
    past: Past, here: pl.Expr, moment: datetime, seen: int, version: int, held: pl.Series
) -> pl.DataFrame:
    """Instruments whose bars, as of a past's moment, are others than those seen as of an earlier one.

    Parameters
    ----------
    past
        Past of the new cutoff.
    here
        As from `wanted`.
    moment
        Moment that has been seen, at or before that of the past.
    seen
        Version of the lake that was seen then.
    version
        Version of the lake now.
    held
        Instruments that were seen.

    Returns
    -------
    pl.DataFrame
        Columns of `CHANGES`.
    """
    found = []
    if moment < past.moment:
        found.append(_grouped(past.revisions(VALIDATED_BARS, here & (pl.col("known_at") > moment))))
    if version > seen:
        found.append(_dated_back(past.lake, here & (pl.col("known_at") <= moment), seen, held))
    if not found:
        return pl.DataFrame(schema=CHANGES)
    return (
        pl.concat(found)
        .group_by("instrument_id")
        .agg(pl.col("since", "first").min(), pl.col("rows").sum())
        .sort("instrument_id")
    )


def _grouped(rows: pl.LazyFrame) -> pl.DataFrame:
    found = rows.group_by("instrument_id").agg(_SINCE, _FIRST, _ROWS).select(CHANGES.names())
    return found.sort("instrument_id").collect(engine="streaming")


def _dated_back(lake: Lake, known: pl.Expr, seen: int, held: pl.Series) -> pl.DataFrame:
    """Instruments whose rows, known by some moment, are others than in an earlier version of the lake."""
    committed = lake.changed_since(VALIDATED_BARS, seen)
    if committed.is_empty():
        return pl.DataFrame(schema=CHANGES)
    days = pl.col("date").is_between(committed["date"].min(), committed["date"].max())

    now = _committed(lake, known & days, committed, None)
    if not lake.has_version(VALIDATED_BARS, seen):
        # Nobody can tell any more what was there: all of it may be new, and every series may have lost bars.
        # Those that come out as they were stay as they are.
        session = committed.select(pl.col("date").min()).item()
        first = midnight(session) - timedelta(days=1)
        lost = pl.DataFrame({"instrument_id": held}).with_columns(
            since=pl.lit(microseconds(first.isoformat())),
            first=pl.lit(session),
            rows=pl.lit(0, pl.Int64),
        )
        return pl.concat([_grouped(now), lost])
    then, names = _committed(lake, known & days, committed, seen), VALIDATED_BARS.schema.names()
    gone = then.join(now, on=names, how="anti", nulls_equal=True)
    new = now.join(then, on=names, how="anti", nulls_equal=True)
    return _grouped(pl.concat([gone, new]))


def _committed(lake: Lake, here: pl.Expr, committed: pl.DataFrame, version: int | None) -> pl.LazyFrame:
    """Rows of some partitions in a version of the lake, None for the newest."""
    rows = lake.revisions(VALIDATED_BARS, here, version)
    return rows.join(committed.lazy(), on=["exchange", "date"], how="semi")
