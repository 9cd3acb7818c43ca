"""Stochastic processes that XSIM is made of, stepped forward in time.

What does not belong here: which instrument follows which process (`xsim.py`), bars (`intraday.py`).

Every process reads its innovations row by row, a row a session. A longer run therefore begins with the
values of a shorter one: changing the end date changes nothing earlier.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]

GARCH_ALPHA = 0.08
GARCH_BETA = 0.90
TAIL = 6.0
"""Degrees of freedom of the innovations: daily returns have fat tails."""


def stream(seed: int, purpose: str) -> np.random.Generator:
    """Return the random stream of one purpose; streams of different purposes are independent."""
    return np.random.default_rng([seed, *purpose.encode()])


def fat_tailed(rng: np.random.Generator, sessions: int, width: int) -> Floats:
    """Draw Student-t innovations of unit variance.

    Returns
    -------
    ndarray
        Shape (sessions, width).
    """
    draws: Floats = rng.standard_t(TAIL, (sessions, width))
    return draws * float(np.sqrt((TAIL - 2) / TAIL))


def garch(innovations: Floats, daily_vol: Floats) -> tuple[Floats, Floats]:
    """GARCH(1,1): shocks whose size clusters in time.

    Parameters
    ----------
    innovations
        Unit-variance draws, shape (sessions, width).
    daily_vol
        Unconditional standard deviation of a session's shock, shape (width,).

    Returns
    -------
    shocks, vol
        Shocks and the standard deviation each was drawn with, shape (sessions, width).
    """
    shocks, vol = np.empty_like(innovations), np.empty_like(innovations)
    base = daily_vol**2 * (1 - GARCH_ALPHA - GARCH_BETA)
    variance = daily_vol**2
    for t, draw in enumerate(innovations):
        vol[t] = np.sqrt(variance)
        shocks[t] = vol[t] * draw
        variance = base + GARCH_ALPHA * shocks[t] ** 2 + GARCH_BETA * variance
    return shocks, vol


def decay(half_life: float) -> float:
    """Return the AR(1) coefficient whose memory halves in `half_life` sessions."""
    return float(0.5 ** (1 / half_life))


def ar1(innovations: Floats, half_life: float, std: float) -> Floats:
    """Stationary AR(1), the discrete Ornstein-Uhlenbeck process.

    Parameters
    ----------
    innovations
        Unit-variance draws, shape (sessions, width).
    half_life
        Sessions after which half of a deviation is gone.
    std
        Standard deviation of the process.

    Returns
    -------
    ndarray
        Shape (sessions, width); the first row is drawn from the stationary distribution.
    """
    phi = decay(half_life)
    out = np.empty_like(innovations)
    state = std * innovations[0]
    step = std * np.sqrt(1 - phi**2)
    for t, draw in enumerate(innovations):
        state = state if t == 0 else phi * state + step * draw
        out[t] = state
    return out


def lagged(values: Floats, weights: tuple[float, ...]) -> Floats:
    """Sum of past rows, `weights[0]` for the row before, `weights[1]` for the one before that, and so on."""
    out = np.zeros_like(values)
    for lag, weight in enumerate(weights, start=1):
        out[lag:] += weight * values[:-lag]
    return out
