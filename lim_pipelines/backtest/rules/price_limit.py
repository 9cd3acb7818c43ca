"""Nobody buys at the upper limit of a session's prices, nobody sells at the lower one.

What does not belong here: halts, which have no price (`fills.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lim_pipelines.backtest.grid import Flags, Floats, Indices
from lim_pipelines.backtest.market import Market
from lim_pipelines.backtest.rules.order import Order
from lim_pipelines.backtest.rules.table import RuleRow, RuleTable

_NEAR = 1e-9


@dataclass(frozen=True)
class Locked:
    """Prices at a limit on one session, one entry an instrument.

    Parameters
    ----------
    columns
        Of the instruments.
    no_sellers, no_buyers
        Whether the price stands at the upper limit, at the lower one.
    """

    columns: Indices
    no_sellers: Flags
    no_buyers: Flags


@dataclass(frozen=True)
class PriceLimit:
    """Orders wait where the fill price stands at its limit; sessions without such a price are left out."""

    locked: dict[int, Locked]

    @classmethod
    def of(cls, rules: RuleTable, market: Market) -> PriceLimit:
        """Find the prices at limits: no decision moves them, so they are found once for all books."""
        found = (
            (t, _locked(rules.at(t), market.before[t], market.fill[t])) for t in range(len(market.dates))
        )
        return cls({t: locked for t, locked in found if locked is not None})

    def __call__(self, order: Order) -> None:
        """Cut trades that meet nobody."""
        at = self.locked.get(order.t)
        if at is None:
            return
        trade = order.trade[:, at.columns]
        locked = np.zeros(order.due.shape, dtype=bool)
        locked[:, at.columns] = (at.no_sellers & (trade > 0)) | (at.no_buyers & (trade < 0))
        np.copyto(order.trade, 0.0, where=locked)
        order.wait(locked)
        order.cut(locked, "price_limit")


def _locked(rules: RuleRow, before: Floats, fill: Floats) -> Locked | None:
    # Rounding moves a limit by half a tick at most. In an instrument's first session there is no price
    # before, and comparisons with NaN are false.
    near = np.flatnonzero(np.abs(fill - before) >= before * (rules.price_limit - _NEAR) - rules.tick)
    before, fill, tick, limit = before[near], fill[near], rules.tick[near], rules.price_limit[near]
    up, down = _to_tick(before * (1.0 + limit), tick), _to_tick(before * (1.0 - limit), tick)
    no_buyers, no_sellers = fill <= down * (1.0 + _NEAR), fill >= up * (1.0 - _NEAR)
    return Locked(near, no_sellers, no_buyers) if (no_buyers | no_sellers).any() else None


def _to_tick(price: Floats, tick: Floats) -> Floats:
    """Round to the nearest tick, halves up; 0 is no tick."""
    size = np.where(tick > 0, tick, 1.0)
    return np.where(tick > 0, np.floor(price / size + 0.5 + _NEAR) * size, price)
