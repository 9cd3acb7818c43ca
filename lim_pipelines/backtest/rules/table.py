"""Exchanges' dated rules as arrays over instruments.

What does not belong here: the rules themselves (`exchanges/rules.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from lim_pipelines.backtest.grid import Flags, Floats
from lim_pipelines.exchanges import Rules, get_exchange
from lim_pipelines.exchanges.rules import rules_on
from lim_pipelines.finetune.costs import BASIS_POINT


@dataclass(frozen=True)
class RuleRow:
    """Rules of n instruments on one session; shapes (n,).

    Parameters
    ----------
    lot, tick
        Units and instrument's currency; 0 is none.
    step
        The lot, as one number where it is that of all.
    ticked, any_tick
        Whether there is a tick, as 1 and 0; the tick, 1 where there is none.
    price_limit
        Largest move, as a fraction; infinite where there is none.
    purchase_tax, sale_tax
        Fractions of the value.
    taxes_purchases
        Whether any purchase is taxed.
    no_short, uptick
        Whether short sales are never possible, or not at a falling price.
    bans
        Whether any of them is so anywhere.
    """

    lot: Floats
    tick: Floats
    step: Floats | float
    ticked: Floats
    any_tick: Floats
    price_limit: Floats
    purchase_tax: Floats
    sale_tax: Floats
    taxes_purchases: bool
    no_short: Flags
    uptick: Flags
    bans: bool


class RuleTable:
    """Rules by session.

    Parameters
    ----------
    dates
        Sessions, shape (T,).
    terms
        Columns exchange, lot_size, tick_size of n instruments: what holds where the exchange says nothing.
    """

    def __init__(self, dates: pl.Series, terms: pl.DataFrame) -> None:
        mics = terms["exchange"].unique().to_list()
        self._terms = terms
        self.rows: list[RuleRow] = []
        self._row_of: list[int] = []
        held: tuple[Rules, ...] = ()
        for day in dates:
            rules = tuple(rules_on(get_exchange(mic).rules, day) for mic in mics)
            if rules != held:
                held = rules
                self.rows.append(self._row(dict(zip(mics, rules, strict=True))))
            self._row_of.append(len(self.rows) - 1)

    def at(self, t: int) -> RuleRow:
        """Rules of session t."""
        return self.rows[self._row_of[t]]

    def _row(self, rules: dict[str, Rules]) -> RuleRow:
        own = [rules[mic] for mic in self._terms["exchange"]]
        short = [rule.short_sale for rule in own]
        limit = [np.inf if rule.price_limit is None else rule.price_limit for rule in own]
        tick = _first([rule.tick_size for rule in own], self._terms["tick_size"])
        lot = _first([rule.lot_size for rule in own], self._terms["lot_size"])
        return RuleRow(
            lot=lot,
            step=float(lot[0]) if np.ptp(lot) == 0 else lot,
            tick=tick,
            ticked=np.where(tick > 0, 1.0, 0.0),
            any_tick=np.where(tick > 0, tick, 1.0),
            price_limit=np.array(limit, dtype=np.float64),
            purchase_tax=np.array([rule.purchase_tax_bps for rule in own]) * BASIS_POINT,
            taxes_purchases=any(rule.purchase_tax_bps for rule in own),
            sale_tax=np.array([rule.sale_tax_bps for rule in own]) * BASIS_POINT,
            no_short=np.array([rule == "none" for rule in short]),
            uptick=np.array([rule == "uptick" for rule in short]),
            bans=bool({"none", "uptick"} & set(short)),
        )


def _first(rules: list[float | None], own: pl.Series) -> Floats:
    """Take the exchange's number, or else the instrument's own, or else 0."""
    return pl.Series(rules, dtype=pl.Float64).fill_null(own).fill_null(0.0).to_numpy()
