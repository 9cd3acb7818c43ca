"""Both engines on real quotes, to the cent, with every rule on."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from ledger_frames import Frames, slow_of
from real_books import futures, us_shares
from slow_books import SlowBook
from slow_records import PARTS

CENT = 0.01
SHARES: dict[str, dict[str, Any]] = {
    "closes, impact, interest": {"impact": 0.7, "cash_rate": 0.02, "financing_spread": 0.01},
    "opens, a hundredth of the volume": {"fill": "open", "participation": 0.01, "capital": 2e7},
    "margin": {"initial_margin": 0.9, "maintenance_margin": 0.8, "capital": 1e5, "delay": 2},
    "plain": {"exchange_rules": False},
}


def compare(frames: Frames) -> SlowBook:
    """Equity of every session to the cent, every trade, every part of the cost."""
    result, book = frames.fast(), SlowBook(slow_of(frames))
    days = book.run()
    daily = result.daily.sort("date")
    equity = frames.execution.capital * np.cumprod(1 + daily["net_return"].to_numpy())
    assert np.abs(equity - [float(day.equity) for day in days]).max() < CENT
    for part in PARTS:
        money = daily[part].to_numpy() * [float(day.before) for day in days]
        assert np.abs(money - [float(day.parts[part]) for day in days]).max() < CENT, part
    told = sorted((trade.day, trade.name, trade.reason) for trade in book.trades)
    assert sorted(result.trades.select("date", "instrument_id", "reason").rows()) == told
    quantity = sum(abs(float(trade.quantity)) for trade in book.trades)
    assert result.trades.select(pl.col("quantity").abs().sum()).item() == pytest.approx(quantity, rel=1e-9)
    return book


@pytest.mark.parametrize("execution", SHARES.values(), ids=SHARES)
def test_shares(tmp_path: Path, execution: dict[str, Any]) -> None:
    """1999 to 2001: sixteenths, then cents; the uptick rule; two splits; dividends in cash."""
    book = compare(us_shares(tmp_path, date(1999, 1, 4), date(2001, 12, 31), 1, execution))
    assert len(book.trades) > 300


def test_shares_through_a_crisis(tmp_path: Path) -> None:
    """2008 to 2009: AIG falls to 0.35 of a dollar and is merged 1 for 20; fractions of shares are paid."""
    compare(us_shares(tmp_path, date(2008, 1, 2), date(2009, 12, 31), 2, {"impact": 1.0}))


def test_futures() -> None:
    """2015 to 2017: rolls every month of one, every quarter of others; two of them in euros."""
    book = compare(futures(date(2015, 1, 5), date(2017, 12, 29), 3, {"cash_rate": 0.01}))
    rolls = [trade for trade in book.trades if trade.reason == "roll"]
    assert len(rolls) > 60
    assert {trade.name for trade in rolls} == {"XEUE:AEX", "XCME:SP500", "XCEC:GOLD", "XEUR:SHATZ"}
