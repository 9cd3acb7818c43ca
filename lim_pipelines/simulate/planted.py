"""Planted worlds: small markets in which one thing is true, and controls in which nothing is.

Contract. A world is a function of a seed and sizes; it returns a `Planted`: rows of `VALIDATED_BARS` of
exchange XSIM under ids of its own (`XSIM:P01` and on; no name says a role), and what was planted. It is made
by `market` (returns that nothing foresees) plus what the world plants, and `bars_of`. Same seed, same bits; a
longer run begins with the values of a shorter one. `shuffled` makes any world's control,
`dealt_anew` that of drifts.

What does not belong here: XSIM itself (`xsim.py`; nothing here changes a bit of it), minute bars, reading
what was planted back (tests and benchmarks do that).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

from lim_pipelines.exchanges import get_exchange, sessions
from lim_pipelines.schemas import VALIDATED_BARS
from lim_pipelines.simulate import intraday
from lim_pipelines.simulate.processes import Floats, ar1, fat_tailed, garch, lagged, stream
from lim_pipelines.simulate.xsim import Simulated

MIC = "XSIM"
FIRST_SESSION = date(2014, 1, 2)
MARKET_VOL = 0.006
LEAD_LAG_WEIGHTS = (0.30, 0.25, 0.20, 0.15)
"""Share of the leader's own shock that reaches the lagger one, two, three, four sessions later. What comes
after the first can be traded: a decision is filled at the next close."""
SPREAD_HALF_LIFE, SPREAD_STD = 6.0, 0.04
"""Of a pair's log price difference: sessions after which half of a deviation is gone, standard deviation."""


@dataclass(frozen=True)
class Planted:
    """A planted world.

    Parameters
    ----------
    bars
        Rows of `VALIDATED_BARS`, daily, known when XSIM's feed brings them.
    relations
        What was planted, as pairs of instrument ids: (leader, lagger), or the two legs of a pair.
    """

    bars: pl.DataFrame
    relations: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Market:
    """Returns that nothing foresees.

    Parameters
    ----------
    grid
        Sessions, as from `exchanges.sessions`.
    ids
        Instrument ids, n of them, in an order that says nothing.
    common
        What the market does to each, log return, shape (T, n).
    own
        What each does by itself, shape (T, n); clustered volatility and fat tails.
    vol
        Standard deviation of both together, shape (T, n).
    """

    grid: pl.DataFrame
    ids: tuple[str, ...]
    common: Floats
    own: Floats
    vol: Floats

    @property
    def returns(self) -> Floats:
        """Log returns, shape (T, n)."""
        return np.asarray(self.common + self.own)


