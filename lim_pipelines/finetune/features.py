"""Macro features, joined as of the moment they were published (paper section 5.1, data alignment).

What does not belong here: reading macro files (`sources/macro.py`), scaling (fitted before the cutoff, stored
with each model), prices.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import polars as pl

from lim_pipelines.schemas import UTC_TIME

Transform = Callable[[pl.DataFrame], pl.Series]
"""Publications (columns ts, value, sorted by known_at, ts) to the transformed value after each of them."""


def _level(published: pl.DataFrame) -> pl.Series:
    # Only a row of the newest period so far changes the level; others revise the past.
    newest = pl.col("ts") == pl.col("ts").cum_max()
    return published.select(pl.when(newest).then(pl.col("value")).forward_fill()).to_series()


def _log(published: pl.DataFrame) -> pl.Series:
    level = _level(published)
    return level.set(level <= 0, math.nan).log()


def _over_the_year(published: pl.DataFrame) -> pl.Series:
    """Log change against the same month a year earlier, as both were known; NaN if that month is not."""
    known: dict[tuple[int, int], float] = {}
    newest = (0, 0)
    out = []
    for ts, value in published.select("ts", "value").iter_rows():
        month = (ts.year, ts.month)
        known[month], newest = value, max(newest, month)
        before = known.get((newest[0] - 1, newest[1]), math.nan)
        out.append(math.log(known[newest] / before) if before > 0 and known[newest] > 0 else math.nan)
    return pl.Series(out, dtype=pl.Float64)


@dataclass(frozen=True)
class Feature:
    """A number that can be known at any moment: a signed sum of transformed macro series.

    Parameters
    ----------
    description
        What a value says.
    terms
        (series_id, transform of the series, sign).
    """

    description: str
    terms: tuple[tuple[str, Transform, float], ...]


FEATURES: dict[str, Feature] = {
    "core_cpi_yoy": Feature(
        "core consumer prices, log change over the year", (("core_cpi", _over_the_year, 1.0),)
    ),
    "vix_level": Feature("VIX, natural logarithm", (("vix", _log, 1.0),)),
    "credit_spread": Feature(
        "Baa minus Aaa corporate yield, percent", (("baa_yield", _level, 1.0), ("aaa_yield", _level, -1.0))
    ),
}


def series_of(names: Iterable[str]) -> list[str]:
    """Macro series that some features read, sorted."""
    return sorted({series for name in names for series, _, _ in FEATURES[name].terms})


def _history(rows: pl.DataFrame, transform: Transform) -> pl.DataFrame:
    """Value of one term after each publication: columns known_at, value."""
    published = rows.sort("known_at", "ts")
    frame = published.select("known_at", transform(published).alias("value"))
    return frame.unique("known_at", keep="last", maintain_order=True)


def features_at(macro: pl.DataFrame, moments: pl.Series, names: Iterable[str]) -> pl.DataFrame:
    """Features as they were known at some moments.

    Parameters
    ----------
    macro
        Rows of a macro table with all their revisions.
    moments
        Moments, UTC, in any order.
    names
        Features of `FEATURES`.

    Returns
    -------
    pl.DataFrame
        One Float64 column a feature, one row a moment, in the given order; NaN where nothing was known yet.
    """
    asked = pl.DataFrame({"at": moments.cast(UTC_TIME)}).with_row_index("row").sort("at")
    out = asked.select("row")
    for name in names:
        total = pl.lit(0.0)
        joined = asked
        for i, (series, transform, sign) in enumerate(FEATURES[name].terms):
            rows = macro.filter(pl.col("series_id") == series)
            history = _history(rows, transform).rename({"value": f"term{i}"})
            joined = joined.join_asof(history, left_on="at", right_on="known_at", strategy="backward")
            total = total + sign * pl.col(f"term{i}").fill_null(math.nan)
        out = out.with_columns(joined.select(total.alias(name)))
    return out.sort("row").drop("row")
