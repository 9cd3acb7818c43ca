"""XSIM, the simulated exchange: 64 instruments with planted momentum, lead-lag and pairs.

What does not belong here: raw quotes (`sources/xsim.py`), processes (`processes.py`), bars (`intraday.py`).

Log return of a session = market beta x market + own shock + planted expectation. Market and own shocks have
clustered volatility and fat tails. The planted expectation is zero for the controls.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from lim_pipelines.exchanges import sessions
from lim_pipelines.simulate import intraday
from lim_pipelines.simulate.processes import Floats, ar1, decay, fat_tailed, garch, lagged, stream

FIRST_SESSION = date(2014, 1, 2)
LAST_SESSION = date(2018, 12, 31)
FIRST_MINUTE_SESSION = date(2017, 10, 2)
SIZE = 64
SEED = 7

MOMENTUM_COUNT, LEAD_LAG_COUNT, PAIR_COUNT = 24, 8, 6
MOMENTUM_HALF_LIFE = 40.0
MOMENTUM_STD = 0.0025
LEAD_LAG_WEIGHTS = (0.25, 0.15, 0.10)
"""Share of the leader's own shock that reaches the lagger one, two, three sessions later. It lasts beyond
tomorrow because the fill is at tomorrow's close: an effect of one session could be seen but never traded."""
SPREAD_HALF_LIFE = 8.0
SPREAD_STD = 0.04
MARKET_VOL = 0.008
MARKET_DRIFT = 0.0002


def instrument_names() -> list[str]:
    """Names of the simulated instruments, SIM01 to SIM64; the name says nothing about the planted role."""
    return [f"SIM{i:02d}" for i in range(1, SIZE + 1)]


@dataclass(frozen=True)
class Truth:
    """What was planted.

    Parameters
    ----------
    seed
        Seed of the simulation.
    momentum
        Instruments whose drift is a slow AR(1).
    lead_lag
        (leader, lagger) names.
    pairs
        Names of two instruments whose log price difference is an OU process around a constant.
    controls
        Instruments with nothing planted.
    minute
        The four instruments that have minute bars: a momentum one, a leader, its lagger, a control.
    expected
        Columns date, symbol, expected: the planted conditional mean of that session's log return, given
        everything before it (including states nobody observes).
    """

    seed: int
    momentum: tuple[str, ...]
    lead_lag: tuple[tuple[str, str], ...]
    pairs: tuple[tuple[str, str], ...]
    controls: tuple[str, ...]
    minute: tuple[str, ...]
    expected: pl.DataFrame


@dataclass(frozen=True)
class Simulated:
    """A simulated exchange.

    Parameters
    ----------
    bars
        Columns symbol, date, freq (1d, 1m), ts (UTC, end of bar), open, high, low, close (cents), volume.
        Sorted by freq, date, symbol, ts; minute bars add up to the daily bar exactly.
    truth
        What was planted.
    """

    bars: pl.DataFrame
    truth: Truth


@dataclass(frozen=True)
class _Roles:
    momentum: list[int]
    leaders: list[int]
    laggers: list[int]
    pair_a: list[int]
    pair_b: list[int]
    controls: list[int]


def _roles(seed: int) -> _Roles:
    order = [int(i) for i in stream(seed, "roles").permutation(SIZE)]
    cuts = np.cumsum([MOMENTUM_COUNT, LEAD_LAG_COUNT, LEAD_LAG_COUNT, PAIR_COUNT, PAIR_COUNT])
    return _Roles(*(part.tolist() for part in np.split(np.array(order), cuts)))


def _log_returns(seed: int, count: int, roles: _Roles) -> tuple[Floats, Floats, Floats]:
    """Log returns, their volatility before the session, and the planted expectation, shape (count, SIZE)."""
    traits = stream(seed, "traits")
    beta = traits.uniform(0.6, 1.4, SIZE)
    own_vol = traits.uniform(0.010, 0.018, SIZE)
    market, market_vol = garch(fat_tailed(stream(seed, "market"), count, 1), np.array([MARKET_VOL]))
    own, own_sigma = garch(fat_tailed(stream(seed, "own"), count, SIZE), own_vol)

    expected = np.zeros((count, SIZE))
    drift_draws = stream(seed, "drift").standard_normal((count, MOMENTUM_COUNT))
    expected[:, roles.momentum] = ar1(drift_draws, MOMENTUM_HALF_LIFE, MOMENTUM_STD)
    expected[:, roles.laggers] = lagged(own[:, roles.leaders], LEAD_LAG_WEIGHTS)
    spread = ar1(stream(seed, "spread").standard_normal((count, PAIR_COUNT)), SPREAD_HALF_LIFE, SPREAD_STD)
    before = np.vstack([np.zeros((1, PAIR_COUNT)), spread[:-1]])
    reversion = (decay(SPREAD_HALF_LIFE) - 1) * before
    expected[:, roles.pair_a], expected[:, roles.pair_b] = reversion / 2, -reversion / 2

    # The legs of a pair share market and own shock; only the spread tells them apart.
    beta[roles.pair_b] = beta[roles.pair_a]
    own[:, roles.pair_b] = own[:, roles.pair_a]
    own_sigma[:, roles.pair_b] = own_sigma[:, roles.pair_a]
    returns = MARKET_DRIFT + beta * market + own + expected
    surprise = spread - before - reversion
    returns[:, roles.pair_a] += surprise / 2
    returns[:, roles.pair_b] -= surprise / 2
    return returns, np.sqrt((beta * market_vol) ** 2 + own_sigma**2), expected


def simulate(seed: int = SEED, end: date = LAST_SESSION) -> Simulated:
    """Simulate XSIM from its first session to `end`.

    Parameters
    ----------
    seed
        Same seed, same exchange, to the bit.
    end
        Last session, at least `FIRST_SESSION`. A later end only adds rows.

    Returns
    -------
    Simulated
        Daily bars of all instruments, minute bars of four from `FIRST_MINUTE_SESSION` on, and the truth.
    """
    grid = sessions("XSIM", FIRST_SESSION, end)
    names = instrument_names()
    roles = _roles(seed)
    returns, vol, expected = _log_returns(seed, grid.height, roles)
    daily = intraday.daily_bars(seed, returns, vol)
    minute_of = [roles.momentum[0], roles.leaders[0], roles.laggers[0], roles.controls[0]]
    first = int(grid["date"].search_sorted(FIRST_MINUTE_SESSION))
    minutes = intraday.minute_bars(seed, daily, minute_of, first, grid)
    daily = intraday.with_minutes(daily, minutes, minute_of, first)

    bars = pl.concat(
        [intraday.daily_frame(daily, names, grid), intraday.minute_frame(minutes, names, minute_of, grid)]
    )
    named = {field: tuple(names[i] for i in getattr(roles, field)) for field in roles.__dataclass_fields__}
    truth = Truth(
        seed=seed,
        momentum=named["momentum"],
        lead_lag=tuple(zip(named["leaders"], named["laggers"], strict=True)),
        pairs=tuple(zip(named["pair_a"], named["pair_b"], strict=True)),
        controls=named["controls"],
        minute=tuple(names[i] for i in minute_of),
        expected=intraday.long_frame({"expected": expected}, names, grid),
    )
    return Simulated(bars, truth)
