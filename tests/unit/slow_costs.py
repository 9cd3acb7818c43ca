"""What a trade costs (docs/backtest.md, step 4), for the slow engine.

What does not belong here: whether it is made (`slow_limits.py`), borrow and interest (`slow_books.py`).
"""

from __future__ import annotations

from datetime import date
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import pairwise

from slow_world import ONE, ZERO, SlowInstrument, SlowWorld, exact

NEAR = Decimal("1e-9")
BASIS_POINT = Decimal("1e-4")
PAST = 20
FEWEST = 5


def trading_costs(
    world: SlowWorld, name: str, day: date, quantity: Decimal, fill: Decimal
) -> dict[str, Decimal]:
    """Commission, spread, tax and impact of a trade, money of the base currency."""
    instrument, terms = world.instruments[name], world.terms
    unit = instrument.multiplier * world.rate(instrument.currency, day)
    value = abs(quantity) * fill * unit
    spread_rate = instrument.half_spread * terms.multiplier
    impact_rate = impact(instrument, day, abs(quantity) * fill * instrument.multiplier, terms.impact)
    impact_rate *= terms.multiplier
    tax = ZERO
    if terms.exchange_rules:
        rules = world.rules_of(name, day)
        bps = rules.purchase_tax_bps if quantity > 0 else rules.sale_tax_bps
        tax = (exact(bps) or ZERO) * BASIS_POINT * terms.multiplier
    slip = spread_rate + impact_rate
    tick = world.tick(name, day)
    extra = ZERO
    if tick is not None and slip > 0 and terms.fill != "vwap":
        extra = abs(quantity) * unit * _to_tick(fill, slip, tick, buys=quantity > 0)
    return {
        "commission": value * instrument.commission * terms.multiplier,
        "spread": value * spread_rate + extra,
        "tax": value * tax,
        "impact": value * impact_rate,
    }


def _to_tick(fill: Decimal, slip: Decimal, tick: Decimal, buys: bool) -> Decimal:
    """Distance from the price with its slippage to the next tick against the trader."""
    if buys:
        price = fill * (ONE + slip)
        return max(ZERO, (price / tick - NEAR).to_integral_value(ROUND_CEILING) * tick - price)
    price = fill * (ONE - slip)
    return max(ZERO, price - (price / tick + NEAR).to_integral_value(ROUND_FLOOR) * tick)


def impact(instrument: SlowInstrument, day: date, value: Decimal, scale: Decimal) -> Decimal:
    """Square-root impact as a fraction of the price; `value` in the instrument's currency."""
    if not scale:
        return ZERO
    past = instrument.closes_before(day)[-PAST - 1 :]
    returns = [_log_return(instrument, a, b) for a, b in pairwise(past)]
    traded = [_traded(instrument, d) for d in past[-PAST:]]
    known = [money for money in traded if money is not None]
    if len(returns) < FEWEST or len(known) < FEWEST or not sum(known):
        return ZERO
    mean = sum(returns, ZERO) / len(returns)
    variance = sum(((r - mean) ** 2 for r in returns), ZERO) / (len(returns) - 1)
    average = sum(known, ZERO) / len(known)
    return scale * variance.sqrt() * (value / average).sqrt()


def _log_return(instrument: SlowInstrument, before: date, after: date) -> Decimal:
    factor = ONE
    for day, bar in instrument.bars.items():
        if before < day <= after:
            factor *= bar.ex_factor
    earlier, later = instrument.bars[before].price("close"), instrument.bars[after].price("close")
    assert earlier is not None
    assert later is not None
    return (later / (earlier * factor)).ln()


def _traded(instrument: SlowInstrument, day: date) -> Decimal | None:
    bar = instrument.bars[day]
    if bar.turnover is not None:
        return bar.turnover
    if bar.volume is None or bar.close is None:
        return None
    return bar.close * bar.volume * instrument.multiplier
