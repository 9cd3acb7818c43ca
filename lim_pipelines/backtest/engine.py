"""From target weights to daily results: one engine for every strategy.

The loop goes through the sessions once, all books beside each other: overnight, orders, rules, costs, close
(docs/backtest.md says what happens in which order). What a strategy leaves out costs nothing: rules and
charges are put together before the loop starts, and a session without orders is two products.

What does not belong here: forecasts and models (the engine knows only targets), the steps themselves
(`rules/`, `overnight.py`, `impact.py`, ...), metrics (`metrics.py`).
"""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from lim_pipelines.backtest.books import Books
from lim_pipelines.backtest.costs import Trades
from lim_pipelines.backtest.daily import Journal, Totals
from lim_pipelines.backtest.facts import Facts
from lim_pipelines.backtest.grid import Floats, build_grid
from lim_pipelines.backtest.market import Market
from lim_pipelines.backtest.orders import Orders, Schedule, books_of, place
from lim_pipelines.backtest.overnight import go_ex, pay_out, roll_costs
from lim_pipelines.backtest.plan import Plan, make_plan
from lim_pipelines.backtest.recorder import Recorder
from lim_pipelines.backtest.result import Result, result
from lim_pipelines.backtest.rules.order import Codes, Order
from lim_pipelines.finetune.costs import Costs
from lim_pipelines.strategies.execution import Execution

AS_EXCHANGES_SAY = Costs()
"""Costs of a strategy that names none of its own."""

AS_USUAL = Execution()
"""Execution of a strategy that says nothing about it."""

NO_FACTS = Facts()
"""Instruments that are what their exchange and their bars say, in one currency."""

BLOCK = 1 << 16
"""Entries (books times instruments) that are stepped together: as many as stay in a core's cache."""


