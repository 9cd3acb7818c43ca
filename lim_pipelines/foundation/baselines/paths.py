"""What baselines draw their paths with: known values of contexts, and resampling them.

What does not belong here: a method.

All of it is vectorised over windows: rows are windows, NaN is what a context does not show.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lim_pipelines.foundation.series import VARIABLES, Floats

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

CLOSE, VOLUME = VARIABLES.index("close"), VARIABLES.index("volume")
ENOUGH = 8
"""Known values that can stand for a distribution; with fewer a normal of their size does."""


def column(values: Floats, variable: int) -> Array:
    """One variable of (B, L, p) in double precision, (B, L)."""
    out: Array = values[:, :, variable].astype(np.float64)
    return out


def mean_of(values: Array) -> Array:
    """Mean of the known values of each row, (B,); NaN where none is known."""
    known = np.isfinite(values)
    number = known.sum(axis=1)
    total = np.where(known, values, 0.0).sum(axis=1)
    out: Array = np.divide(total, number, out=np.full(len(values), np.nan), where=number > 0)
    return out


def last_of(values: Array) -> Array:
    """Latest known value of each row, (B,); NaN where none is known."""
    known = np.isfinite(values)
    at = values.shape[1] - 1 - known[:, ::-1].argmax(axis=1)
    out: Array = values[np.arange(len(values)), at]
    return out


def size_of(values: Array) -> Array:
    """Root mean square of the known values of each row, (B,)."""
    root: Array = np.sqrt(mean_of(values**2))
    return root


def resample(pool: Array, count: int, horizon: int, rng: np.random.Generator) -> Array:
    """Draw from each row's known values, with replacement.

    Parameters
    ----------
    pool
        (B, n) values; NaN where missing. Rows with fewer than `ENOUGH` are drawn from a normal of mean zero
        and their root mean square.
    count, horizon
        Draws of each row.
    rng
        Source of randomness.

    Returns
    -------
    (count, B, horizon)
        NaN in rows that know nothing.
    """
    known = np.isfinite(pool)
    number = known.sum(axis=1)
    packed = np.take_along_axis(pool, np.argsort(~known, axis=1, kind="stable"), axis=1)
    at = (rng.random((count, len(pool), horizon)) * number[:, None]).astype(np.int64)
    drawn: Array = packed[np.arange(len(pool))[:, None], at]
    few = number < ENOUGH
    if few.any():
        drawn[:, few] = rng.standard_normal((count, int(few.sum()), horizon)) * size_of(pool[few])[:, None]
    return drawn


def walking(values: Array, count: int, horizon: int, rng: np.random.Generator, drift: bool) -> Array:
    """Random walks from the latest known value, with the context's own steps.

    Parameters
    ----------
    values
        (B, L) levels.
    count, horizon
        Paths of each window and bars of each.
    rng
        Source of randomness.
    drift
        Whether the steps keep their mean.

    Returns
    -------
    (count, B, horizon)
    """
    steps = np.diff(values, axis=1)
    if not drift:
        steps = steps - mean_of(steps)[:, None]
    drawn = resample(steps, count, horizon, rng)
    # A single known value has no step: it stays.
    out: Array = last_of(values)[:, None] + np.nan_to_num(drawn).cumsum(axis=2)
    return out


def reverting(values: Array, count: int, horizon: int, rng: np.random.Generator) -> Array:
    """Paths that revert to the context's mean: an AR(1) fitted to each window by least squares.

    The coefficient is corrected for its bias in short samples (Kendall 1954: -(1 + 3 phi) / n).

    Parameters
    ----------
    values
        (B, L) levels.
    count, horizon
        Paths of each window and bars of each.
    rng
        Source of randomness.

    Returns
    -------
    (count, B, horizon)
    """
    mean = mean_of(values)
    around = values - mean[:, None]
    pairs = np.isfinite(around[:, 1:]) & np.isfinite(around[:, :-1])
    before, after = (np.where(pairs, part, 0.0) for part in (around[:, :-1], around[:, 1:]))
    number = pairs.sum(axis=1).clip(min=1)
    phi = (before * after).sum(axis=1) / np.maximum((before**2).sum(axis=1), 1e-12)
    phi = (phi + (1 + 3 * phi) / number).clip(0.0, 0.98)
    errors = np.where(pairs, after - phi[:, None] * before, np.nan)
    drawn = np.nan_to_num(resample(errors, count, horizon, rng))
    out = np.empty_like(drawn)
    at = np.broadcast_to(last_of(values) - mean, drawn.shape[:2])
    for h in range(horizon):
        at = phi * at + drawn[:, :, h]
        out[:, :, h] = mean + at
    return out


def assemble(close: Array, volume: Array, variables: int) -> Floats:
    """Put paths (count, B, horizon) of close and volume into their columns; the others are not forecast."""
    out = np.full((*close.shape, variables), np.nan, dtype=np.float32)
    out[..., CLOSE], out[..., VOLUME] = close, volume
    return out
