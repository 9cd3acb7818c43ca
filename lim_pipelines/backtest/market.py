r"""What n instruments are worth and earn, session by session: all that the loop of `engine.py` looks up.

A position is a quantity q. From one mark to the next it earns q times a gain that no decision changes, so
gains are made once, for all books:

.. math::
    \text{paid: } m (p_t x_t + s\, a\, x_t - s\, p_{t-1} x_{t-1}), \qquad
    \text{margined: } m\, x_t (p_t - f\, p_{t-1})

with price p, multiplier m, exchange rate x, split ratio s, dividend a, `ex_factor` f (docs/backtest.md).

What does not belong here: positions, money (`books.py`); what may be traded (`rules/`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from lim_pipelines.backtest.actions import Ex, ex_events
from lim_pipelines.backtest.costs import DAYS_PER_YEAR
from lim_pipelines.backtest.currencies import exchange_rates
from lim_pipelines.backtest.facts import Facts
from lim_pipelines.backtest.fills import fill_prices, volumes
from lim_pipelines.backtest.grid import Floats, Grid, Indices
from lim_pipelines.backtest.listed import last_sessions
from lim_pipelines.backtest.rolls import Roll, roll_events
from lim_pipelines.backtest.rules.table import RuleTable
from lim_pipelines.strategies.execution import Execution

PAID = ("equity", "crypto")
"""Asset classes that are bought with cash; of all others only gains and losses are paid."""


@dataclass(frozen=True)
class Market:
    """Prices, gains and events of T sessions and n instruments.

    Parameters
    ----------
    dates
        Sessions, shape (T,).
    years
        Calendar days since the session before over 365, by session; 0 for the first.
    terms
        As from `instruments.terms`, n rows.
    paid
        Whether it is bought with cash, shape (n,).
    before, fill
        Previous mark, adjusted for what went ex since, and price at which orders are filled, instrument's
        currency, shape (T, n). NaN: there is none.
    price
        Base currency for a unit at the fill price, shape (T, n); NaN where nothing can be traded.
    unit
        The same at the session's last mark; 0 before there is one.
    opening
        The same at the fill price, or where there is none at the mark that is carried; 0 before there is one.
    to_fill
        Gain of a unit from the last mark to `opening`, base currency, shape (T, n).
    steady
        Whether that is the change of `unit`, shape (T,): nothing goes ex, no exchange rate moves. It hangs on
        no later session: one gain added up in two ways differs in the last bit.
    to_close
        Gain from there to the close; None where orders are filled at the close.
    complete
        Whether all instruments can be traded, shape (T,).
    point
        Base currency for one point of price of one unit, shape (T, n).
    volume
        Units traded, shape (T, n), 0 where unknown; None where no limit asks for it.
    ex, rolls, ends
        Session to what happens before trading: corporate actions; rolls of futures; columns of instruments
        whose listing ended.
    stale
        Instruments whose bars stop before the last session although their listing does not end.
    """

    dates: pl.Series
    years: list[float]
    terms: pl.DataFrame
    paid: npt.NDArray[np.bool_]
    before: Floats
    fill: Floats
    price: Floats
    unit: Floats
    opening: Floats
    to_fill: Floats
    steady: npt.NDArray[np.bool_]
    to_close: Floats | None
    complete: npt.NDArray[np.bool_]
    point: Floats
    volume: Floats | None
    ex: dict[int, Ex]
    rolls: dict[int, Roll]
    ends: dict[int, Indices]
    stale: tuple[str, ...]


def build_market(
    grid: Grid, what: pl.DataFrame, execution: Execution, facts: Facts, rules: RuleTable | None
) -> Market:
    """Make a market of bars and facts.

    Parameters
    ----------
    grid
        Bars by session.
    what
        As from `instruments.terms`.
    execution
        Which price fills, and which rules hold.
    facts
        Corporate actions and exchange rates.
    rules
        Dated rules of the sessions from `grid.start` on; None where none hold.

    Raises
    ------
    BacktestError
        An exchange rate is missing, or volumes where `participation` needs them.
    """
    classes = grid.bars.group_by("column").agg(pl.col("asset_class").last()).sort("column")
    paid = classes["asset_class"].is_in(PAID).to_numpy()
    close = grid.scatter(pl.when(pl.col("close") > 0).then("close"))
    factor = _factors(grid)
    mark, before = _carried(close, factor)
    point = what["multiplier"].to_numpy() * exchange_rates(grid, what, execution.currency, facts.rates)
    volume = volumes(grid, execution)
    fill = fill_prices(grid, close, volume, execution)
    ex = ex_events(grid, before, factor, paid, point, facts.actions, rules)

    complete = np.asarray(np.isfinite(fill).all(axis=1))
    # What a paid position was worth was paid at yesterday's rate; a margined one's change is paid at today's.
    old_point = np.where(paid, np.roll(point, 1, axis=0), point)
    unit = np.nan_to_num(mark) * point
    opening = np.nan_to_num(np.where(np.isfinite(fill), fill, before)) * point
    to_fill = np.where(np.isfinite(before), opening - before * old_point, 0.0)
    for t, event in ex.items():
        to_fill[t, event.columns] += event.extra
    to_close = np.where(opening > 0, unit - opening, 0.0)
    at_close, price = not to_close.any(), fill * point
    if at_close:  # the same numbers need not be read twice
        opening, price = unit, unit if complete.all() else price
    steady = ~(to_close.any(axis=1) | (factor != 1.0).any(axis=1))
    steady[1:] &= (point[1:] == point[:-1]).all(axis=1)
    ends, stale = last_sessions(grid, what)
    kept = slice(grid.start, None)
    days = np.diff(grid.dates.cast(pl.Int32).to_numpy()[kept].astype(np.float64))
    return Market(
        dates=grid.dates[grid.start :],
        years=[0.0, *(days / DAYS_PER_YEAR).tolist()],
        terms=what,
        paid=paid,
        before=before[kept],
        fill=fill[kept],
        price=price[kept],
        unit=unit[kept],
        opening=opening[kept],
        to_fill=to_fill[kept],
        steady=steady[kept],
        to_close=None if at_close else to_close[kept],
        complete=complete[kept],
        point=point[kept],
        volume=None if volume is None else np.nan_to_num(volume[kept]),
        ex=_since(ex, grid.start),
        rolls=_since(roll_events(grid, before, factor, paid), grid.start),
        ends=_since(ends, grid.start),
        stale=stale,
    )


_Event = TypeVar("_Event")


def _since(events: dict[int, _Event], start: int) -> dict[int, _Event]:
    return {t - start: event for t, event in events.items() if t >= start}


def _factors(grid: Grid) -> Floats:
    """Lay out what went ex by session, shape (T0, n); several bars of one session are multiplied."""
    out = np.ones((len(grid.dates), grid.instruments.height))
    ex = grid.bars.filter(pl.col("ex_factor") != 1.0)
    ex = ex.group_by("row", "column").agg(pl.col("ex_factor").product())
    out[ex["row"].to_numpy(), ex["column"].to_numpy()] = ex["ex_factor"].to_numpy()
    return out


def _carried(close: Floats, factor: Floats) -> tuple[Floats, Floats]:
    """Carry marks after each session's close, and the marks before it, adjusted for what went ex."""
    mark, before = close.copy(), np.full_like(close, np.nan)
    for t in range(1, len(close)):
        before[t] = mark[t - 1] * factor[t]
        np.copyto(mark[t], before[t], where=np.isnan(mark[t]))
    return mark, before
