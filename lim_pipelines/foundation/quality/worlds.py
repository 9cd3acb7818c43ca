"""Data of known answer: markets whose true distribution of the future is known at every bar.

What does not belong here: the simulated exchange that trades (`simulate/`), simulated windows that training
may learn from (`foundation/synthetic.py`).

A world is a Markov chain over (n, k) states; a series is one run of it, and the oracle's paths are runs from
the very state that a window ends in. Where the state cannot be seen (the regime), the oracle knows more than
anybody can, and its score is a bound.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lim_pipelines.foundation.series import CALENDAR, VARIABLES, Floats, Ints, Series

Array = npt.NDArray[np.float64]
Step = Callable[[Array, np.random.Generator], tuple[Array, Array, Array]]
"""States (n, k) to the next states, returns (n,) and log volumes (n,)."""

_SIGMA = 0.01
_DAY = 86_400_000_000
_VOLUME = 12.0


@dataclass(frozen=True)
class World:
    """A data-generating process.

    Parameters
    ----------
    name
        What tables call it.
    start
        (generator, n) to first states (n, k): what differs from instrument to instrument is part of them.
    step
        One bar.
    """

    name: str
    start: Callable[[np.random.Generator, int], Array]
    step: Step


@dataclass(frozen=True)
class Run:
    """Series of a world, and the states behind their bars.

    Parameters
    ----------
    world
        The world.
    series
        n series; their exchange is the name of the world.
    states
        (T, n, k) state after each bar.
    """

    world: World
    series: list[Series]
    states: Array

    def paths(self, picks: Ints, horizon: int, count: int, seed: int) -> Floats:
        """Draw the oracle's paths behind windows (position of the series, row): (count, B, horizon, p)."""
        rng = np.random.default_rng(seed)
        state = np.repeat(self.states[picks[:, 1], picks[:, 0]][None], count, axis=0)
        state = state.reshape(-1, self.states.shape[2])
        out = np.full((count, len(picks), horizon, len(VARIABLES)), np.nan, np.float32)
        for h in range(horizon):
            state, returns, volume = self.world.step(state, rng)
            out[:, :, h, VARIABLES.index("close")] = returns.reshape(count, -1)
            out[:, :, h, VARIABLES.index("volume")] = volume.reshape(count, -1)
        return out


def run(world: World, instruments: int, bars: int, seed: int) -> Run:
    """Run a world.

    Parameters
    ----------
    world
        One of `WORLDS`.
    instruments, bars
        Series, and the length of each; 100 bars before the first are thrown away.
    seed
        Same seed, same series.
    """
    rng = np.random.default_rng(seed)
    state = world.start(rng, instruments)
    for _ in range(100):
        state, _, _ = world.step(state, rng)
    states = np.empty((bars, *state.shape))
    values = np.full((instruments, bars, len(VARIABLES)), np.nan, np.float32)
    for t in range(bars):
        state, returns, volume = world.step(state, rng)
        states[t] = state
        values[:, t, VARIABLES.index("close")] = returns
        values[:, t, VARIABLES.index("volume")] = volume
    values[:, 0, VARIABLES.index("close")] = np.nan  # as all series: the first bar has no return
    ts = np.arange(bars, dtype=np.int64) * _DAY
    calendar = np.zeros((bars, len(CALENDAR)), np.float32)
    return Run(
        world,
        [
            Series(
                instrument_id=f"{world.name}:{i}",
                exchange=world.name,
                asset_class="equity",
                freq="1d",
                ts=ts,
                known_at=ts,
                values=values[i],
                calendar=calendar,
            )
            for i in range(instruments)
        ],
        states,
    )


def _steady(rng: np.random.Generator, n: int) -> Array:
    return np.zeros((n, 1))


def _volume(n: int, rng: np.random.Generator) -> Array:
    return _VOLUME + 0.3 * rng.standard_normal(n)


def _noise(state: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    n = len(state)
    return state, _SIGMA * rng.standard_normal(n), _volume(n, rng)


def _ar(state: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Step returns with a memory of .6: tomorrow is told by today."""
    returns = 0.6 * state[:, 0] + 0.8 * _SIGMA * rng.standard_normal(len(state))
    return returns[:, None], returns, _volume(len(state), rng)


def _ou(state: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Step a log price that is drawn back by a tenth of its distance a bar."""
    returns = -0.1 * state[:, 0] + _SIGMA * rng.standard_normal(len(state))
    return state + returns[:, None], returns, _volume(len(state), rng)


def _garch(state: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Step GARCH(1, 1), persistence .97; volume tells nothing."""
    returns = np.sqrt(state[:, 0]) * rng.standard_normal(len(state))
    variance = 0.03 * _SIGMA**2 + 0.12 * returns**2 + 0.85 * state[:, 0]
    return variance[:, None], returns, _volume(len(state), rng)


def _jumps(state: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Step quiet noise and, in one bar of 25, a jump of six times its size."""
    n = len(state)
    spread = np.where(rng.random(n) < 0.04, 6 * _SIGMA, _SIGMA)
    return state, spread * rng.standard_normal(n), _volume(n, rng)


def _sines(state: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Step a return that swings with a period of its own, under noise; state: phase, advance."""
    phase = state[:, 0] + state[:, 1]
    returns = 1.4 * _SIGMA * np.sin(phase) + 0.3 * _SIGMA * rng.standard_normal(len(state))
    return np.stack([phase, state[:, 1]], axis=1), returns, _volume(len(state), rng)


def _lead_lag(state: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Step a return that follows the volume of two bars before; state: the last two shocks of volume."""
    shock = rng.standard_normal(len(state))
    returns = _SIGMA * (0.8 * state[:, 1] + 0.6 * rng.standard_normal(len(state)))
    return np.stack([shock, state[:, 0]], axis=1), returns, _VOLUME + 0.3 * shock


def _regimes(state: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Step calm stretches and wild ones, of 30 bars on average: three times the spread, twice the volume."""
    n = len(state)
    wild = np.where(rng.random(n) < 1 / 30, 1 - state[:, 0], state[:, 0])
    volume = _volume(n, rng) + np.log(2) * wild
    return wild[:, None], _SIGMA * (1 + 2 * wild) * rng.standard_normal(n), volume


def _with_period(rng: np.random.Generator, n: int) -> Array:
    return np.stack([rng.uniform(0, 2 * np.pi, n), 2 * np.pi / rng.uniform(8, 24, n)], axis=1)


WORLDS: dict[str, World] = {
    name: World(name, start, step)
    for name, start, step in (
        ("noise", _steady, _noise),
        ("sines", _with_period, _sines),
        ("ar", _steady, _ar),
        ("ou", _steady, _ou),
        ("garch", lambda rng, n: np.full((n, 1), _SIGMA**2), _garch),
        ("jumps", _steady, _jumps),
        ("lead_lag", lambda rng, n: rng.standard_normal((n, 2)), _lead_lag),
        ("regimes", lambda rng, n: rng.integers(0, 2, (n, 1)).astype(float), _regimes),
    )
}
"""All worlds, by name."""


def runs(names: Sequence[str], instruments: int, bars: int, seed: int) -> list[Run]:
    """Run several worlds, each with a seed of its own."""
    return [run(WORLDS[name], instruments, bars, seed * 1000 + i) for i, name in enumerate(names)]
