"""Random worlds in which everything may happen: gaps, halts, limits, splits, ends, rolls, foreign money.

What does not belong here: laws (`test_books_laws.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
from hypothesis import strategies as st
from ledger_case import Bar, Case, Quote, Thing

MARKETS = {
    "XSIM": (date(2018, 3, 1), "equity", "USD"),
    "XNAS": (date(1999, 3, 1), "equity", "USD"),
    "XSHG": (date(2012, 3, 1), "equity", "CNY"),
    "XSHE": (date(2009, 3, 2), "equity", "CNY"),
    "XHKG": (date(2014, 3, 3), "equity", "HKD"),
    "XNYM": (date(2018, 3, 1), "future", "USD"),
    "XEUR": (date(2018, 3, 1), "future", "EUR"),
    "FXCM": (date(2018, 3, 1), "fx", "USD"),
    "BINANCE": (date(2018, 3, 1), "crypto", "USD"),
}
"""Exchange -> first session, kind and currency of its instruments."""

MIXED = "mixed"
"""One instrument each of several exchanges, in 2014."""

SESSIONS = 26


@dataclass(frozen=True)
class Happens:
    """What may happen in a world; a plain one lets hypothesis shrink to the culprit."""

    mic: str = "XSIM"
    seed: int = 0
    count: int = 2
    gaps: bool = False
    actions: bool = False
    told: bool = False
    ends: bool = False
    costs: bool = False
    interest: bool = False
    wild: bool = False
    volumes: bool = False
    participation: bool = False
    impact: bool = False
    margins: bool = False
    rules: bool = True
    fill: str = "close"
    delay: int = 1
    moves: bool = True


happens = st.builds(
    Happens,
    mic=st.sampled_from([*sorted(MARKETS), MIXED]),
    seed=st.integers(0, 10**6),
    count=st.integers(1, 4),
    fill=st.sampled_from(["close", "open", "vwap"]),
    delay=st.integers(1, 3),
    rules=st.booleans(),
    **{
        name: st.booleans()
        for name in (
            *("gaps", "actions", "told", "ends", "costs", "interest", "wild", "volumes", "participation"),
            *("impact", "margins"),
        )
    },
)


def world(what: Happens) -> Case:
    """One world, the same for the same `what`."""
    rng = np.random.default_rng(what.seed)
    mics = rng.permutation(sorted(MARKETS)).tolist() if what.mic == MIXED else [what.mic] * what.count
    start = date(2014, 3, 3) if what.mic == MIXED else MARKETS[what.mic][0]
    names = [f"{mics[i]}:I{i}" for i in range(what.count)]
    quotes, things = {}, {}
    for i, name in enumerate(names):
        _, kind, currency = MARKETS[mics[i]]
        # One of them trades on every session, so that numbers of sessions are dates.
        here = replace(what, gaps=False, ends=False) if i == 0 else what
        quotes[name], things[name] = _instrument(rng, here, kind, currency)
    orders = [
        (int(day), name, round(float(rng.normal(0, 3.0 if what.wild else 0.7)) / what.count, 3))
        for day in sorted(rng.choice(SESSIONS - 2, 5, replace=False))
        for name in names
        if day == 0 or rng.random() < 0.7
    ]
    orders += [(0, name, 0.0) for name in names]
    orders = list({(day, name): (day, name, weight) for day, name, weight in orders}.values())
    foreign = sorted({thing.currency for thing in things.values()} - {"USD"})
    return Case(
        "random",
        quotes,
        orders,
        [],
        start=start,
        rates={"commission": 3.0, "half_spread": 2.5, "borrow": 250.0, "multiplier": 1.5}
        if what.costs
        else {},
        terms=_terms(what),
        things=things,
        fx={currency: _fixings(rng, what) for currency in foreign},
    )


def _fixings(rng: np.random.Generator, what: Happens) -> list[float | None]:
    rates: list[float | None] = np.round(1.2 + 0.02 * rng.standard_normal(SESSIONS).cumsum(), 4).tolist()
    return [rate if t == 0 or not what.gaps or rng.random() < 0.7 else None for t, rate in enumerate(rates)]


def _terms(what: Happens) -> dict[str, Any]:
    terms: dict[str, Any] = {"fill": what.fill, "delay": what.delay, "exchange_rules": what.rules}
    if what.interest:
        terms |= {"cash_rate": 0.03, "financing_spread": 0.02}
    if what.participation and what.volumes:
        terms["participation"] = 0.05
    if what.impact:
        terms["impact"] = 0.8
    if what.ends and what.moves:
        terms["delisting_haircut"] = 0.2
    if what.margins:
        terms |= {"initial_margin": 0.5, "maintenance_margin": 0.45}
    return terms


def _instrument(
    rng: np.random.Generator, what: Happens, kind: str, currency: str
) -> tuple[list[Quote], Thing]:
    price, row = float(np.round(rng.uniform(8, 60), 2)), []
    splits, dividends, contract = {}, {}, 0
    for t in range(SESSIONS):
        factor = 1.0
        if what.actions and t and rng.random() < 0.2:
            contract += 1
            factor = _action(rng, what, kind, t, price, splits, dividends)
        if what.moves:
            moved = price * factor * float(np.exp((0.25 if what.wild else 0.06) * rng.standard_normal()))
            if kind == "equity" and rng.random() < 0.25:  # at the limit of Shanghai, and back
                moved = price * factor * (1.1 if rng.random() < 0.5 else 0.9)
            close = max(0.01, round(moved, 2))
        else:
            close = price * factor
        price = close
        row.append(_quote(rng, what, close, factor, f"C{contract}" if what.told else None))
    ends = None
    if what.ends and rng.random() < 0.5:
        ends = int(rng.integers(4, SESSIONS - 3))
        row = row[: ends + 1] + [None] * (SESSIONS - ends - 1)
    if what.gaps:
        row = [row[0]] + [None if rng.random() < 0.2 and not _carries(quote) else quote for quote in row[1:]]
    thing = Thing(
        kind,
        currency,
        multiplier=float(rng.choice([1.0, 50.0])) if kind == "future" else 1.0,
        lot=float(rng.choice([1.0, 400.0])),
        tick=float(rng.choice([0.01, 0.05])),
        splits=splits if what.told else {},
        dividends=dividends if what.told else {},
        ends=ends,
    )
    return row, thing


def _carries(quote: Quote) -> bool:
    return isinstance(quote, Bar) and quote.f != 1


def _action(
    rng: np.random.Generator,
    what: Happens,
    kind: str,
    t: int,
    price: float,
    splits: dict[int, float],
    dividends: dict[int, float],
) -> float:
    """A factor of a split, a dividend, both or a roll; rounded as vendors round where prices move."""
    if kind != "equity":
        return float(np.round(rng.uniform(0.95, 1.05), 7))
    if rng.random() < 0.6:
        splits[t] = float(rng.choice([0.5, 0.8, 4.0]))
    if rng.random() < 0.6 or t not in splits:
        dividends[t] = round(price * float(rng.uniform(0.005, 0.05)), 2)
    exact = splits.get(t, 1.0) * (1 - dividends.get(t, 0.0) / price)
    return float(np.round(exact, 7)) if what.moves else exact


def _quote(rng: np.random.Generator, what: Happens, close: float, factor: float, contract: str | None) -> Bar:
    volume = None
    if what.volumes:
        volume = float(rng.choice([0.0, 2e3, 5e4, 1e6])) if rng.random() < 0.9 else None
    opened: float | None = round(close * float(rng.uniform(0.97, 1.03)), 2) if what.moves else close
    vwap: float | None = round(close * float(rng.uniform(0.98, 1.02)), 4) if what.moves else close
    if what.gaps and rng.random() < 0.1:
        opened = vwap = None
    turnover = round(close * volume * 1.01, 2) if volume and rng.random() < 0.5 else None
    return Bar(close, factor, opened, vwap, volume, turnover, contract)
