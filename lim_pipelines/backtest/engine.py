r"""From target weights to daily results: one engine for every strategy.

A target decided at session d is filled at the instrument's next close, and earns from there on. Between
decisions positions drift with prices; a trade is the difference to the drifted position, and that is what is
paid for. An instrument without a row in a decision keeps its position; one without a close on a session
keeps its value, and an order for it waits. Splits and dividends are in the returns (`ex_factor`).

In the books of value V (per instrument) and cash C, with E = C + sum V, at each close:

.. math::
    V \leftarrow V (1 + r), \quad C \leftarrow C - \text{borrow}, \quad
    \Delta = w E - V,\\
    V \leftarrow V + \Delta, \quad C \leftarrow C - \textstyle\sum \Delta - \kappa |\Delta|

Sizing uses the equity before the trade's own cost. Cash earns nothing, which costs a net-zero book its
interest and spares a levered one its financing. A book whose equity falls to zero is closed, and stays
closed.

What does not belong here: forecasts and models (the engine knows only targets), metrics (`metrics.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from lim_pipelines.backtest.costs import DAYS_PER_YEAR, cost_rates
from lim_pipelines.backtest.panel import Floats, Panel, build_panel
from lim_pipelines.finetune.costs import Costs
from lim_pipelines.schemas import BACKTEST_DAILY

AS_EXCHANGES_SAY = Costs()
"""Costs of a strategy that names none of its own."""


@dataclass(frozen=True)
class Result:
    """What a backtest gives.

    Parameters
    ----------
    daily
        Rows of `BACKTEST_DAILY`: returns are fractions of the equity at the previous close, turnover of
        the equity it is traded with, exposures those held over the session.
    positions
        Columns arm, seed, date, instrument_id, weight: held after that close, zero weights left out.
    pnl
        Columns arm, seed, date, instrument_id, pnl (before costs, initial equity 1), zeros left out.
    """

    daily: pl.DataFrame
    positions: pl.DataFrame
    pnl: pl.DataFrame


def run(
    targets: pl.DataFrame, bars: pl.DataFrame, through: date | None = None, costs: Costs = AS_EXCHANGES_SAY
) -> Result:
    """Run all books (arms and seeds) of one strategy over all its cutoffs.

    Parameters
    ----------
    targets
        Rows of `TARGETS` of one strategy, any number of cutoffs.
    bars
        Bars as in `VALIDATED_BARS`, one revision a bar; only freq 1d is used.
    through
        Last session; None is the last bar.
    costs
        What the strategy says of its costs.

    Returns
    -------
    Result
        From the first session after the first decision on. Sessions on which no instrument of the strategy
        has a close are left out.

    Raises
    ------
    BacktestError
        There are no targets, they are of several strategies, or an instrument has no bars.
    """
    panel = build_panel(targets, bars, through)
    n, count = panel.instruments.height, panel.books.height
    rates = cost_rates(panel.instruments["exchange"].to_list(), costs)
    value, cash = np.zeros((count, n)), np.ones(count)
    pending = np.full((count, n), np.nan)
    equity, closed = np.ones(count), np.zeros(count, dtype=bool)
    shape = (len(panel.dates), count)
    out = {name: np.zeros(shape) for name in ("gross", "cost", "turnover", "gross_exposure", "net_exposure")}
    weights, pnls = np.zeros((*shape, n)), np.zeros((*shape, n))
    for t in range(len(panel.dates)):
        before = np.where(equity > 0, equity, 1.0)  # a closed book divides zeros
        out["gross_exposure"][t] = np.abs(value).sum(axis=1) / before
        out["net_exposure"][t] = value.sum(axis=1) / before
        borrow = (np.maximum(-value, 0.0) @ rates.borrow) * (panel.days[t] / DAYS_PER_YEAR)
        pnls[t] = value * (panel.ratio[t] - 1.0)
        value = value + pnls[t]
        cash = cash - borrow
        equity = cash + value.sum(axis=1)

        if t in panel.orders:
            orders = panel.orders[t]
            pending[orders.book, orders.instrument] = orders.weight
        closed |= equity <= 0
        pending[closed] = 0.0
        due = np.isfinite(pending) & panel.traded[t]
        trade = np.where(due, np.where(due, pending, 0.0) * np.maximum(equity, 0.0)[:, None] - value, 0.0)
        pending[due] = np.nan
        fee = np.abs(trade) @ rates.trade
        out["turnover"][t] = np.abs(trade).sum(axis=1) / np.where(equity > 0, equity, 1.0)
        value = value + trade
        cash = cash - trade.sum(axis=1) - fee
        equity = cash + value.sum(axis=1)
        out["gross"][t] = pnls[t].sum(axis=1) / before
        out["cost"][t] = (borrow + fee) / before
        weights[t] = value / np.where(equity > 0, equity, 1.0)[:, None]
    return _result(targets["strategy"][0], panel, out, weights, pnls)


def _result(strategy: str, panel: Panel, out: dict[str, Floats], weights: Floats, pnls: Floats) -> Result:
    grid = (
        pl.DataFrame({"date": panel.dates})
        .with_row_index("t")
        .join(panel.books.with_row_index("book"), how="cross")
    )
    daily = grid.with_columns(
        strategy=pl.lit(strategy),
        gross_return=out["gross"].ravel(),
        cost=out["cost"].ravel(),
        net_return=(out["gross"] - out["cost"]).ravel(),
        turnover=out["turnover"].ravel(),
        gross_exposure=out["gross_exposure"].ravel(),
        net_exposure=out["net_exposure"].ravel(),
    )
    return Result(BACKTEST_DAILY.conform(daily), _long(panel, weights, "weight"), _long(panel, pnls, "pnl"))


def _long(panel: Panel, values: Floats, name: str) -> pl.DataFrame:
    """Non-zero entries of (T, B, n) as rows."""
    t, book, instrument = np.nonzero(values)
    return pl.DataFrame(
        {
            "arm": panel.books["arm"].gather(book),
            "seed": panel.books["seed"].gather(book),
            "date": panel.dates.gather(t),
            "instrument_id": panel.instruments["instrument_id"].gather(instrument),
            name: values[t, book, instrument],
        }
    )
