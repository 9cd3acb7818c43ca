"""Which instruments are pairs: near each other and cointegrated, chosen on the past only.

As many pairs as there are instruments, the nearest ones by the distance of their returns, are tested for
cointegration, and which of them are believed is controlled for the number tested (`discoveries.py`). Pairs
that are not tested need not be counted: of two random walks the test's distribution does not depend on how
their steps are correlated, so a choice by nearness of returns does not favour small p-values. (A choice by
nearness of prices would: prices that came back are near.)

A model that is fitted on pairs over the very sessions they were chosen on learns that spreads always come
back. So pairs are chosen anew every `EVERY` sessions of the past, and samples are made of the sessions that
follow each choice: what a model is fitted on looks like what it will meet.

What does not belong here: spreads (`spreads.py`), positions (`portfolio/pair_books.py`).
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from lim_pipelines.finetune.labels import daily_returns
from lim_pipelines.finetune.selection import Formation, Pair
from lim_pipelines.finetune.settings import PairSettings
from lim_pipelines.strategies.cointegration import Floats, engle_granger, p_values
from lim_pipelines.strategies.discoveries import found

Indices = npt.NDArray[np.intp]

EVERY = 63
"""Sessions from one choice of pairs in the past to the next: a quarter."""

COVERAGE = 0.9
"""Share of the formation's sessions that an instrument must have bars of."""

HEDGES = (1 / 3, 3.0)
"""A hedge outside is no pair: one leg would be nearly all of it."""

SHORTEST_HALF_LIFE = 2.0
"""Sessions; what comes back sooner is gone before the fill, a session after the decision."""


def formations(settings: PairSettings, bars: pl.DataFrame) -> tuple[Formation, ...]:
    """Choose pairs for the sessions behind the bars, and for each stretch of the past as if it lay ahead.

    Parameters
    ----------
    settings
        How pairs are chosen.
    bars
        Daily bars of the universe as known at the cutoff, one revision a bar.

    Returns
    -------
    tuple of Formation
        Oldest first; the last has no end, its pairs are those of the decisions behind the cutoff. Empty
        where the bars do not reach over one formation.
    """
    levels = log_levels(bars)
    if levels.height < settings.formation_sessions:
        return ()
    days = [*levels["date"], levels["date"][-1] + timedelta(days=1)]
    at = range(levels.height, settings.formation_sessions - 1, -EVERY)[::-1]
    return tuple(
        Formation(
            since=days[start],
            until=None if start == levels.height else days[start + EVERY],
            pairs=pairs_of(settings, levels[start - settings.formation_sessions : start]),
        )
        for start in at
    )


def log_levels(bars: pl.DataFrame) -> pl.DataFrame:
    """Log total-return levels, one column an instrument.

    Parameters
    ----------
    bars
        As for `formations`.

    Returns
    -------
    pl.DataFrame
        Columns date and each instrument's id, sorted; 0 at an instrument's first bar, null without a bar.
    """
    level = pl.col("log_return").fill_null(0.0).cum_sum().over("instrument_id", order_by="date")
    wide = daily_returns(bars).with_columns(level=level).pivot("instrument_id", index="date", values="level")
    return wide.select("date", *sorted(set(wide.columns) - {"date"})).sort("date")


def pairs_of(settings: PairSettings, levels: pl.DataFrame) -> tuple[Pair, ...]:
    """Choose pairs on one stretch of sessions.

    Parameters
    ----------
    settings
        How many at most, and the share of wrong ones that is accepted.
    levels
        The stretch, as from `log_levels`.

    Returns
    -------
    tuple of Pair
        The surest first, at most `settings.most`; those not believed are among them, marked as such.
    """
    present = [
        name
        for name in levels.columns
        if name != "date" and len(levels[name].drop_nulls()) >= COVERAGE * levels.height
    ]
    n = len(present)
    if n < 2:
        return ()
    # A session without a bar keeps the level: else a day missing here and one there would leave no session
    # that all instruments have. What is left out are the sessions before the last one of them began.
    prices = levels.select(present).fill_null(strategy="forward").drop_nulls().to_numpy().astype(np.float64)
    first, second = nearest(prices, n)
    tested = engle_granger(prices[:, first], prices[:, second])
    chance = p_values(tested.statistic)
    fit = (tested.hedge >= HEDGES[0]) & (tested.hedge <= HEDGES[1])
    fit &= (tested.half_life >= SHORTEST_HALF_LIFE) & np.isfinite(tested.half_life)
    chance = np.where(fit, chance, 1.0)
    believed = found(chance, len(chance), settings.false_discoveries)
    order = np.lexsort((np.arange(len(chance)), chance))[: settings.most]
    return tuple(
        Pair(
            first=present[first[k]],
            second=present[second[k]],
            hedge=float(tested.hedge[k]),
            statistic=float(tested.statistic[k]),
            p_value=float(chance[k]),
            half_life=float(tested.half_life[k]),
            believed=bool(believed[k]),
        )
        for k in order.tolist()
        if fit[k]
    )


def nearest(prices: Floats, count: int) -> tuple[Indices, Indices]:
    r"""Pairs of columns with the nearest returns.

    The distance of two instruments is that of their standardised returns, :math:`\sqrt{2 (1 - \rho)}`.

    Parameters
    ----------
    prices
        Log prices, shape (T, n).
    count
        Pairs wanted.

    Returns
    -------
    first, second
        Columns, shape (count,) each, fewer if there are not as many; nearest first, first < second.

    Notes
    -----
    R. Mantegna (1999), Hierarchical structure in financial markets, European Physical Journal B 11.
    """
    returns = np.diff(prices, axis=0)
    returns = returns - returns.mean(axis=0)
    size = np.sqrt((returns**2).sum(axis=0))
    correlation = (returns.T @ returns) / np.maximum(size[:, None] * size[None, :], 1e-300)
    first, second = np.triu_indices(prices.shape[1], 1)
    order = np.argsort(-correlation[first, second], kind="stable")[:count]
    return first[order], second[order]
