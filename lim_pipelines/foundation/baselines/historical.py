"""Historical volatility: how much prices moved of late, resampled. Two memories, one class each.

What does not belong here: volatility that reverts to a mean (`garch.py`), anything fitted on other windows.

Filtered historical simulation (Barone-Adesi, Giannopoulos and Vosper 1999): each return of the context over
the volatility that was forecast for it is a draw of the noise, so tails are as fat as they were, and a noisy
forecast of volatility makes wide paths. The mean return is zero: that of a context is noise.
"""

from __future__ import annotations

import numpy as np

from lim_pipelines.foundation.baselines.paths import (
    CLOSE,
    VOLUME,
    Array,
    assemble,
    column,
    resample,
    reverting,
    size_of,
)
from lim_pipelines.foundation.baselines.unfitted import Driftless
from lim_pipelines.foundation.series import Floats
from lim_pipelines.foundation.windows import WindowBatch

DECAY = 0.94
"""Of the exponential memory (RiskMetrics 1996, daily data)."""

MEMORY = 22
"""Bars of the plain memory: a month of days."""

_LEAST = 0.1  # volatility of a still stretch, as a share of the context's: a division needs one
_FLAT = 1e-8  # volatility of a price that never moved


def ewma_variances(returns: Array, decay: float = DECAY) -> Array:
    """Variance that an exponential memory forecasts for each bar, and for the one behind the last.

    Parameters
    ----------
    returns
        (B, L); NaN where missing: nothing is learned from such a bar.
    decay
        Share of the memory that survives a bar.

    Returns
    -------
    (B, L + 1)
        The memory begins with the context's mean square.
    """
    whole = np.nan_to_num(size_of(returns)) ** 2
    least = np.maximum(_LEAST**2 * whole, _FLAT**2)
    out = np.empty((returns.shape[0], returns.shape[1] + 1))
    out[:, 0] = np.maximum(whole, least)
    for t in range(returns.shape[1]):
        new = returns[:, t] ** 2
        step = np.where(np.isfinite(new), decay * out[:, t] + (1 - decay) * new, out[:, t])
        out[:, t + 1] = np.maximum(step, least)
    return out


def _plain_variances(returns: Array) -> Array:
    """Mean square of the `MEMORY` bars before each bar, and before the one behind the last, (B, L + 1)."""
    known = np.isfinite(returns)
    squares = np.where(known, returns**2, 0.0)
    sums, numbers = (
        np.concatenate([np.zeros((len(returns), 1)), part.cumsum(axis=1)], axis=1)
        for part in (squares, known.astype(np.float64))
    )
    for part in (sums, numbers):
        part[:, MEMORY:] -= part[:, :-MEMORY].copy()
    whole = np.nan_to_num(size_of(returns)) ** 2
    # The first bars of a context have no month behind them: the context's mean square stands in.
    variances = np.where(
        numbers >= min(MEMORY, returns.shape[1]) / 2, sums / numbers.clip(min=1), whole[:, None]
    )
    least = np.maximum(_LEAST**2 * whole, _FLAT**2)
    out: Array = np.maximum(variances, least[:, None])
    return out


class HistoricalVolatility(Driftless):
    """Volatility of the last month of bars, the same for every bar of the horizon."""

    name = "historical_volatility"

    def sample(self, batch: WindowBatch, horizon: int, count: int, seed: int) -> Floats:
        """See `base.Forecaster.sample`."""
        rng = np.random.default_rng(seed)
        returns = column(batch.values, CLOSE)
        spread = np.sqrt(_plain_variances(returns))
        noise = resample(returns / spread[:, :-1], count, horizon, rng)
        close = noise * rng.choice((-1.0, 1.0), size=noise.shape) * spread[:, -1, None]
        volume = reverting(column(batch.values, VOLUME), count, horizon, rng)
        return assemble(close, volume, batch.values.shape[2])


class Ewma(Driftless):
    """Volatility of an exponential memory, which goes on learning along each path."""

    name = "ewma"

    def sample(self, batch: WindowBatch, horizon: int, count: int, seed: int) -> Floats:
        """See `base.Forecaster.sample`."""
        rng = np.random.default_rng(seed)
        returns = column(batch.values, CLOSE)
        close = ewma_paths(returns, count, horizon, rng)
        volume = reverting(column(batch.values, VOLUME), count, horizon, rng)
        return assemble(close, volume, batch.values.shape[2])


def ewma_paths(returns: Array, count: int, horizon: int, rng: np.random.Generator) -> Array:
    """Return paths behind contexts (B, L) by an exponential memory, (count, B, horizon)."""
    variances = ewma_variances(returns)
    noise = resample(returns / np.sqrt(variances[:, :-1]), count, horizon, rng)
    noise *= rng.choice((-1.0, 1.0), size=noise.shape)
    variance = np.broadcast_to(variances[:, -1], noise.shape[:2])
    for h in range(horizon):
        noise[:, :, h] *= np.sqrt(variance)
        variance = DECAY * variance + (1 - DECAY) * noise[:, :, h] ** 2
    return noise