def run(
    targets: pl.DataFrame,
    bars: pl.DataFrame,
    through: date | None = None,
    costs: Costs = AS_EXCHANGES_SAY,
    execution: Execution = AS_USUAL,
    facts: Facts = NO_FACTS,
    record: bool = True,
) -> Result:
    """Run all books (arms and seeds) of one strategy over all its cutoffs.

    Parameters
    ----------
    targets
        Rows of `TARGETS` of one strategy, any number of cutoffs.
    bars
        Bars as in `VALIDATED_BARS` or `CONTINUOUS_FUTURES`, one revision a bar; only freq 1d is used.
    through
        Last session; None is the last bar.
    costs
        What the strategy says of its costs.
    execution
        How orders are filled, with how much money, under which rules.
    facts
        What the instruments are: currency, multiplier, lots, corporate actions.
    record
        Whether positions, profits and trades are kept; they are many where books are.

    Returns
    -------
    Result
        From the first session after the first decision on. Sessions on which no instrument of the strategy
        has a close are left out.

    Raises
    ------
    BacktestError
        There are no targets, they are of several strategies, an instrument has no bars, an exchange rate or a
        volume is missing, or a fill would come before its decision.
    """
    grid = build_grid(targets, bars, through)
    plan, market = make_plan(grid, costs, execution, facts)
    orders = place(targets, grid, execution).without(market.ends)
    books = books_of(targets)
    width = max(1, BLOCK // grid.instruments.height)
    totals, recorders = [], []
    for first in range(0, books.height, width):
        end = min(first + width, books.height)
        recorder = Recorder(first, market, plan.rates) if record else None
        own = orders if end - first == books.height else orders.of_books(first, end)
        totals.append(simulate(market, own, end - first, plan, recorder))
        recorders.append(recorder)
    return result(targets["strategy"][0], books, market, Totals.beside(totals), recorders, execution.capital)


def simulate(
    market: Market, orders: Orders, count: int, plan: Plan, recorder: Recorder | None = None
) -> Totals:
    """Step books through all sessions.

    Parameters
    ----------
    market
        Prices and events of T sessions and n instruments.
    orders
        What becomes due.
    count
        Books B.
    plan
        Costs, rules, charges and interest.
    recorder
        Where positions, profits and trades go; None leaves them out.

    Returns
    -------
    Totals
        Money by session and book.
    """
    shape = (count, market.unit.shape[1])
    books, schedule = Books(*shape, plan.capital), Schedule(orders, len(market.dates), shape)
    journal = Journal(count)
    short_fee = books.money(np.zeros(count))
    for t in range(len(market.dates)):
        journal.before.append(books.equity)
        gain, profit = _overnight(t, market, books, plan, journal, short_fee, recorder)
        whole = schedule.deliver(t, books)
        if books.broke():
            books.close_the_broke()
            whole = False
        journal.sized.append(books.equity)
        value = None
        if books.orders is not None or (plan.maintenance is not None and books.called.any()):
            value = _trade(t, market, books, plan, journal, recorder, whole and market.complete[t])
        if market.to_close is not None:
            later = books.net(market.to_close[t])
            gain, books.equity = gain + later, books.equity + later
            if profit is not None:
                profit = profit + books.quantity * market.to_close[t]
            value = None
        journal.gain.append(gain)
        net, gross = books.value(market.unit[t]) if value is None else value
        short_fee = _mark(t, net, gross, market, books, plan, journal)
        if recorder is not None and profit is not None:
            recorder.earned(t, profit)
            recorder.held(t, books.quantity * market.unit[t], np.reshape(books.equity, -1))
    return journal.totals(plan.rates)


def _overnight(
    t: int,
    market: Market,
    books: Books,
    plan: Plan,
    journal: Journal,
    short_fee: Floats,
    recorder: Recorder | None,
) -> tuple[Floats, Floats | None]:
    """Do all before trading; returns gains, (B,), and where they are recorded those by instrument, (B, n)."""
    paid = short_fee * market.years[t]
    journal.borrow.append(paid)
    if plan.interest is not None and t:
        interest = plan.interest.paid(books, t)
        journal.add("financing", t, interest)
        paid = paid + interest
    lieu = go_ex(books, market.ex[t]) if t in market.ex else None
    if t in market.rolls:
        roll = market.rolls[t]
        commission, spread = roll_costs(books, roll, t, market, plan.rates)
        journal.add("commission", t, commission)
        journal.add("spread", t, spread)
        paid = paid + commission + spread
        if recorder is not None:
            recorder.rolled(t, roll.columns, books.quantity_of(roll.columns), roll.ratio)
    gain, profit = _marked_up(t, market, books, recorder is not None)
    books.equity = books.equity + (gain - paid)
    if lieu is not None:
        gain = gain + books.money(lieu.sum(axis=1))
        if profit is not None:
            profit[:, market.ex[t].columns] += lieu
    if t in market.ends:
        columns = market.ends[t]
        if recorder is not None:
            recorder.paid_out(t, columns, books.quantity_of(columns), plan.haircut)
        lost = pay_out(books, columns, t, market, plan.haircut)
        gain = gain + books.money(lost.sum(axis=1))
        if profit is not None:
            profit[:, columns] += lost
    return gain, profit


def _marked_up(t: int, market: Market, books: Books, each: bool) -> tuple[Floats, Floats | None]:
    """Gain from the last close to the fill prices, shape (B,); of each instrument, too, where asked."""
    held = books.quantity
    if t == 0 or not market.steady[t]:
        step = market.to_fill[t]
        return books.net(step), held * step if each else None
    gain = books.net(market.unit[t]) - books.worth
    return gain, held * (market.unit[t] - market.unit[t - 1]) if each else None


def _trade(
    t: int,
    market: Market,
    books: Books,
    plan: Plan,
    journal: Journal,
    recorder: Recorder | None,
    whole: bool,
) -> tuple[Floats, Floats]:
    """Size what is open, cut it by the rules, pay for it.

    `whole`: all is due, and can be traded. Returns the value held at the fill prices, long less short and
    without signs.
    """
    wanted, trade, reason = books.wanted, books.trade, None
    books.size_orders(market.price[t])
    due = None if whole and not plan.rules else np.isfinite(wanted)
    if due is not None and not whole:
        np.copyto(wanted, books.quantity, where=~due)
    np.subtract(wanted, books.quantity, trade)
    if plan.rules and due is not None:
        order = Order.new(t, books, market, due, explained=recorder is not None)
        for rule in plan.rules:
            rule(order)
        reason, due = order.reason, order.done
        np.add(books.quantity, trade, wanted)
    books.done(due)
    net, traded, gross = books.trade_done(market.opening[t])
    paid = _charge(t, trade, traded, books, market, plan, journal, recorder, reason)
    books.equity = books.equity - paid
    return net, gross


def _charge(
    t: int,
    trade: Floats,
    traded: Floats,
    books: Books,
    market: Market,
    plan: Plan,
    journal: Journal,
    recorder: Recorder | None,
    reason: Codes | None,
) -> Floats:
    """Add up what trades cost, shape (B,): units, negative for sales, shape (B, n), value, shape (B,)."""
    rates, price, size = plan.rates, market.opening[t], books.traded
    journal.add("traded", t, traded)
    paid = rates.trade.on(size, price, traded)
    if not rates.same:
        journal.add("commission", t, rates.commission.on(size, price, traded))
        journal.add("spread", t, rates.spread.on(size, price, traded))
    if recorder is None and not plan.charges:
        return paid
    value = size * price
    moved = 0.0 if plan.impact is None else plan.impact.rate(t, value)
    trades = Trades(t, trade, size, price, value, moved)
    charged: dict[str, list[Floats]] = {}
    for charge in plan.charges:
        money = charge(trades)
        charged.setdefault(charge.part, []).append(money)
        total = books.money(np.add.reduce(money, 1))
        journal.add(charge.part, t, total)
        paid = paid + total
    if recorder is not None:
        recorder.traded(t, trade, value, charged, reason)
    return paid


def _mark(
    t: int, net: Floats, gross: Floats, market: Market, books: Books, plan: Plan, journal: Journal
) -> Floats:
    """Note what is held after the close; returns the fee for shorts, a year, shape (B,)."""
    journal.gross.append(gross)
    journal.net.append(net)
    books.worth = net
    if plan.maintenance is not None:
        books.called = books.equity < plan.maintenance * gross
    # Half of size less quantity is what is short, and exactly nothing where nothing is.
    borrow = plan.rates.borrow
    if borrow.same is not None:
        return (gross - net) * (borrow.same / 2.0)
    return borrow.on(books.size - books.quantity, market.unit[t], gross) / 2.0
