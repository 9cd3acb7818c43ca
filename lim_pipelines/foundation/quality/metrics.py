"""Scores over many windows, each with an interval that knows that neighbouring days belong together.

What does not belong here: scores of one window (`targets.py`), which windows (`harness.py`).

All intervals are percentiles of a stationary bootstrap over dates: windows of one date stay together.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from lim_pipelines.bootstrap import resampled_rows

Array = npt.NDArray[np.float64]

RESAMPLES = 1000
MEAN_BLOCK = 5
"""Mean length of a block, in dates on which windows end."""

CROSS_SECTION = 5
"""Least instruments at one moment that can be ranked."""

MARKET = ("exchange", "asset_class", "freq")
"""Columns that tell markets apart."""

_DATE = pl.col("ts").dt.date().alias("date")
_LEAST_DATES = 5
_LEAST_OF_MARKET = 10
_LEVEL = 0.95
_SEED = 20260101


class Estimate(NamedTuple):
    """A figure and its 95 % interval.

    Parameters
    ----------
    value, low, high
        NaN where there is nothing to judge; no interval for fewer than 5 dates.
    windows
        Windows, or cross-sections, behind it.
    """

    value: float
    low: float
    high: float
    windows: int

    def __str__(self) -> str:
        if math.isnan(self.value):
            return ""
        ends = "" if math.isnan(self.low) else f" ({self.low:.3f} to {self.high:.3f})"
        return f"{self.value:.3f}{ends}"


_NOTHING = Estimate(math.nan, math.nan, math.nan, 0)


def _estimate(parts: Array, ratio: Callable[[Array], Array], count: int) -> Estimate:
    """Estimate a function of sums: `parts` is (dates, ...), `ratio` takes sums over dates."""
    value, low, high = float(ratio(parts.sum(0))), math.nan, math.nan
    if len(parts) >= _LEAST_DATES:
        rng = np.random.default_rng(_SEED)
        rows = resampled_rows(len(parts), RESAMPLES, MEAN_BLOCK, rng)
        # How often each date is drawn: sums over samples are then one matrix product.
        weights = np.stack([np.bincount(row, minlength=len(parts)) for row in rows]).astype(np.float64)
        drawn = ratio((weights @ parts.reshape(len(parts), -1)).reshape(RESAMPLES, *parts.shape[1:]))
        low, high = (float(one) for one in np.nanquantile(drawn, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2]))
    return Estimate(value, low, high, count)


def _of_sums(frame: pl.DataFrame, sums: list[pl.Expr], ratio: Callable[[Array], Array]) -> Estimate:
    """Estimate a function of sums over windows: `ratio` takes (..., len(sums)) and gives (...)."""
    if frame.is_empty():
        return _NOTHING
    names = [str(i) for i in range(len(sums))]
    by_date = (
        frame.group_by(_DATE)
        .agg(one.cast(pl.Float64).sum().alias(name) for one, name in zip(sums, names, strict=True))
        .sort("date")
    )
    return _estimate(by_date.select(names).to_numpy(), ratio, frame.height)


def skill(scores: pl.DataFrame, forecaster: str, yardstick: str, target: str) -> Estimate:
    """1 - CRPS over the yardstick's on the windows that both forecast; seeds of one forecaster are averaged.

    Over several markets it is the geometric mean of their ratios, so that the largest does not speak for all;
    markets of fewer than 10 windows count only where there are no others.

    Parameters
    ----------
    scores
        A row a forecaster, seed and window (`harness.walk_forward`).
    forecaster, yardstick
        Names of forecasters.
    target
        One of `targets.TARGETS`.
    """
    column = f"crps_{target}"

    def mean_of(name: str, alias: str) -> pl.DataFrame:
        rows = scores.filter((pl.col("forecaster") == name) & pl.col(column).is_finite())
        return rows.group_by("window", "ts", *MARKET).agg(pl.col(column).cast(pl.Float64).mean().alias(alias))

    both = mean_of(forecaster, "mine").join(mean_of(yardstick, "its").select("window", "its"), on="window")
    large = pl.len().over(MARKET) >= _LEAST_OF_MARKET
    both = both.filter(large | ~large.any())
    by_date = both.group_by(_DATE, pl.concat_str(MARKET, separator="/").alias("market")).agg(
        pl.col("mine", "its").sum()
    )
    if by_date.is_empty():
        return _NOTHING
    dates, markets = (by_date[name].rank("dense").to_numpy() - 1 for name in ("date", "market"))
    sums = np.zeros((int(dates.max()) + 1, int(markets.max()) + 1, 2))
    sums[dates, markets] = by_date.select("mine", "its").to_numpy()

    def ratio(parts: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log(parts[..., 0] / parts[..., 1])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a sample without any window: NaN
            return np.asarray(1 - np.exp(np.nanmean(logs, axis=-1)))

    return _estimate(sums, ratio, both.height)


def direction(scores: pl.DataFrame) -> Estimate:
    """Share of returns that have the sign of their forecast; flat ones and flat forecasts are left out."""
    known = scores.filter(
        pl.all_horizontal(
            pl.col(name).is_finite() & (pl.col(name) != 0) for name in ("truth_return", "point_return")
        )
    )
    right = pl.col("truth_return").sign() == pl.col("point_return").sign()
    return _of_sums(known, [right, pl.col("truth_return").is_finite()], lambda s: s[..., 0] / s[..., 1])


def r2(scores: pl.DataFrame, target: str) -> Estimate:
    """1 - squared error over that of the mean truth of these very windows.

    The logarithm of volatility is judged over the context's volatility: what remains when the level, which
    everybody knows, is taken away.
    """
    truth, point = pl.col(f"truth_{target}"), pl.col(f"point_{target}")
    known = scores.filter(truth.is_finite() & point.is_finite())

    def ratio(s: Array) -> Array:
        return np.asarray(1 - s[..., 0] / (s[..., 2] - s[..., 1] ** 2 / s[..., 3]))

    return _of_sums(known, [(truth - point) ** 2, truth, truth**2, truth.is_finite()], ratio)


def coverage(scores: pl.DataFrame, target: str, share: float = 0.8) -> Estimate:
    """Share of truths within the central interval that should hold `share` of them."""
    pit = pl.col(f"pit_{target}")
    known = scores.filter(pit.is_finite())
    inside = pit.is_between((1 - share) / 2, (1 + share) / 2)
    return _of_sums(known, [inside, pit.is_finite()], lambda s: s[..., 0] / s[..., 1])


def rank_ic(scores: pl.DataFrame) -> tuple[Estimate, str]:
    """Spearman correlation of forecast and true return, and what was ranked.

    Returns
    -------
    tuple
        The mean over moments with at least `CROSS_SECTION` instruments of one exchange, class and frequency,
        and "cross-section"; where there is none, that over all windows as they follow each other, and "time".
        Nothing of a forecaster that says the same of all.
    """
    known = scores.filter(pl.col("truth_return").is_finite() & pl.col("point_return").is_finite())
    if known["point_return"].n_unique() < 2:
        return _NOTHING, ""
    moment = ["forecaster", "seed", *MARKET, "ts"]
    sections = (
        known.group_by(moment)
        .agg(ic=pl.corr("truth_return", "point_return", method="spearman"), names=pl.len())
        .filter((pl.col("names") >= CROSS_SECTION) & pl.col("ic").is_finite())
    )
    if sections.height:
        ic = pl.col("ic")
        return _of_sums(sections, [ic, ic.is_finite()], lambda s: s[..., 0] / s[..., 1]), "cross-section"
    # Correlation of ranks, as sums: ranks are of the whole stretch.
    ranked = known.sort("ts").with_columns(
        (pl.col(name).rank() / pl.len() - 0.5).alias(name) for name in ("truth_return", "point_return")
    )
    x, y = pl.col("truth_return"), pl.col("point_return")

    def ratio(s: Array) -> Array:
        xy, xs, ys, xx, yy, n = np.moveaxis(s, -1, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(
                (xy - xs * ys / n) / np.sqrt((xx - xs**2 / n).clip(0) * (yy - ys**2 / n).clip(0))
            )

    return _of_sums(ranked, [x * y, x, y, x * x, y * y, x.is_finite()], ratio), "time"
