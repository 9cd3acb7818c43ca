"""Trading rules and the dates from which they hold.

What does not belong here: opening hours (`exchange.py`), cost assumptions (fields of `Exchange`, because they
are assumptions and not rules), rules of a single instrument (`instruments.py`; None here says to look there).

Each rule book lists its rules oldest first. The first ones hold for all time before, too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

ShortSale = Literal["free", "located", "uptick", "none"]


@dataclass(frozen=True)
class Rules:
    """Rules of an exchange on one day.

    Parameters
    ----------
    settlement_days
        Sessions between trade and settlement of cash.
    same_day_sale
        Whether what was bought today may be sold today (False is the T+1 rule of Chinese shares).
    lot_size
        Units that an order must be a multiple of; None where it differs by instrument.
    tick_size
        Smallest step of a price, in the exchange's currency; None where it differs by instrument or price.
    price_limit
        Largest move from the previous close, as a fraction; None where there is none, or it differs by
        instrument.
    purchase_tax_bps, sale_tax_bps
        Stamp duty or transaction tax, basis points of the value bought or sold.
    short_sale
        free: as easy as buying (futures, FX); located: borrowed shares needed; uptick: besides, not at a
        falling price; none: not possible overnight.
    """

    settlement_days: int
    same_day_sale: bool = True
    lot_size: float | None = 1.0
    tick_size: float | None = None
    price_limit: float | None = None
    purchase_tax_bps: float = 0.0
    sale_tax_bps: float = 0.0
    short_sale: ShortSale = "free"


RuleBook = tuple[tuple[date, Rules], ...]
"""Rules with the first date of each, oldest first."""


def rules_on(book: RuleBook, on: date) -> Rules:
    """Return the rules that hold on a date; before the first date, the first ones."""
    held = book[0][1]
    for since, changed in book:
        if since > on:
            break
        held = changed
    return held


def always(rules: Rules) -> RuleBook:
    """Return a book of rules that never changed."""
    return ((date.min, rules),)


def changing(first: Rules, *changes: tuple[str, dict[str, object]]) -> RuleBook:
    """Return a book from the first rules and what changed when.

    Parameters
    ----------
    first
        Rules before the first change.
    changes
        (ISO date from which it holds, fields of `Rules` that change), oldest first.

    Raises
    ------
    ValueError
        The changes are not in the order of time.
    """
    book = [(date.min, first)]
    for since, fields in changes:
        day = date.fromisoformat(since)
        if day <= book[-1][0]:
            raise ValueError(f"rules that change on {since} must follow those of {book[-1][0]}: sort them")
        book.append((day, replace(book[-1][1], **fields)))  # type: ignore[arg-type]
    return tuple(book)


US_SHARES = changing(
    # T+5 and eighths of a dollar; SEC rule 10a-1 let nobody sell short at a falling price.
    Rules(settlement_days=5, tick_size=1 / 8, short_sale="uptick"),
    ("1995-06-07", {"settlement_days": 3}),  # SEC rule 15c6-1
    ("1997-06-24", {"tick_size": 1 / 16}),  # NYSE; Nasdaq three weeks before
    ("2001-04-09", {"tick_size": 0.01}),  # decimals on both; NYSE since 29 January
    ("2007-07-06", {"short_sale": "located"}),  # SEC lifts 10a-1; Regulation SHO asks for a located borrow
    ("2017-09-05", {"settlement_days": 2}),
    ("2024-05-28", {"settlement_days": 1}),
)
"""Shares above one dollar. The SEC's fee on sales (below half a basis point) is left out, and so is rule 201
(since 2011: uptick for one day after a fall of 10 %), which depends on the share's day."""

CN_A_SHARES = changing(
    # Bought and sold on one day, without limits, in the first years; sale tax stood between .2 and .6 %.
    Rules(
        settlement_days=1,
        lot_size=100,
        tick_size=0.01,
        purchase_tax_bps=40,
        sale_tax_bps=40,
        short_sale="none",
    ),
    ("1995-01-01", {"same_day_sale": False}),
    ("1996-12-16", {"price_limit": 0.10}),  # main board; 5 % for ST, 20 % for ChiNext and STAR, by instrument
    ("2001-11-16", {"purchase_tax_bps": 20, "sale_tax_bps": 20}),
    ("2005-01-24", {"purchase_tax_bps": 10, "sale_tax_bps": 10}),
    ("2007-05-30", {"purchase_tax_bps": 30, "sale_tax_bps": 30}),
    ("2008-04-24", {"purchase_tax_bps": 10, "sale_tax_bps": 10}),
    ("2008-09-19", {"purchase_tax_bps": 0}),  # on sales only from here on
    ("2010-03-31", {"short_sale": "uptick"}),  # margin trading, for listed shares, not below the last price
    ("2023-08-28", {"sale_tax_bps": 5}),
)
"""Main-board A shares. Shares settle on the trade day, cash the day after."""

HK_SHARES = changing(
    # Lots and ticks are each share's own. Designated shares only, not below the best ask.
    Rules(settlement_days=2, lot_size=None, purchase_tax_bps=10, sale_tax_bps=10, short_sale="uptick"),
    ("2021-08-01", {"purchase_tax_bps": 13, "sale_tax_bps": 13}),
    ("2023-11-17", {"purchase_tax_bps": 10, "sale_tax_bps": 10}),
)
"""Hong Kong shares; duty before 2001 was higher and is not kept here."""

IN_SHARES = changing(
    # Price bands are each share's own. Shorts end with the day in the cash market.
    Rules(settlement_days=2, tick_size=0.05, short_sale="none"),
    ("2004-10-01", {"purchase_tax_bps": 10, "sale_tax_bps": 10}),  # STT; 7.5 to 12.5 until 2012, 10 taken
    ("2023-01-27", {"settlement_days": 1}),
)
"""Indian shares for delivery; T+2 since 2003, before that weekly accounts that are not kept here."""

JP_SHARES = changing(
    # Ticks and daily limits go by price.
    Rules(settlement_days=3, lot_size=None, short_sale="located"),
    ("2018-10-01", {"lot_size": 100}),
    ("2019-07-16", {"settlement_days": 2}),
)

FUTURES = always(Rules(settlement_days=1))
"""Marked to market daily; lots are contracts; ticks and limits are each contract's own."""

FX_SPOT = always(Rules(settlement_days=2))
"""Spot date; retail accounts are rolled over and never deliver. Ticks are each pair's own."""

CRYPTO = always(Rules(settlement_days=0, lot_size=None, short_sale="located"))
"""Settled at once. Perpetuals can be sold freely, spot needs a margin loan: the stricter is taken."""

SIMULATED = always(Rules(settlement_days=0, short_sale="located"))
