"""Simulated bars to train on beside real ones: volatility that clusters, regimes, jumps, cycles, fat tails.

What does not belong here: the simulated exchange (`lim_pipelines/simulate`), worlds of known answer, which
windows are replaced (`augment.py`).

Every path has parameters of its own, drawn wide around what markets show, so that the model meets dynamics
which its own history is too short for. GARCH(1,1) with Student's t (Bollerslev 1987) times a two-state Markov
regime of volatility (Hamilton 1989) times a cycle; compound jumps; weak autocorrelation of returns.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lim_pipelines.foundation.series import VARIABLES, Floats

_BURN = 200
_LARGEST = 50.0  # returns in standard deviations: a draw of t beyond it tells a model nothing
Doubles = npt.NDArray[np.float64]


def paths(count: int, length: int, seed: int) -> Floats:
    """Simulate bars.

    Parameters
    ----------
    count, length
        Paths, bars of each.
    seed
        Same seed, same paths.

    Returns
    -------
    (count, length, p) float32
        The columns of `VARIABLES`; returns and ranges in standard deviations of the path's returns, volume
        standardised.
    """
    rng = np.random.default_rng([seed, 7])
    total = length + _BURN
    season = _cycle(rng, count, total)
    sd = _clustered(rng, count, total) * _regimes(rng, count, total) * np.exp(season)
    freedom = rng.uniform(3, 10, count)
    shock = rng.standard_t(freedom, (total, count)) * np.sqrt((freedom - 2) / freedom)
    jump = rng.random((total, count)) < rng.uniform(0, 0.01, count)
    shock += jump * rng.standard_normal((total, count)) * rng.uniform(2, 6, count)
    close = _ar1(sd * shock, rng.normal(0, 0.08, count))[_BURN:]
    unit = close.std(axis=0)
    close, sd = np.clip(close / unit, -_LARGEST, _LARGEST), sd[_BURN:] / unit
    overnight = np.sqrt(rng.uniform(0, 0.4, count))
    opened = overnight**2 * close + overnight * np.sqrt(1 - overnight**2) * sd * _normal(rng, sd)
    high, low = _range(rng, close - opened, sd * np.sqrt(1 - overnight**2))
    activity = _ar1(_normal(rng, sd), rng.uniform(0.3, 0.95, count))
    volume = rng.uniform(0.2, 1.5, count) * np.log(sd) + rng.uniform(0.2, 1, count) * activity
    volume = (volume - volume.mean(axis=0)) / volume.std(axis=0)
    columns = {"close": close, "open": opened, "high": high, "low": low, "volume": volume}
    out = np.stack([columns[name].T for name in VARIABLES], axis=2)
    return np.ascontiguousarray(out, dtype=np.float32)


def _normal(rng: np.random.Generator, like: Doubles) -> Doubles:
    draws: Doubles = rng.standard_normal(like.shape)
    return draws


def _clustered(rng: np.random.Generator, count: int, total: int) -> Doubles:
    """Draw standard deviations of a GARCH(1,1) around 1, (total, count)."""
    alpha = rng.uniform(0.02, 0.15, count)
    beta = rng.uniform(0.8, 0.99, count) - alpha
    draws = np.square(rng.standard_normal((total, count)))
    variance, out = np.ones(count), np.empty((total, count))
    for t in range(total):
        out[t] = variance
        variance = 1 - alpha - beta + (alpha * draws[t] + beta) * variance
    return np.sqrt(out)


def _regimes(rng: np.random.Generator, count: int, total: int) -> Doubles:
    """Calm (1) or wild (up to 3 times), with durations of 30 to 500 bars, (total, count)."""
    leave = 1 / rng.uniform(30, 500, count)
    switches = rng.random((total, count)) < leave
    wild = (np.cumsum(switches, axis=0) + rng.integers(2, size=count)) % 2
    return 1 + wild * rng.uniform(0, 2, count)


def _cycle(rng: np.random.Generator, count: int, total: int) -> Doubles:
    """Log of a cycle in volatility of 5 to 100 bars, (total, count)."""
    angle = np.arange(total)[:, None] / np.exp(rng.uniform(np.log(5), np.log(100), count)) + rng.random(count)
    cycle: Doubles = rng.uniform(0, 0.4, count) * np.sin(2 * np.pi * angle)
    return cycle


def _ar1(innovations: Doubles, phi: Doubles) -> Doubles:
    out, state = np.empty_like(innovations), np.zeros(innovations.shape[1])
    for t, draw in enumerate(innovations):
        state = phi * state + draw
        out[t] = state
    return out


def _range(rng: np.random.Generator, move: Doubles, sd: Doubles) -> tuple[Doubles, Doubles]:
    """High and low over the close of a Brownian bridge that moves by `move` (Borodin and Salminen 2002)."""
    up, down = (-2 * sd**2 * np.log(1 - rng.random(move.shape)) for _ in range(2))
    highest = (move + np.sqrt(move**2 + up)) / 2
    lowest = (move - np.sqrt(move**2 + down)) / 2
    return highest - move, lowest - move
