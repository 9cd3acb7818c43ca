"""Both engines against ledgers that were worked out by hand, to the cent."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from ledger_case import CAPITAL, Case
from ledger_frames import frames_of, slow_of
from ledgers_actions import CASES as ACTIONS
from ledgers_money import CASES as MONEY
from ledgers_rules import CASES as RULES
from ledgers_trading import CASES as TRADING
from slow_books import SlowBook

CASES = (*TRADING, *ACTIONS, *RULES, *MONEY)
HALF_A_CENT = 0.00501
each = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


@each
def test_slow_engine(case: Case) -> None:
    """The slow engine's cents, trades, costs and positions are the hand's."""
    book = SlowBook(slow_of(frames_of(case)))
    days = book.run()
    assert [float(day.equity) for day in days] == pytest.approx(_money(case.equity), abs=HALF_A_CENT)
    if case.trades is not None:
        rows = sorted(book.trades, key=lambda trade: (trade.day, trade.name))
        told = [(trade.day, trade.name, float(trade.quantity), trade.reason) for trade in rows]
        assert told == _trades(case)
    for part, money in case.costs.items():
        assert float(sum(day.parts[part] for day in days)) == pytest.approx(float(money), abs=HALF_A_CENT)
    for name, quantity in case.held.items():
        assert float(days[-1].held[name]) == pytest.approx(quantity, abs=1e-6)


@each
def test_engine(case: Case) -> None:
    """So are the engine's."""
    result = frames_of(case).fast()
    daily = result.daily.sort("date")
    equity = CAPITAL * np.cumprod(1 + daily["net_return"].to_numpy())
    if all(float(money) > 0 for money in case.equity):
        assert equity.tolist() == pytest.approx(_money(case.equity), abs=HALF_A_CENT)
    else:
        dead = next(t for t, money in enumerate(case.equity) if float(money) <= 0)
        assert equity[: dead + 1].tolist() == pytest.approx(_money(case.equity[: dead + 1]), abs=HALF_A_CENT)
        assert daily["net_return"][dead + 1 :].to_list() == [0.0] * (len(case.equity) - dead - 1)
    if case.trades is not None:
        rows = result.trades.sort("date", "instrument_id", maintain_order=True)
        told = rows.select("date", "instrument_id", "quantity", "reason").rows()
        assert [(day, name, round(q, 6), why) for day, name, q, why in told] == _trades(case)
    for part, money in case.costs.items():
        before = np.concatenate([[CAPITAL], equity[:-1]])
        assert float(daily[part].to_numpy() @ before) == pytest.approx(float(money), abs=HALF_A_CENT)
    held: dict[str, float] = defaultdict(float)
    last = result.positions.filter(pl.col("date") == daily["date"][-1])
    held |= dict(last.select("instrument_id", "weight").iter_rows())
    for name, quantity in case.held.items():
        assert (held[name] != 0) == (quantity != 0)


def test_there_are_enough_of_them_and_each_has_a_name() -> None:
    assert len(CASES) >= 30
    assert len({case.name for case in CASES}) == len(CASES)


def _money(cents: object) -> list[float]:
    assert isinstance(cents, list | tuple)
    return [float(Decimal(text)) for text in cents]


def _trades(case: Case) -> list[tuple[object, str, float, str]]:
    days = case.days()
    return [(days[at], name, float(quantity), why) for at, name, quantity, why in case.trades or ()]
