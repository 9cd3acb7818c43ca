"""Standardisation: values on a common scale, fitted on the past only (paper section 5.1).

Pure functions on long frames: one row a value, columns that say whose it is (`by`), the value, the moment at
which it is known. Each returns the rows with a column `scaled`, and the fitted numbers with what they were
fitted on, so that whoever stores a scaled value can store where it came from.

Two ways to fit, both blind to the future:

- `cross_section`: a group of values of one moment (a session's instruments) among themselves;
- `over_time`: each value against the values of its series that were known strictly before it.

What they subtract and divide by:

==========  =========================  ========================================  ========================
method      location                   scale                                     scaled
==========  =========================  ========================================  ========================
zscore      mean                       standard deviation, n - 1                 (value - location)/scale
robust      median                     1.4826 median absolute deviation          (value - location)/scale
winsor      middle of the 1 % and      half their distance                       value, cut off at
            99 % quantiles                                                       location -/+ scale
rank        (none)                     (none)                                    share of fitted values
                                                                                 below, from -1 to 1
==========  =========================  ========================================  ========================

NaN, null and infinite values are fitted on by nothing and stay NaN. Fewer fitted values than `at_least`:
location and scale are null, `scaled` is NaN. Where the scale is 0 (a constant series; for `robust`, more than
half of the values equal), a value at the location is 0 and any other NaN: there is no measure for how far it
is away.

Every window is summed on its own, not by running sums: the bits of a scaled value depend on the values it was
fitted on, not on where a run began.

What does not belong here: which features are scaled how (`lim_pipelines/inputs`), the scaling inside a model,
which is fitted up to its cutoff (`finetune/scaling.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]
Method = Literal["zscore", "robust", "winsor", "rank"]

AT_LEAST: Final = 5
"""Values that a fit needs unless the caller says otherwise."""

_TAIL: Final = 0.01
_MAD_TO_SIGMA: Final = 1.4826


@dataclass(frozen=True)
class Scaled:
    """Scaled values and the numbers that were fitted for them.

    Parameters
    ----------
    rows
        The given rows in the given order, and the column `scaled` (Float64).
    fitted
        Columns of `by`, then location, scale (null where nothing could be fitted or the method has none), n
        (values fitted on), first, last (earliest and latest moment of them, null without any). One row a
        group of a cross-section; one a scaled value over time, with its moment, in the order of `rows`.
    """

    rows: pl.DataFrame
    fitted: pl.DataFrame


def cross_section(
    rows: pl.DataFrame,
    method: Method,
    *,
    by: Sequence[str],
    value: str = "value",
    at: str = "known_at",
    at_least: int = AT_LEAST,
) -> Scaled:
    """Scale values among those of their own group.

    Parameters
    ----------
    rows
        Long frame. All values of a group must be known by the moment that the group stands for.
    method
        See the module.
    by
        Columns that make a group, such as exchange, date and feature.
    value, at
        Columns of the value and of the moment at which it is known.
    at_least
        Values that a fit needs.
    """
    frame = rows.select(*by, _v=pl.col(value).cast(pl.Float64), _at=pl.col(at)).with_row_index("_row")
    scaled = np.full(rows.height, math.nan)
    fitted: list[tuple[Any, ...]] = []
    for key, group in frame.group_by(by, maintain_order=True):
        values = group["_v"].fill_null(math.nan).to_numpy()
        counts = np.isfinite(values)
        # Sorted: the bits of a sum must not depend on the order of the rows.
        known = np.sort(values[counts])
        location, scale = _numbers(known, method, at_least)
        scaled[group["_row"].to_numpy()] = _apply(values, known, method, location, scale, at_least)
        moments = group["_at"].filter(pl.Series(counts))
        fitted.append((*key, location, scale, len(known), moments.min(), moments.max()))
    schema = {**{name: rows.schema[name] for name in by}, **_fitted(rows.schema[at])}
    return Scaled(
        rows.with_columns(scaled=pl.Series(scaled, dtype=pl.Float64)),
        pl.DataFrame(fitted, schema=schema, orient="row"),
    )


def over_time(
    rows: pl.DataFrame,
    method: Method,
    *,
    by: Sequence[str],
    value: str = "value",
    at: str = "known_at",
    window: int | None = None,
    only: pl.Expr | None = None,
    at_least: int = AT_LEAST,
) -> Scaled:
    """Scale each value by the values of its own series that were known strictly before it.

    Parameters
    ----------
    rows
        Long frame.
    method
        See the module.
    by
        Columns that make a series, such as exchange and feature.
    value, at
        Columns of the value and of the moment at which it is known.
    window
        Rows before the value that are looked at, finite or not (rolling); None looks at all (expanding).
    only
        Rows that are scaled; all if absent. The others are there as their past, and stay NaN.
    at_least
        Values that a fit needs.
    """
    series = rows.select(
        *by,
        _v=pl.col(value).cast(pl.Float64).fill_null(math.nan),
        _at=pl.col(at),
        _only=pl.lit(True) if only is None else only,
    ).with_row_index("_row")
    scaled = np.full(rows.height, math.nan)
    fitted: dict[int, tuple[Any, ...]] = {}
    for key, one in series.sort("_at", "_row").group_by(by, maintain_order=True):
        values, moments, places = one["_v"].to_numpy(), one["_at"].to_list(), one["_row"].to_list()
        clock = one["_at"].to_physical().to_numpy()
        # Values of the same moment do not see each other.
        ends = np.searchsorted(clock, clock, side="left").tolist()
        for i in np.flatnonzero(one["_only"].to_numpy()).tolist():
            end = ends[i]
            start = 0 if window is None else max(0, end - window)
            there = np.flatnonzero(np.isfinite(values[start:end])) + start
            known = values[there]
            location, scale = _numbers(known, method, at_least)
            scaled[places[i]] = _apply(values[i : i + 1], known, method, location, scale, at_least)[0]
            span = (moments[there[0]], moments[there[-1]]) if len(there) else (None, None)
            fitted[places[i]] = (*key, moments[i], location, scale, len(known), *span)
    schema = {**{name: rows.schema[name] for name in by}, at: rows.schema[at], **_fitted(rows.schema[at])}
    return Scaled(
        rows.with_columns(scaled=pl.Series(scaled, dtype=pl.Float64)),
        pl.DataFrame([fitted[row] for row in sorted(fitted)], schema=schema, orient="row"),
    )


def log(value: pl.Expr) -> pl.Expr:
    """Natural logarithm; NaN where there is none (zero, negative, null)."""
    return pl.when(value > 0).then(value.log()).otherwise(math.nan)


def log_return(value: pl.Expr, *, by: Sequence[str], steps: int = 1) -> pl.Expr:
    """Log of a value over the one `steps` rows before it in its series; NaN where either has no logarithm.

    Parameters
    ----------
    value
        Values; the rows must be sorted by the time at which they are known.
    by
        Columns that make a series.
    steps
        Rows between the two.
    """
    return log(value) - log(value.shift(steps).over(by))


def simple_return(value: pl.Expr, *, by: Sequence[str], steps: int = 1) -> pl.Expr:
    """Change of a value relative to the one `steps` rows before it; NaN unless that one is positive.

    Parameters
    ----------
    value, by, steps
        As for `log_return`.
    """
    before = value.shift(steps).over(by)
    return pl.when(before > 0).then(value / before - 1).fill_null(math.nan)


def _fitted(moment: pl.DataType) -> dict[str, Any]:
    return {"location": pl.Float64, "scale": pl.Float64, "n": pl.Int64, "first": moment, "last": moment}


def _numbers(known: Floats, method: Method, at_least: int) -> tuple[float | None, float | None]:
    """Location and scale of finite values."""
    if len(known) < at_least or method == "rank":
        return None, None
    if method == "winsor":
        low, high = np.quantile(known, [_TAIL, 1 - _TAIL])
        return float((low + high) / 2), float((high - low) / 2)
    if (known == known[0]).all():  # The mean of equal values need not be one of them.
        return float(known[0]), 0.0
    if method == "robust":
        middle = float(np.median(known))
        return middle, float(_MAD_TO_SIGMA * np.median(np.abs(known - middle)))
    return float(known.mean()), float(known.std(ddof=1))


def _apply(
    values: Floats,
    known: Floats,
    method: Method,
    location: float | None,
    scale: float | None,
    at_least: int,
) -> Floats:
    finite = np.isfinite(values)
    if len(known) < at_least:
        return np.full(len(values), math.nan)
    if location is None or scale is None:  # Ranks have neither.
        # Equal values share the middle of their places.
        known = np.sort(known)
        below = np.searchsorted(known, values, side="left") + np.searchsorted(known, values, side="right")
        return np.where(finite, below / len(known) - 1, math.nan)
    if method == "winsor":
        return np.where(finite, np.clip(values, location - scale, location + scale), math.nan)
    if scale == 0:
        return np.where(finite & (values == location), 0.0, math.nan)
    with np.errstate(invalid="ignore"):
        return np.where(finite, (values - location) / scale, math.nan)
