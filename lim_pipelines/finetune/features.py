"""Macro features, joined as of the moment they were published (paper section 5.1, data alignment).

What does not belong here: reading macro files (`sources/macro.py`), scaling (fitted before the cutoff, stored
with each model), prices.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from lim_pipelines.schemas import UTC_TIME

Transform = Callable[[dict[datetime, float], datetime], float]


def _level(known: dict[datetime, float], latest: datetime) -> float:
    return known[latest]


def _log(known: dict[datetime, float], latest: datetime) -> float:
    return math.log(known[latest]) if known[latest] > 0 else math.nan


def _over_the_year(known: dict[datetime, float], latest: datetime) -> float:
    """Log change against the same month a year earlier; NaN if that month is not known."""
    before = [ts for ts in known if (ts.year, ts.month) == (latest.year - 1, latest.month)]
    if not before or known[latest] <= 0 or known[before[0]] <= 0:
        return math.nan
    return math.log(known[latest] / known[before[0]])


@dataclass(frozen=True)
class Feature:
    """A number that can be known at any moment: a signed sum of transformed macro series.

    Parameters
    ----------
    description
        What a value says.
    terms
        (series_id, transform of what is known of the series, sign).
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
    known: dict[datetime, float] = {}
    out: dict[datetime, float] = {}
    for ts, value, known_at in rows.sort("known_at", "ts").select("ts", "value", "known_at").iter_rows():
        known[ts] = value
        out[known_at] = transform(known, max(known))
    return pl.DataFrame(
        {
            "known_at": pl.Series(list(out), dtype=UTC_TIME),
            "value": pl.Series(list(out.values()), dtype=pl.Float64),
        }
    )


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
            history = _history(macro.filter(pl.col("series_id") == series), transform).rename(
                {"value": f"term{i}"}
            )
            joined = joined.join_asof(history, left_on="at", right_on="known_at", strategy="backward")
            total = total + sign * pl.col(f"term{i}").fill_null(math.nan)
        out = out.with_columns(joined.select(total.alias(name)))
    return out.sort("row").drop("row")
