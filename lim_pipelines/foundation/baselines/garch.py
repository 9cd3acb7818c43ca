"""GARCH(1,1) with Student's t, fitted to each window (Bollerslev 1986, 1987), by `arch`.

What does not belong here: parameters shared by windows. A window's context is all that its fit sees.

    r_t = sqrt(h_t) z_t,  h_t = omega + alpha r_{t-1}^2 + beta h_{t-1},  z_t ~ t(nu) of variance 1
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lim_pipelines.foundation.baselines.historical import ewma_paths
from lim_pipelines.foundation.baselines.paths import (
    CLOSE,
    VOLUME,
    Array,
    assemble,
    column,
    reverting,
    size_of,
)
from lim_pipelines.foundation.baselines.unfitted import Driftless
from lim_pipelines.foundation.series import Floats
from lim_pipelines.foundation.windows import WindowBatch

_LEAST_BARS = 50  # four parameters of fewer returns are noise
_HEAVIEST = 2.05  # degrees of freedom; at 2 there is no variance


class Fitted(NamedTuple):
    """Parameters of the returns over their root mean square, and the variance of the bar behind the last.

    Parameters
    ----------
    omega, alpha, beta
        Of the recursion.
    freedom
        Degrees of freedom of the noise.
    variance
        Forecast for the first bar of the horizon.
    """

    omega: float
    alpha: float
    beta: float
    freedom: float
    variance: float


class Garch(Driftless):
    """Simulated paths of the GARCH(1,1) of each context; the exponential memory where none can be fitted.

    Attributes
    ----------
    windows, fallbacks : int
        Windows sampled so far, and those among them that had too few bars or whose fit did not converge.
    """

    name = "garch"

    def __init__(self) -> None:
        self.windows = 0
        self.fallbacks = 0

    def sample(self, batch: WindowBatch, horizon: int, count: int, seed: int) -> Floats:
        """See `base.Forecaster.sample`."""
        rng = np.random.default_rng(seed)
        returns = column(batch.values, CLOSE)
        size = size_of(returns)
        fits = [_fit(row[np.isfinite(row)], scale) for row, scale in zip(returns, size, strict=True)]
        close = ewma_paths(returns, count, horizon, rng)
        good = [i for i, fit in enumerate(fits) if fit is not None]
        if good:
            parts = np.array([fit for fit in fits if fit is not None])
            close[:, good] = _simulate(parts, count, horizon, rng) * size[good, None]
        self.windows += len(fits)
        self.fallbacks += len(fits) - len(good)
        volume = reverting(column(batch.values, VOLUME), count, horizon, rng)
        return assemble(close, volume, batch.values.shape[2])


def _fit(returns: Array, size: float) -> Fitted | None:
    """Fit known returns, in time's order; None where that is not possible."""
    # statsmodels and pandas come with it: seconds that only GARCH pays.
    from arch.univariate import GARCH, StudentsT, ZeroMean

    if len(returns) < _LEAST_BARS or not size > 0:
        return None
    scaled = returns / size
    model = ZeroMean(scaled, volatility=GARCH(1, 0, 1), distribution=StudentsT(), rescale=False)
    found = model.fit(disp="off", show_warning=False)
    omega, alpha, beta, freedom = (float(x) for x in found.params)
    variance = omega + alpha * float(scaled[-1]) ** 2 + beta * float(found.conditional_volatility[-1]) ** 2
    fit = Fitted(omega, alpha, beta, freedom, variance)
    if found.convergence_flag != 0 or not np.isfinite(fit).all() or freedom < _HEAVIEST or alpha + beta > 1:
        return None
    return fit


def _simulate(fits: Array, count: int, horizon: int, rng: np.random.Generator) -> Array:
    """Draw paths of fits (B, 5), on the scale that they were fitted on: (count, B, horizon)."""
    omega, alpha, beta, freedom, variance = fits.T
    out = rng.standard_t(freedom[:, None], size=(count, len(fits), horizon))
    out *= np.sqrt((freedom - 2) / freedom)[:, None]
    now = np.broadcast_to(variance, out.shape[:2])
    for h in range(horizon):
        out[:, :, h] *= np.sqrt(now)
        now = omega + alpha * out[:, :, h] ** 2 + beta * now
    return out
