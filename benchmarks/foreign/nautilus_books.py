"""Nautilus' money for given closes and target weights; runs in an environment of its own.

    PYTHON nautilus_books.py given.npz made.npz

A venue with margin accounts and netted positions; one bar a share and session, with more shares on offer than
anybody wants. Market orders of whole shares are sized with the equity of its account and fill at the close.

What does not belong here: anything of ours; only numpy and nautilus_trader are installed where this runs.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, time
from decimal import Decimal
from math import copysign, floor

import numpy as np
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import Bar, BarType
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import Equity
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.trading.strategy import Strategy

VENUE = Venue("XNYS")
SECOND = 1_000_000_000
ON_OFFER = 10**9


class Weights(Strategy):
    """Trades to given weights a second after each session's bars, and notes the equity a second later."""

    def __init__(self, shares: list[Equity], close: np.ndarray, due: np.ndarray, times: list[int]) -> None:
        super().__init__()
        self.shares, self.close, self.due, self.times = shares, close, due, times
        self.last = [None] * len(shares)
        self.equity: list[float] = []
        self.orders = 0

    def on_start(self) -> None:
        """Ask to be woken twice a session."""
        for t, at in enumerate(self.times):
            self.clock.set_time_alert_ns(f"trade {t}", at + SECOND, self.trade)
            self.clock.set_time_alert_ns(f"note {t}", at + 2 * SECOND, self.note)

    def worth(self, t: int) -> float:
        """Add the unrealised gains of its positions, at the closes of session t, to the account's balance."""
        for column in np.flatnonzero(np.isfinite(self.close[t])):
            self.last[column] = Price(float(self.close[t, column]), 2)
        price = {share.id: last for share, last in zip(self.shares, self.last, strict=True)}
        open_ = self.cache.positions_open(venue=VENUE)
        gains = sum(float(position.unrealized_pnl(price[position.instrument_id])) for position in open_)
        return float(self.cache.account_for_venue(VENUE).balance_total(USD)) + gains

    def trade(self, event: object) -> None:
        """Send market orders for what is due."""
        t = int(event.name.split()[1])
        equity = self.worth(t)
        for column in np.flatnonzero(np.isfinite(self.due[t])):
            share = self.shares[column]
            wanted = self.due[t, column] * equity / self.close[t, column]
            quantity = _whole(wanted, float(self.portfolio.net_position(share.id)))
            if quantity:
                side = OrderSide.BUY if quantity > 0 else OrderSide.SELL
                self.submit_order(self.order_factory.market(share.id, side, Quantity(abs(quantity), 0)))
                self.orders += 1

    def note(self, event: object) -> None:
        """Note the equity after the session's trades."""
        self.equity.append(self.worth(int(event.name.split()[1])))


def _whole(wanted: float, held: float) -> int:
    if wanted * held <= 0:
        return round(-held) + _towards_zero(wanted)
    return _towards_zero(wanted - held)


def _towards_zero(quantity: float) -> int:
    return int(copysign(floor(abs(quantity) + 1e-9), quantity))


def _share(column: int) -> Equity:
    symbol = Symbol(f"S{column}")
    step = Price(0.01, 2)
    return Equity(InstrumentId(symbol, VENUE), symbol, USD, 2, step, Quantity(1, 0), 0, 0)


def main(given: str, made: str) -> None:
    """Read closes and due weights, write equity at each close and the number of orders sent."""
    with np.load(given) as told:
        close, due, capital = told["close"], told["due"], float(told["capital"])
        days = [datetime.combine(datetime.fromordinal(int(d)), time(21), UTC) for d in told["days"]]
    times = [int(day.timestamp()) * SECOND for day in days]
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
    engine.add_venue(
        VENUE,
        OmsType.NETTING,
        AccountType.MARGIN,
        [Money(capital, USD)],
        base_currency=USD,
        default_leverage=Decimal(10),
    )
    shares, bars = [_share(column) for column in range(close.shape[1])], []
    for column, share in enumerate(shares):
        engine.add_instrument(share)
        kind = BarType.from_str(f"{share.id}-1-DAY-LAST-EXTERNAL")
        size = Quantity(ON_OFFER, 0)
        prices = [(at, Price(float(p), 2)) for at, p in zip(times, close[:, column], strict=True) if p > 0]
        bars += [Bar(kind, p, p, p, p, size, at, at) for at, p in prices]
    engine.add_data(sorted(bars, key=lambda bar: bar.ts_init), sort=False)
    strategy = Weights(shares, close, due, times)
    engine.add_strategy(strategy)
    engine.run()
    # Its clock stops with the last bar: the last session trades nothing, and is noted here.
    equity = [*strategy.equity, strategy.worth(len(times) - 1)]
    np.savez(made, equity=np.array(equity), orders=strategy.orders)


if __name__ == "__main__":
    main(*sys.argv[1:])