def market(seed: int, instruments: int, count: int) -> Market:
    """Make a market without any structure that a forecast could use.

    Parameters
    ----------
    seed
        Seed.
    instruments
        n, how many.
    count
        T, sessions.
    """
    grid = sessions(MIC, FIRST_SESSION, date(FIRST_SESSION.year + count // 250 + 1, 12, 31)).head(count)
    traits = stream(seed, "planted traits")
    beta, own_vol = traits.uniform(0.6, 1.4, instruments), traits.uniform(0.010, 0.016, instruments)
    ids = tuple(f"{MIC}:P{i:02d}" for i in traits.permutation(np.arange(1, instruments + 1)))
    common, common_vol = garch(fat_tailed(stream(seed, "planted market"), count, 1), np.array([MARKET_VOL]))
    own, own_sigma = garch(fat_tailed(stream(seed, "planted own"), count, instruments), own_vol)
    vol = np.sqrt((beta * common_vol) ** 2 + own_sigma**2)
    return Market(grid, ids, beta * common, own, vol)


def bars_of(seed: int, world: Market, returns: Floats) -> pl.DataFrame:
    """Make bars of log returns.

    Parameters
    ----------
    seed
        Seed of what happens within a session.
    world
        Sessions, ids, volatility.
    returns
        Close to close, shape (T, n).

    Returns
    -------
    pl.DataFrame
        Rows of `VALIDATED_BARS`, sorted by its key.
    """
    names = [name.partition(":")[2] for name in world.ids]
    daily = intraday.daily_frame(intraday.daily_bars(seed, returns, world.vol), names, world.grid)
    rows = daily.with_columns(
        exchange=pl.lit(MIC),
        instrument_id=pl.format(MIC + ":{}", "symbol"),
        asset_class=pl.lit("equity"),
        ex_factor=1.0,
        known_at=pl.col("ts") + get_exchange(MIC).feed_lag,
        source=pl.lit("planted"),
    )
    return VALIDATED_BARS.conform(rows.select(pl.exclude("symbol"))).sort(VALIDATED_BARS.key)


def published(made: Simulated) -> pl.DataFrame:
    """Take XSIM's daily bars as the platform publishes them, without the way through the lake.

    Parameters
    ----------
    made
        As from `xsim.simulate`.

    Returns
    -------
    pl.DataFrame
        Rows of `VALIDATED_BARS`, sorted by its key; instrument ids are `XSIM:<symbol>`.
    """
    rows = made.bars.filter(pl.col("freq") == "1d").with_columns(
        exchange=pl.lit(MIC),
        instrument_id=pl.format(MIC + ":{}", "symbol"),
        asset_class=pl.lit("equity"),
        ex_factor=1.0,
        known_at=pl.col("ts") + get_exchange(MIC).feed_lag,
        source=pl.lit("xsim"),
    )
    return VALIDATED_BARS.conform(rows.select(pl.exclude("symbol"))).sort(VALIDATED_BARS.key)


def lead_lag(seed: int, relations: int = 6, others: int = 12, count: int = 1000) -> Planted:
    """Plant leaders and laggers among instruments that have nothing to do with each other.

    Parameters
    ----------
    seed
        Seed.
    relations
        Pairs of a leader and its lagger; no instrument is in two.
    others
        Instruments with nothing planted.
    count
        Sessions.
    """
    world = market(seed, 2 * relations + others, count)
    returns = world.returns
    returns[:, relations : 2 * relations] += lagged(world.own[:, :relations], LEAD_LAG_WEIGHTS)
    planted = zip(world.ids[:relations], world.ids[relations : 2 * relations], strict=True)
    return Planted(bars_of(seed, world, returns), tuple(planted))


def pairs(seed: int, relations: int = 4, others: int = 8, count: int = 1000) -> Planted:
    """Plant pairs: two legs that share market and own shock, and whose spread comes back.

    Parameters
    ----------
    seed
        Seed.
    relations
        Pairs; no instrument is in two.
    others
        Instruments with nothing planted.
    count
        Sessions.
    """
    world = market(seed, 2 * relations + others, count)
    common, own, vol = (values.copy() for values in (world.common, world.own, world.vol))
    for values in (common, own, vol):
        values[:, relations : 2 * relations] = values[:, :relations]
    world = replace(world, common=common, own=own, vol=vol)
    draws = stream(seed, "planted spread").standard_normal((count, relations))
    half = np.diff(ar1(draws, SPREAD_HALF_LIFE, SPREAD_STD), axis=0, prepend=0.0) / 2
    returns = world.returns
    returns[:, :relations] += half
    returns[:, relations : 2 * relations] -= half
    planted = zip(world.ids[:relations], world.ids[relations : 2 * relations], strict=True)
    return Planted(bars_of(seed, world, returns), tuple(planted))


def shuffled_together(world: Planted, seed: int) -> Planted:
    """Put the sessions of all instruments into one order: who moves with whom stays, what comes back goes.

    Parameters
    ----------
    world, seed
        As for `shuffled`; every instrument has a bar of every session.
    """
    order = _order(world.bars["date"].n_unique(), stream(seed, "planted shuffle"))
    rows = [_reordered(own, order) for _, own in world.bars.group_by("instrument_id", maintain_order=True)]
    return replace(world, bars=pl.concat(rows).sort(VALIDATED_BARS.key), relations=())


def shuffled(world: Planted, seed: int) -> Planted:
    """Put each instrument's bars into an order of its own: nothing is true any more, tails and sizes stay.

    Parameters
    ----------
    world
        Any planted world.
    seed
        Seed of the orders.

    Returns
    -------
    Planted
        Bars on the same sessions, without relations. A bar keeps its shape: open, high and low relative to
        its close, and the return that led to it.
    """
    dice = stream(seed, "planted shuffle")
    return replace(
        world,
        bars=pl.concat(
            _reordered(rows, _order(rows.height, dice))
            for _, rows in world.bars.group_by("instrument_id", maintain_order=True)
        ).sort(VALIDATED_BARS.key),
        relations=(),
    )


def dealt_anew(world: Planted, seed: int) -> Planted:
    """Shuffle, and let a coin say whether a bar rises or falls: of drifts nothing is left, either.

    An instrument that rose on balance still does when its sessions are shuffled: momentum is right there.

    Parameters
    ----------
    world, seed
        As for `shuffled`.
    """
    dice = stream(seed, "planted dealt anew")
    rows = []
    for _, own in world.bars.group_by("instrument_id", maintain_order=True):
        order = _order(own.height, dice)
        rows.append(_reordered(own, order, dice.choice([-1.0, 1.0], own.height)))
    return replace(world, bars=pl.concat(rows).sort(VALIDATED_BARS.key), relations=())


def _order(count: int, dice: np.random.Generator) -> npt.NDArray[np.int64]:
    """Draw an order of an instrument's bars that leaves the first in place."""
    return np.concatenate([[0], 1 + dice.permutation(count - 1)])


def _reordered(rows: pl.DataFrame, order: npt.NDArray[np.int64], side: Floats | float = 1.0) -> pl.DataFrame:
    """Bars of one instrument in another order, their growth times `side`."""
    rows = rows.sort("date")
    close = rows["close"].to_numpy()
    growth = np.concatenate([[0.0], np.diff(np.log(close))])[order] * side
    new = np.round(close[0] * np.exp(np.cumsum(growth)), 2)
    shape = {name: new * (rows[name].to_numpy() / close)[order] for name in ("open", "high", "low")}
    volume = rows["volume"].to_numpy()[order]
    return rows.with_columns(
        **{name: pl.Series(np.round(values, 2)) for name, values in shape.items()},
        close=pl.Series(new),
        volume=pl.Series(volume),
    )
