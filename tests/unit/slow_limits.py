"""What of an order may be traded (docs/backtest.md, step 3), for the slow engine.

What does not belong here: what it costs (`slow_costs.py`), the books (`slow_books.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal

from slow_world import ONE, ZERO

NEAR = Decimal("1e-9")


@dataclass(frozen=True)
class Market:
    """What the market allows in one instrument in one session; None is no such rule."""

    fill: Decimal
    previous: Decimal | None
    lot: Decimal | None = None
    tick: Decimal | None = None
    limit: Decimal | None = None
    short_sale: str = "free"
    most: Decimal | None = None


@dataclass(frozen=True)
class Allowed:
    """Signed quantity, why it is less than wanted (empty if it is not), and whether the rest waits."""

    quantity: Decimal
    reason: str = ""
    waits: bool = False


def rounded(quantity: Decimal, lot: Decimal | None) -> Decimal:
    """Towards zero to a multiple of a lot."""
    if lot is None:
        return quantity
    lots = (abs(quantity) / lot + NEAR).to_integral_value(ROUND_FLOOR)
    return (lots * lot).copy_sign(quantity)


def order(held: Decimal, wanted: Decimal, market: Market) -> Allowed:
    """What may be traded of an order."""
    reason, waits = "", False
    falling = market.previous is not None and market.fill < market.previous
    floor = min(held, ZERO)
    if wanted < floor and (market.short_sale == "none" or (market.short_sale == "uptick" and falling)):
        wanted, reason, waits = floor, "short_ban", market.short_sale == "uptick"
    if wanted * held <= 0:
        quantity = -held + rounded(wanted, market.lot)
    else:
        quantity = rounded(wanted - held, market.lot)
    if abs(quantity - (wanted - held)) > NEAR * (market.lot or ONE):
        reason = "lot"
    return _last(quantity, market, reason, waits)


def forced(quantity: Decimal, market: Market) -> Allowed:
    """What may be traded of a sale or purchase that the broker makes."""
    return _last(quantity, market, "margin_call", waits=False)


def _last(quantity: Decimal, market: Market, reason: str, waits: bool) -> Allowed:
    if quantity and locked(market, buys=quantity > 0):
        return Allowed(ZERO, "price_limit", waits=True)
    if market.most is not None and abs(quantity) > market.most:
        return Allowed(rounded(market.most, market.lot).copy_sign(quantity), "participation", waits=True)
    return Allowed(quantity, reason, waits)


def locked(market: Market, buys: bool) -> bool:
    """Whether the price stands at the limit at which nobody sells, or nobody buys."""
    if market.limit is None or market.previous is None:
        return False
    edge = market.previous * (ONE + (market.limit if buys else -market.limit))
    if market.tick is not None:
        edge = (edge / market.tick + NEAR).to_integral_value(ROUND_HALF_UP) * market.tick
    near = edge * NEAR
    return market.fill >= edge - near if buys else market.fill <= edge + near


def fit_margin(
    held: dict[str, Decimal],
    trades: dict[str, Decimal],
    unit_value: dict[str, Decimal],
    most: Decimal,
    lots: dict[str, Decimal | None],
) -> dict[str, Decimal]:
    """Cut what enlarges positions, so that the value held after the trades is at most `most`.

    Returns
    -------
    dict
        The trades that had to be cut, by instrument.
    """
    after = {name: held[name] + trades.get(name, ZERO) for name in held}
    if sum((abs(after[name]) * unit_value[name] for name in held), ZERO) <= most:
        return {}
    reduced, larger = dict(held), {}
    for name, quantity in trades.items():
        if abs(after[name]) > abs(held[name]) and after[name] * held[name] >= 0:
            larger[name] = quantity
        elif after[name] * held[name] < 0:
            reduced[name], larger[name] = ZERO, after[name]
        else:
            reduced[name] = after[name]
    stays = sum((abs(reduced[name]) * unit_value[name] for name in held), ZERO)
    grows = sum((abs(larger[name]) * unit_value[name] for name in larger), ZERO)
    if not grows:
        return {}
    part = max(ZERO, (most - stays) / grows)
    return {
        name: reduced[name] - held[name] + rounded(quantity * part, lots[name])
        for name, quantity in larger.items()
    }
