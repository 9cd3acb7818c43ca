"""Laws of the books on random worlds: both engines agree, money is conserved, nothing is made of nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from ledger_case import CAPITAL
from ledger_frames import Frames, frames_of, slow_of
from ledger_worlds import MIXED, Happens, happens, world
from slow_books import SlowBook
from slow_records import PARTS, Day

from lim_pipelines.backtest.engine import Result
from lim_pipelines.backtest.recorder import WITHOUT_ORDER

CENT = 0.01
many = settings(max_examples=60)
some = settings(max_examples=20)


def equity(result: Result) -> list[float]:
    """Equity at each close while the book is alive."""
    return (CAPITAL * np.cumprod(1 + result.daily.sort("date")["net_return"].to_numpy())).tolist()


def alive(days: list[Day]) -> int:
    """Sessions before the first one that ends, or is sized, without equity; all where there is none."""
    return next((t for t, day in enumerate(days) if day.equity <= 0 or day.closed), len(days))


def slow(frames: Frames) -> tuple[list[Day], SlowBook]:
    book = SlowBook(slow_of(frames))
    return book.run(), book


@many
@given(happens)
def test_both_engines_keep_the_same_books(what: Happens) -> None:
    """Equity to the cent, every trade, every part of the cost, every return of every session."""
    frames = frames_of(world(what))
    result, (days, book) = frames.fast(), slow(frames)
    daily = result.daily.sort("date")
    assert daily["date"].to_list() == [day.day for day in days]
    live = alive(days)
    assert equity(result)[:live] == pytest.approx([float(day.equity) for day in days][:live], abs=CENT)
    for part in PARTS:
        want = [float(day.parts[part] / day.before) for day in days]
        assert daily[part].to_list() == pytest.approx(want, rel=1e-9, abs=1e-12), part
    for name in ("gross_return", "cost", "gross_exposure", "net_exposure"):
        want = [float(getattr(day, name)) for day in days]
        assert daily[name].to_list() == pytest.approx(want, rel=1e-9, abs=1e-12), name
    turnover = [float(day.traded / day.sized_with) for day in days]
    assert daily["turnover"].to_list() == pytest.approx(turnover, rel=1e-9, abs=1e-12)
    _same_trades(result, book)
    ordered = result.trades.filter(~pl.col("reason").is_in(WITHOUT_ORDER))
    value = dict(ordered.group_by("date").agg(pl.col("value").sum()).iter_rows())
    assert [value.get(day.day, 0.0) for day in days] == pytest.approx(
        [float(day.traded) for day in days], rel=1e-9, abs=1e-6
    )


def _same_trades(result: Result, book: SlowBook) -> None:
    fast = result.trades.sort("date", "instrument_id", maintain_order=True).to_dicts()
    told = sorted(book.trades, key=lambda trade: (trade.day, trade.name))
    assert [(t["date"], t["instrument_id"], t["reason"]) for t in fast] == [
        (trade.day, trade.name, trade.reason) for trade in told
    ]
    for field, want in {
        "quantity": [float(trade.quantity) for trade in told],
        "price": [float(trade.price) for trade in told],
        **{part: [float(trade.cost.get(part, 0)) for trade in told] for part in PARTS[:4]},
    }.items():
        assert [t[field] for t in fast] == pytest.approx(want, rel=1e-9, abs=1e-6), field


@many
@given(happens)
def test_gains_less_costs_are_what_equity_changes_by(what: Happens) -> None:
    """Over instruments and over time; and returns, parts of the cost and P&L say the same."""
    frames = frames_of(world(what))
    days, _ = slow(frames)
    before = days[0].before
    for day in days:
        change = sum(day.gains.values()) - sum(day.parts.values())
        assert abs(day.equity - before - change) < 1e-15 * CAPITAL
        before = day.equity
    daily = frames.fast().daily.sort("date")
    parts = daily.select(pl.sum_horizontal(PARTS)).to_series()
    assert daily["cost"].to_list() == pytest.approx(parts.to_list(), abs=1e-14)
    net = (daily["gross_return"] - daily["cost"]).to_list()
    assert daily["net_return"].to_list() == pytest.approx(net, abs=1e-14)


@some
@given(happens)
def test_profit_adds_up_over_instruments(what: Happens) -> None:
    """P&L of instruments, starting from equity 1, is the gross return times the equity before."""
    result = frames_of(world(what)).fast()
    daily = result.daily.sort("date")
    by_date = result.pnl.group_by("date").agg(pl.col("pnl").sum())
    total = daily.join(by_date, on="date", how="left", maintain_order="left")["pnl"].fill_null(0.0).to_numpy()
    before = np.concatenate([[1.0], np.array(equity(result))[:-1] / CAPITAL])
    live = int(np.argmax(before <= 0)) if (before <= 0).any() else len(before)
    want = daily["gross_return"].to_numpy() * before
    assert total[:live] == pytest.approx(want[:live], rel=1e-9, abs=1e-12)


@many
@given(happens)
def test_prices_that_stand_still_make_no_money(what: Happens) -> None:
    """Whatever is missing, halted, delisted, split or paid: none is gained, and without costs none lost."""
    still = replace(what, moves=False, interest=False, wild=False)
    case = world(still)
    case = replace(case, fx={currency: [1.25] * len(row) for currency, row in case.fx.items()})
    for costs in (True, False):
        case = replace(case, rates=case.rates if costs else {}, terms=dict(case.terms) | {"impact": 0.0})
        path = np.array(equity(frames_of(case).fast()))
        assert (np.diff(path, prepend=CAPITAL) <= 1e-3).all()
        if not costs and not case_has_taxes(still):
            assert path == pytest.approx(CAPITAL, abs=1e-3)


def case_has_taxes(what: Happens) -> bool:
    """Whether there is an exchange with a transaction tax."""
    return what.rules and what.mic in ("XSHG", "XSHE", "XHKG", MIXED)


@some
@given(happens)
def test_what_comes_later_changes_nothing_before(what: Happens) -> None:
    """Bars and orders cut off after a session give the same results up to it."""
    case = world(replace(what, ends=False))
    frames = frames_of(case)
    cut = case.days()[15]
    early = replace(frames, bars=frames.bars.filter(pl.col("date") <= cut))
    whole, part = frames.fast(), early.fast()
    assert whole.daily.filter(pl.col("date") <= cut).equals(part.daily)
    assert whole.trades.filter(pl.col("date") <= cut).equals(part.trades)


@some
@given(happens)
def test_the_order_of_rows_does_not_matter(what: Happens) -> None:
    frames = frames_of(world(what))
    mixed = replace(
        frames,
        bars=frames.bars.sample(fraction=1, shuffle=True, seed=what.seed),
        targets=frames.targets.sample(fraction=1, shuffle=True, seed=what.seed),
    )
    assert frames.fast().daily.equals(mixed.fast().daily)


@some
@given(happens, happens)
def test_books_do_not_meet(one: Happens, other: Happens) -> None:
    """Two books in one pass are each what it is alone, to the last bit."""
    case = world(one)
    frames, names = frames_of(case), list(case.quotes)
    second = [(day, names[hash_of(name) % len(names)], weight) for day, name, weight in world(other).orders]
    second += [(0, name, 0.0) for name in names]
    orders = list({(day, name): (day, name, weight) for day, name, weight in second}.values())
    apart = frames_of(replace(case, orders=orders))
    seeded = apart.targets.with_columns(seed=pl.lit(1, pl.Int64))
    both = replace(frames, targets=pl.concat([frames.targets, seeded])).fast().daily
    for seed, alone in enumerate((frames, replace(apart, targets=seeded))):
        want = alone.fast().daily.select(pl.selectors.float()).to_numpy()
        got = both.filter(pl.col("seed") == seed).select(pl.selectors.float()).to_numpy()
        assert np.array_equal(got, want)


def hash_of(name: str) -> int:
    return int(name.rsplit("I", 1)[1])


@some
@given(happens)
def test_ten_times_the_money_in_a_market_ten_times_as_deep_earns_the_same(what: Happens) -> None:
    """Without lots everything is a fraction of the capital."""
    frames = frames_of(world(replace(what, rules=False)))
    larger = replace(
        frames,
        bars=frames.bars.with_columns(pl.col("volume", "turnover") * 10),
        execution=frames.execution.model_copy(update={"capital": 10 * CAPITAL}),
    )
    small, large = frames.fast().daily, larger.fast().daily
    for name in ("net_return", "gross_return", "cost", "turnover"):
        assert small[name].to_list() == pytest.approx(large[name].to_list(), rel=1e-9, abs=1e-12)
