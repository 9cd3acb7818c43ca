"""Features of a context in the manner of qlib's Alpha158 (Yang et al. 2020; `qlib/contrib/data/loader.py`).

What does not belong here: what is learned from them (`lightgbm.py`).

Names and definitions are qlib's; the code is not. Three things differ. Prices are logs relative to the last
close, in units of the window's scale, because one model sees minutes and days; where qlib divides by the last
close nothing is left to do. Bars have no VWAP, so 157 are left. A window of d bars that the context does not
hold is NaN, which trees take as it is.
"""

from __future__ import annotations

import numpy as np

from lim_pipelines.foundation.baselines.paths import VOLUME, Array
from lim_pipelines.foundation.series import VARIABLES, Floats

WINDOWS = (5, 10, 20, 30, 60)
_CLOSE, _OPEN, _HIGH, _LOW = (VARIABLES.index(name) for name in ("close", "open", "high", "low"))
_TINY = 1e-12
BARS = ("KMID", "KLEN", "KMID2", "KUP", "KUP2", "KLOW", "KLOW2", "KSFT", "KSFT2", "OPEN0", "HIGH0", "LOW0")
ROLLING = (
    "ROC",
    "MA",
    "STD",
    "BETA",
    "RSQR",
    "RESI",
    "MAX",
    "MIN",
    "QTLU",
    "QTLD",
    "RANK",
    "RSV",
    "IMAX",
    "IMIN",
    "IMXD",
    "CORR",
    "CORD",
    "CNTP",
    "CNTN",
    "CNTD",
    "SUMP",
    "SUMN",
    "SUMD",
    "VMA",
    "VSTD",
    "WVMA",
    "VSUMP",
    "VSUMN",
    "VSUMD",
)
NAMES: tuple[str, ...] = BARS + tuple(f"{name}{d}" for d in WINDOWS for name in ROLLING)
"""Names of the features, in order."""


def alpha158(values: Floats, size: Array) -> Array:
    """Describe contexts.

    Parameters
    ----------
    values
        (B, L, p) contexts.
    size
        (B,) unit of returns, above 0; NaN gives NaN.

    Returns
    -------
    (B, 157)
        The columns of `NAMES`.
    """
    longest = max(WINDOWS) + 1
    short = max(0, longest - values.shape[1])
    recent = np.pad(
        values[:, -longest:].astype(np.float64), ((0, 0), (short, 0), (0, 0)), constant_values=np.nan
    )
    prices, volumes = _levels(recent, size)
    with np.errstate(divide="ignore", invalid="ignore"):
        features = _of_bar(*(price[:, -1] for price in prices))
        for d in WINDOWS:
            features += _of_window(d, prices, volumes)
        out = np.stack(features, axis=1)
    out[~np.isfinite(out)] = np.nan
    return out


def _levels(recent: Array, size: Array) -> tuple[tuple[Array, Array, Array, Array], Array]:
    """Close, open, high and low on the window's scale, and volume over its mean; gaps keep the last price."""
    began = np.isfinite(recent[:, :, _CLOSE]).cumsum(axis=1) > 0
    returns = np.nan_to_num(recent[:, :, _CLOSE])
    total = returns.cumsum(axis=1)
    close = np.where(began, total - total[:, -1:], np.nan)
    before = close - returns

    def beside(variable: int, base: Array) -> Array:
        offset = recent[:, :, variable]
        out: Array = np.where(np.isfinite(offset), base + offset, close) / size[:, None]
        return out

    prices = (close / size[:, None], beside(_OPEN, before), beside(_HIGH, close), beside(_LOW, close))
    volume = np.expm1(recent[:, :, VOLUME])
    known = np.isfinite(volume)
    number = known.sum(axis=1)
    mean = np.where(known, volume, 0.0).sum(axis=1) / np.maximum(number, 1)
    filled = np.where(known, volume, mean[:, None]) / np.maximum(mean, _TINY)[:, None]
    return prices, np.where(began & (number > 0)[:, None], filled, np.nan)


def _of_bar(close: Array, opened: Array, high: Array, low: Array) -> list[Array]:
    """Shape of the last bar: `BARS`."""
    length = high - low + _TINY
    top, bottom = np.maximum(opened, close), np.minimum(opened, close)
    shift = 2 * close - high - low
    return [
        *(close - opened, high - low, (close - opened) / length),
        *(high - top, (high - top) / length, bottom - low, (bottom - low) / length),
        *(shift, shift / length),
        *(opened, high, low),
    ]


def _of_window(d: int, prices: tuple[Array, Array, Array, Array], volumes: Array) -> list[Array]:
    """Features of the last d bars: `ROLLING`."""
    close, _, high, low = (price[:, -d:] for price in prices)
    volume, last = volumes[:, -d:], volumes[:, -1]
    steps = np.diff(prices[0][:, -d - 1 :], axis=1)
    turns = np.diff(volumes[:, -d - 1 :], axis=1)
    growth: Array = np.log(volume / (volumes[:, -d - 1 : -1] + _TINY) + 1)
    time: Array = np.arange(d, dtype=np.float64) - (d - 1) / 2
    mean = close.mean(axis=1)
    slope = (close * time).sum(axis=1) / (time**2).sum()
    fitted = slope * time[-1]
    highest, lowest = high.max(axis=1), low.min(axis=1)
    at_high, at_low = high.argmax(axis=1) + 1.0, low.argmin(axis=1) + 1.0
    effort = np.abs(steps) * volume
    return [
        *(prices[0][:, -d - 1], mean, close.std(axis=1, ddof=1)),
        *(slope, _correlation(close, time[None]) ** 2, close[:, -1] - mean - fitted),
        *(highest, lowest, *np.quantile(close, (0.8, 0.2), axis=1)),
        (close <= close[:, -1:]).mean(axis=1),
        (close[:, -1] - lowest) / (highest - lowest + _TINY),
        *(at_high / d, at_low / d, (at_high - at_low) / d),
        *(_correlation(close, np.log(1.0 + volume)), _correlation(steps, growth)),
        *_both((steps > 0).mean(axis=1), (steps < 0).mean(axis=1)),
        *_shares(steps),
        *(volume.mean(axis=1) / (last + _TINY), volume.std(axis=1, ddof=1) / (last + _TINY)),
        effort.std(axis=1, ddof=1) / (effort.mean(axis=1) + _TINY),
        *_shares(turns),
    ]


def _both(up: Array, down: Array) -> tuple[Array, Array, Array]:
    return up, down, up - down


def _shares(steps: Array) -> tuple[Array, Array, Array]:
    """Ups and downs as shares of all that moved, and their difference."""
    total = np.abs(steps).sum(axis=1) + _TINY
    return _both(steps.clip(min=0).sum(axis=1) / total, (-steps).clip(min=0).sum(axis=1) / total)


def _correlation(one: Array, other: Array) -> Array:
    """Pearson's correlation of rows; NaN where one does not move."""
    a, b = (part - part.mean(axis=1, keepdims=True) for part in (one, other))
    out: Array = (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return out
