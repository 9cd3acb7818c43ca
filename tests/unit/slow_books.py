"""A second engine: docs/backtest.md word by word, one book, one day, one instrument at a time, in decimals.

It shares no code with `lim_pipelines/backtest/`. It is made to be read beside the page, and is slow.

What does not belong here: what it is told (`slow_world.py`), limits and costs of a trade (`slow_limits.py`,
`slow_costs.py`).
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal, getcontext

import slow_limits
from slow_costs import trading_costs
from slow_limits import Allowed, Market, rounded
from slow_records import Day, Trade
from slow_world import ONE, ZERO, SlowBar, SlowWorld, exact

getcontext().prec = 34

YEAR = Decimal(365)
CONFIRMED = Decimal("0.001")


class SlowBook:
    """One book on a world. `run` gives its days and fills `trades`."""

    def __init__(self, world: SlowWorld) -> None:
        self.world = world
        self.cash = world.terms.capital
        self.quantity = dict.fromkeys(world.instruments, ZERO)
        self.mark: dict[str, Decimal] = {}
        self.worth = dict.fromkeys(world.instruments, ZERO)  # of paid positions, when last marked
        self.orders: dict[str, Decimal] = {}
        self.trades: list[Trade] = []
        self.closed = self.called = False

    def run(self) -> list[Day]:
        """Go through all sessions, oldest first."""
        days, due = self.world.sessions(), self.world.due()
        yesterday = max(day for day in [date.min, *self._days_before(days[0])])
        self._first_marks(days[0])
        done: list[Day] = []
        for today in days:
            record = self._begin(today, yesterday)
            if done:
                self._borrow(record, yesterday)
                self._interest(record, yesterday)
            for name in self.world.instruments:
                self._action(record, name, yesterday)
            self.orders |= due.get(today, {})
            self._trade(record)
            self._close(record)
            done.append(record)
            yesterday = today
        return done

    def _days_before(self, first: date) -> list[date]:
        return [day for thing in self.world.instruments.values() for day in thing.bars if day < first]

    def _first_marks(self, first: date) -> None:
        """Marks before anything is held: the reference of price limits and falling prices."""
        for name, thing in self.world.instruments.items():
            for day in sorted(day for day in thing.bars if day < first):
                self._adjust(name, thing.bars[day].ex_factor)
                self.mark[name] = thing.bars[day].price("close") or self.mark.get(name, ZERO)
            if not self.mark.get(name):
                self.mark.pop(name, None)

    def _adjust(self, name: str, factor: Decimal) -> None:
        if name in self.mark:
            self.mark[name] *= factor

    # What things are worth.

    def _unit(self, name: str, day: date) -> Decimal:
        """Money of the base currency for one point of price."""
        thing = self.world.instruments[name]
        return thing.multiplier * self.world.rate(thing.currency, day)

    def _value(self, name: str, day: date) -> Decimal:
        if not self.quantity[name]:
            return ZERO
        return self.quantity[name] * self.mark[name] * self._unit(name, day)

    def _equity(self) -> Decimal:
        return self.cash + sum(self.worth.values(), ZERO)

    def _remark(self, record: Day, name: str, price: Decimal) -> None:
        """Take a new price at today's rate: a paid position is worth more, a margined one brings cash."""
        unit = self._unit(name, record.day)
        if self.world.instruments[name].paid:
            worth = self.quantity[name] * price * unit
            gain = worth - self.worth[name]
            self.worth[name] = worth
        else:
            gain = self.quantity[name] * (price - self.mark.get(name, price)) * unit
            self.cash += gain
        self.mark[name] = price
        record.gains[name] += gain

    def _pay(self, record: Day, part: str, money: Decimal) -> None:
        self.cash -= money
        record.parts[part] += money

    # Step 1: overnight.

    def _begin(self, today: date, yesterday: date) -> Day:
        equity = self._equity()
        before = equity if equity > 0 else self.world.terms.capital
        values = [self._value(name, yesterday) for name in self.quantity]
        gross, net = sum(map(abs, values), ZERO) / before, sum(values, ZERO) / before
        return Day(today, before, gross, net, dict.fromkeys(self.quantity, ZERO))

    def _borrow(self, record: Day, yesterday: date) -> None:
        days = Decimal((record.day - yesterday).days)
        for name, thing in self.world.instruments.items():
            short = max(ZERO, -self._value(name, yesterday))
            rate = thing.borrow * self.world.terms.multiplier
            record.parts["borrow"] += short * rate * days / YEAR

    def _interest(self, record: Day, yesterday: date) -> None:
        """Interest on the cash of the last close; then the borrow fee leaves cash as well."""
        days, terms = Decimal((record.day - yesterday).days), self.world.terms
        rate = terms.cash_rate if self.cash > 0 else terms.cash_rate + terms.financing_spread
        if not (self.closed and not any(self.quantity.values())):
            self._pay(record, "financing", -self.cash * rate * days / YEAR)
        self.cash -= record.parts["borrow"]

    def _action(self, record: Day, name: str, yesterday: date) -> None:
        """What goes ex, rolls or ends before trading."""
        thing, bar = self.world.instruments[name], self.world.instruments[name].bars.get(record.day)
        if bar is not None and not thing.paid and name in self.mark:
            self._roll(record, name, bar, yesterday)
        if bar is not None and bar.ex_factor != 1 and thing.paid and name in self.mark:
            self._ex(record, name, bar)
        if thing.ends is not None and record.day > thing.ends and not any(d > thing.ends for d in thing.bars):
            self._delist(record, name)
        if name in self.mark:
            self._remark(record, name, self.mark[name])

    def _ex(self, record: Day, name: str, bar: SlowBar) -> None:
        thing, held, close = self.world.instruments[name], self.quantity[name], self.mark[name]
        split, dividend = thing.splits.get(record.day, ONE), thing.dividends.get(record.day, ZERO)
        told = record.day in thing.splits or record.day in thing.dividends
        self.mark[name] = close * bar.ex_factor
        if not (told and abs(split * (1 - dividend / close) / bar.ex_factor - 1) <= CONFIRMED):
            self.quantity[name] = held / bar.ex_factor
            return
        unit = self._unit(name, record.day)
        lot = self.world.lot(name, record.day)
        whole = rounded(held / split, None if lot is None else min(lot, ONE))
        paid = (held * dividend + (held / split - whole) * self.mark[name]) * unit
        self.quantity[name] = whole
        self.cash += paid
        record.gains[name] += paid

    def _roll(self, record: Day, name: str, bar: SlowBar, yesterday: date) -> None:
        thing, held, old = self.world.instruments[name], self.quantity[name], self.mark[name]
        earlier = [b.contract for d, b in sorted(thing.bars.items()) if d < record.day and b.contract]
        changed = bar.contract != earlier[-1] if bar.contract and earlier else bar.ex_factor != 1
        self.mark[name] = old * bar.ex_factor
        if not (changed and held):
            return
        unit, times = self._unit(name, yesterday), self.world.terms.multiplier
        for quantity, price in ((-held, old), (held, self.mark[name])):
            value = abs(quantity) * price * unit * times
            cost = {"commission": value * thing.commission, "spread": value * thing.half_spread}
            for part, money in cost.items():
                self._pay(record, part, money)
            self.trades.append(Trade(record.day, name, quantity, price, cost, "roll"))

    def _delist(self, record: Day, name: str) -> None:
        thing = self.world.instruments[name]
        self.orders.pop(name, None)
        if not self.quantity[name]:
            return
        last = self.mark[name] * (ONE - thing.haircut if thing.paid else ONE)
        self._remark(record, name, last)
        self.cash += self.worth[name]
        self.trades.append(Trade(record.day, name, -self.quantity[name], last, {}, "delisting"))
        self.quantity[name] = self.worth[name] = ZERO

    # Steps 2 and 3: what is due, and what of it may be traded.

    def _trade(self, record: Day) -> None:
        markets = {name: market for name in self.quantity if (market := self._market(record.day, name))}
        for name, market in markets.items():
            self._remark(record, name, market.fill)
        equity = self._equity()
        self.closed |= equity <= 0
        record.sized_with = equity if equity > 0 else self.world.terms.capital
        if self.called and not self.closed:
            chosen = self._call(record.day, markets, equity)
        else:
            if self.closed:
                self.orders = {name: ZERO for name in self.quantity if self.quantity[name]}
            chosen = self._orders(record.day, markets, equity)
        for name, allowed in chosen.items():
            if allowed.quantity:
                self._fill(record, name, allowed, markets[name].fill)

    def _market(self, day: date, name: str) -> Market | None:
        """None where nothing can be traded."""
        thing, terms = self.world.instruments[name], self.world.terms
        bar = thing.bars.get(day)
        fill = bar.price(terms.fill) if bar is not None and bar.price("close") is not None else None
        if bar is None or fill is None:
            return None
        if terms.exchange_rules and bar.volume == 0 and not bar.quoted:
            return None
        most = None
        if terms.participation is not None:
            if bar.volume is None:
                return None
            most = terms.participation * bar.volume
        before = self.mark.get(name)
        if not terms.exchange_rules:
            return Market(fill, before, most=most)
        rules = self.world.rules_of(name, day)
        lot, tick, limit = self.world.lot(name, day), self.world.tick(name, day), exact(rules.price_limit)
        return Market(fill, before, lot, tick, limit, rules.short_sale, most)

    def _orders(self, day: date, markets: dict[str, Market], equity: Decimal) -> dict[str, Allowed]:
        chosen = {}
        for name in [name for name in self.orders if name in markets]:
            wanted = self.orders[name] * max(equity, ZERO) / (markets[name].fill * self._unit(name, day))
            chosen[name] = slow_limits.order(self.quantity[name], wanted, markets[name])
            if not chosen[name].waits:
                del self.orders[name]
        if self.world.terms.initial_margin is None:
            return chosen
        most = max(equity, ZERO) / self.world.terms.initial_margin
        unit_value = {
            name: self.mark[name] * self._unit(name, day) if name in self.mark else ZERO
            for name in self.quantity
        }
        lots = {name: market.lot for name, market in markets.items()}
        trades = {name: allowed.quantity for name, allowed in chosen.items()}
        cut = slow_limits.fit_margin(self.quantity, trades, unit_value, most, lots)
        return chosen | {name: Allowed(quantity, "margin") for name, quantity in cut.items()}

    def _call(self, day: date, markets: dict[str, Market], equity: Decimal) -> dict[str, Allowed]:
        initial = self.world.terms.initial_margin
        assert initial is not None
        gross = sum((abs(self._value(name, day)) for name in self.quantity), ZERO)
        chosen = {}
        for name, market in markets.items():
            if equity < initial * gross and self.quantity[name]:
                keep = equity / (initial * gross)
                stays = rounded(self.quantity[name] * keep, market.lot)
                chosen[name] = slow_limits.forced(stays - self.quantity[name], market)
        return chosen

    def _fill(self, record: Day, name: str, allowed: Allowed, price: Decimal) -> None:
        unit = self._unit(name, record.day)
        cost = trading_costs(self.world, name, record.day, allowed.quantity, price)
        self.quantity[name] += allowed.quantity
        if self.world.instruments[name].paid:
            self.cash -= allowed.quantity * price * unit
            self.worth[name] = self.quantity[name] * price * unit
        for part, money in cost.items():
            self._pay(record, part, money)
        record.traded += abs(allowed.quantity) * price * unit
        self.trades.append(Trade(record.day, name, allowed.quantity, price, cost, allowed.reason))

    # Step 5: marking.

    def _close(self, record: Day) -> None:
        for name, thing in self.world.instruments.items():
            close = thing.bars[record.day].price("close") if record.day in thing.bars else None
            if close is not None:
                self._remark(record, name, close)
        record.equity, record.cash, record.held = self._equity(), self.cash, dict(self.quantity)
        record.closed = self.closed
        needed = self.world.terms.maintenance_margin
        gross = sum((abs(self._value(name, record.day)) for name in self.quantity), ZERO)
        self.called = needed is not None and record.equity < needed * gross
