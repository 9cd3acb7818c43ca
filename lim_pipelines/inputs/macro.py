"""Macro features, as they were known at each decision (paper section 5.1, data alignment).

What does not belong here: reading macro files (`sources/macro.py`), when they were published
(`sources/publication.py`), prices.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import polars as pl

from lim_pipelines.inputs.blocks import Block, Feature, Reads
from lim_pipelines.schemas import UTC_TIME, VALIDATED_MACRO

Transform = Callable[[pl.DataFrame], pl.Series]
"""Publications (columns ts, value, sorted by known_at, ts) to the transformed value after each of them."""


def level(published: pl.DataFrame) -> pl.Series:
    """Value of the newest period."""
    # Only a row of the newest period so far changes the level; others revise the past.
    newest = pl.col("ts") == pl.col("ts").cum_max()
    return published.select(pl.when(newest).then(pl.col("value")).forward_fill()).to_series()


def _log(published: pl.DataFrame) -> pl.Series:
    value = level(published)
    return value.set(value <= 0, math.nan).log()


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
class Terms:
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


FEATURES: dict[str, Terms] = {
    "core_cpi_yoy": Terms(
        "core consumer prices, log change over the year", (("core_cpi", _over_the_year, 1.0),)
    ),
    "vix_level": Terms("VIX, natural logarithm", (("vix", _log, 1.0),)),
    "credit_spread": Terms(
        "Baa minus Aaa corporate yield, percent", (("baa_yield", level, 1.0), ("aaa_yield", level, -1.0))
    ),
}


def series_of(features: Iterable[Terms]) -> list[str]:
    """Macro series that some features read, sorted."""
    return sorted({series for feature in features for series, _, _ in feature.terms})


def _history(rows: pl.DataFrame, transform: Transform) -> pl.DataFrame:
    """Value of one term after each publication: columns known_at, value."""
    published = rows.sort("known_at", "ts")
    frame = published.select("known_at", transform(published).alias("value"))
    return frame.unique("known_at", keep="last", maintain_order=True)


def features_at(macro: pl.DataFrame, moments: pl.Series, features: dict[str, Terms]) -> pl.DataFrame:
    """Features as they were known at some moments.

    Parameters
    ----------
    macro
        Rows of a macro table with all their revisions.
    moments
        Moments, UTC, in any order.
    features
        Features by name.

    Returns
    -------
    pl.DataFrame
        One Float64 column a feature, NaN where nothing was known yet, and `newest`, when the newest
        publication of them became known; one row a moment, in the given order.
    """
    asked = pl.DataFrame({"at": moments.cast(UTC_TIME)}).with_row_index("row").sort("at")
    published = macro.filter(pl.col("series_id").is_in(series_of(features.values()))).select("known_at")
    newest = published.unique().sort("known_at").with_columns(newest="known_at")
    out = asked.join_asof(newest, left_on="at", right_on="known_at").select("row", "newest")
    for name, feature in features.items():
        total = pl.lit(0.0)
        joined = asked
        for i, (series, transform, sign) in enumerate(feature.terms):
            rows = macro.filter(pl.col("series_id") == series)
            history = _history(rows, transform).rename({"value": f"term{i}"})
            joined = joined.join_asof(history, left_on="at", right_on="known_at", strategy="backward")
            total = total + sign * pl.col(f"term{i}").fill_null(math.nan)
        out = out.with_columns(joined.select(total.alias(name)))
    return out.sort("row").select(*features, "newest")


def macro_block(name: str, features: dict[str, Terms]) -> Block:
    """Make a block of macro features."""

    def compute(reads: Reads, decisions: pl.DataFrame) -> pl.DataFrame:
        here = pl.col("series_id").is_in(series_of(features.values()))
        rows = reads.known_by(VALIDATED_MACRO, decisions["decided_at"].max(), here)  # type: ignore[arg-type]
        return pl.concat([decisions, features_at(rows, decisions["decided_at"], features)], how="horizontal")

    return Block(
        name=name,
        about="session",
        features=tuple(Feature(n, f.description, scaling="zscore") for n, f in features.items()),
        tables=(VALIDATED_MACRO,),
        compute=compute,
    )


BLOCK = macro_block("macro", FEATURES)
