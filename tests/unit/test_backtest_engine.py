from __future__ import annotations

from datetime import UTC, date, datetime
from functools import partial

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategy_world import bars_of, session_days

from lim_pipelines.backtest import engine
from lim_pipelines.backtest.engine import Result
from lim_pipelines.backtest.errors import BacktestError
from lim_pipelines.schemas import TARGETS
from lim_pipelines.strategies.execution import Execution

DAYS = session_days("XSIM", date(2018, 3, 1), date(2018, 3, 29))
FREE = Execution(exchange_rules=False)
"""Fractions of a share are traded, so that ledgers are exact."""

run = partial(engine.run, execution=FREE)

A, B, WTI = "XSIM:SIM01", "XSIM:SIM02", "XNYM:WTI"
FEE = 2.5e-4  # XSIM: commission 0.5 and half spread 2 basis points
BORROW = 50e-4


def targets(
    *rows: tuple[int | date, str, float], arm: str = "full", seed: int = 0, strategy: str = "s"
) -> pl.DataFrame:
    """Targets from (day or its number, instrument, weight)."""
    frame = pl.DataFrame(
        [
            (DAYS[day] if isinstance(day, int) else day, instrument, weight)
            for day, instrument, weight in rows
        ],
        schema={"date": pl.Date, "instrument_id": pl.String, "weight": pl.Float64},
        orient="row",
    )
    return TARGETS.conform(
        frame.with_columns(
            strategy=pl.lit(strategy),
            cutoff=pl.lit(date(2018, 3, 1)),
            arm=pl.lit(arm),
            seed=pl.lit(seed),
            forecast=0.0,
            spec_digest=pl.lit(""),
            model_digest=pl.lit(""),
            decided_at=pl.lit(datetime(2018, 3, 1, tzinfo=UTC)),
            exchange=pl.col("instrument_id").str.head(4),
        )
    )


def equity(result: Result) -> list[float]:
    return np.cumprod(1 + result.daily["net_return"].to_numpy()).tolist()


def test_ledger_buy_and_hold() -> None:
    """Decided at day 0, bought at the close of day 1 at 100, worth 110 at day 2, 99 at day 3."""
    result = run(targets((0, A, 0.5)), bars_of(A, DAYS[:4], [90.0, 100.0, 110.0, 99.0]))
    cash = 1.0 - 0.5 - 0.5 * FEE
    assert equity(result) == pytest.approx([cash + 0.5, cash + 0.55, cash + 0.495], rel=1e-12)
    assert result.daily["turnover"].to_list() == pytest.approx([0.5, 0, 0])
    assert result.daily["gross_exposure"].to_list() == pytest.approx(
        [0, 0.5 / (cash + 0.5), 0.55 / (cash + 0.55)]
    )
    assert result.daily["date"].to_list() == DAYS[1:4]


def test_ledger_costs_are_paid_on_the_difference_to_the_drifted_position() -> None:
    """Half in at 100; at 120 the position has drifted to 0.6 of about 1.1; back to half of the equity."""
    result = run(targets((0, A, 0.5), (1, A, 0.5)), bars_of(A, DAYS[:3], [100.0, 100.0, 120.0]))
    cash = 1.0 - 0.5 - 0.5 * FEE
    before = cash + 0.6
    sold = 0.6 - 0.5 * before
    assert result.daily["turnover"][1] == pytest.approx(sold / before)
    assert equity(result)[1] == pytest.approx(before - sold * FEE, rel=1e-12)
    assert result.daily["cost"][1] == pytest.approx(sold * FEE / (cash + 0.5))


def test_ledger_a_short_pays_borrow_for_every_calendar_day() -> None:
    """Sold short at 100 on a Thursday; carried to Monday at 100: four days of the fee."""
    thursday = DAYS.index(date(2018, 3, 8))
    days = DAYS[thursday - 1 : thursday + 3]
    result = run(targets((days[0], A, -0.4)), bars_of(A, days, [100.0] * 4))
    paid = 0.4 * FEE + 0.4 * BORROW / 365 * np.array([0, 1, 4])
    assert days[3].weekday() == 0
    assert equity(result) == pytest.approx([1 - paid[0], 1 - paid[1], 1 - paid[2]], rel=1e-12)


def test_ledger_long_and_short_gain_from_their_spread() -> None:
    bars = pl.concat([bars_of(A, DAYS[:3], [10, 10, 11.0]), bars_of(B, DAYS[:3], [20, 20, 21.0])])
    result = run(targets((0, A, 0.5), (0, B, -0.5)), bars)
    gained = 0.5 * 0.1 - 0.5 * 0.05
    paid = 1.0 * FEE + 0.5 * BORROW * (DAYS[2] - DAYS[1]).days / 365
    assert equity(result)[1] == pytest.approx(1 + gained - paid, rel=1e-12)
    assert result.daily["gross_return"][1] == pytest.approx(gained / (1 - FEE))
    assert sorted(result.pnl["pnl"].to_list()) == pytest.approx([-0.025, 0.05])


def test_ledger_a_missing_close_carries_the_position_and_delays_the_order() -> None:
    """B trades on days 0, 1, 4 only: an order of day 1 waits for day 4; what is held keeps its value."""
    bars = pl.concat(
        [bars_of(A, DAYS[:6], [10.0] * 6), bars_of(B, [DAYS[i] for i in (0, 1, 4, 5)], [20, 20, 30, 30.0])]
    )
    result = run(targets((0, B, 0.5), (1, B, 0.0), (1, A, 0.1)), bars)
    cash = 1 - 0.5 - 0.5 * FEE
    first = cash + 0.5
    assert equity(result)[:3] == pytest.approx([first, first - 0.1 * first * FEE, first - 0.1 * first * FEE])
    before = first - 0.1 * first * FEE + 0.25
    assert equity(result)[3] == pytest.approx(before - 0.75 * FEE, rel=1e-12)
    assert result.daily["turnover"].to_list()[1:] == pytest.approx([0.1, 0, 0.75 / before, 0])


def test_ledger_a_split_makes_no_money() -> None:
    result = run(targets((0, A, 1.0)), bars_of(A, DAYS[:3], [10.0, 10.0, 5.0], [1.0, 1.0, 0.5]))
    assert equity(result) == pytest.approx([1 - FEE] * 2, rel=1e-12)


def test_an_instrument_without_a_row_keeps_its_position() -> None:
    bars = pl.concat([bars_of(A, DAYS[:5], [10.0] * 5), bars_of(B, DAYS[:5], [20.0] * 5)])
    result = run(targets((0, A, 0.5), (2, B, 0.2)), bars)
    held = result.positions.filter(pl.col("date") == DAYS[4]).sort("instrument_id")["weight"].to_list()
    assert held == pytest.approx([0.5, 0.2], rel=1e-3)


def test_a_closed_book_stays_closed() -> None:
    """Ten times short, and the price doubles: the loss is what it is, and nothing is traded after it."""
    result = run(targets((0, A, -10.0), (2, A, 1.0)), bars_of(A, DAYS[:6], [10, 10, 20, 10, 40, 10.0]))
    net = result.daily["net_return"].to_list()
    assert net[1] < -1
    assert net[2:] == [0.0] * 3
    assert np.isfinite(result.daily.select(pl.selectors.numeric()).to_numpy()).all()


def test_books_do_not_meet_and_cutoffs_are_stitched() -> None:
    bars = bars_of(A, DAYS[:6], [10, 11, 12, 11, 13, 12.0])
    one, two = targets((0, A, 0.5), (3, A, -0.2)), targets((0, A, 1.0), seed=1)
    together = run(pl.concat([one, two]), bars)
    assert together.daily.filter(pl.col("seed") == 0).equals(run(one, bars).daily)
    assert together.daily.filter(pl.col("seed") == 1).equals(run(two, bars).daily)
    later = one.with_columns(cutoff=pl.when(pl.col("weight") < 0).then(date(2018, 4, 1)).otherwise("cutoff"))
    assert run(later, bars).daily.equals(run(one, bars).daily)
    assert run(one, bars, through=DAYS[3]).daily.equals(run(one, bars).daily.head(3))


def test_what_does_not_fit_is_explained() -> None:
    bars = bars_of(A, DAYS[:3], [10, 11, 12.0])
    with pytest.raises(BacktestError, match="no targets"):
        run(TARGETS.empty(), bars)
    with pytest.raises(BacktestError, match=r"no daily bars of \['XSIM:SIM02'\]"):
        run(targets((0, B, 1.0)), bars)
    with pytest.raises(BacktestError, match="several strategies"):
        run(pl.concat([targets((0, A, 1.0)), targets((0, A, 1.0), strategy="t")]), bars)


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 4), st.floats(0.0, 0.4), st.floats(0.1, 3.0))
def test_money_is_conserved(seed: int, n: int, gaps: float, size: float) -> None:
    """An account kept by hand, one order at a time, ends with the engine's equity; gross less cost is net."""
    rng = np.random.default_rng(seed)
    names = [f"XSIM:SIM{i + 1:02d}" for i in range(n)]
    present = rng.random((len(DAYS), n)) >= gaps
    present[0] = True
    prices = 50 * np.exp(np.cumsum(0.03 * rng.standard_normal((len(DAYS), n)), axis=0))
    bars = pl.concat(
        [
            bars_of(
                name,
                [d for d, there in zip(DAYS, present[:, i], strict=True) if there],
                prices[present[:, i], i].tolist(),
            )
            for i, name in enumerate(names)
        ]
    )
    orders = {
        (int(day), i): float(size * rng.standard_normal() / n)
        for day in rng.choice(len(DAYS) - 1, 6, replace=False)
        for i in range(n)
        if rng.random() < 0.8
    }
    if not orders:
        return
    result = run(targets(*((day, names[i], w) for (day, i), w in orders.items())), bars)

    shares, cash, last, pending = np.zeros(n), 1.0, prices[0].copy(), {}
    first = min(day for day, _ in orders)
    path, when = [], DAYS[first]
    for t in range(len(DAYS)):
        if t > first and present[t].any():
            cash -= float((np.maximum(-shares * last, 0)).sum()) * BORROW * (DAYS[t] - when).days / 365
            when = DAYS[t]
            last = np.where(present[t], prices[t], last)
            worth = cash + float(shares @ last)
            if worth <= 0:
                return  # a closed book has a test of its own
            for i in [i for i in pending if present[t, i]]:
                traded = pending.pop(i) * worth / last[i] - shares[i]
                shares[i] += traded
                cash -= traded * last[i] + abs(traded * last[i]) * FEE
            path.append(cash + float(shares @ last))
        elif t <= first:
            last = np.where(present[t], prices[t], last)
        pending |= {i: w for (day, i), w in orders.items() if day == t}
    assert equity(result) == pytest.approx(path, rel=1e-9)
    daily = result.daily
    assert (daily["gross_return"] - daily["cost"]).to_numpy() == pytest.approx(
        daily["net_return"].to_numpy(), abs=1e-15
    )
    assert (daily["cost"] >= 0).all()
    by_date = result.pnl.group_by("date").agg(pl.col("pnl").sum())
    total = daily.join(by_date, on="date", how="left").sort("date")["pnl"].fill_null(0.0).to_numpy()
    start = np.concatenate([[1.0], path[:-1]])
    assert daily["gross_return"].to_numpy() * start == pytest.approx(total, abs=1e-12)


def test_an_ex_date_or_a_halt_to_come_changes_no_bit_of_what_was_before() -> None:
    dice = np.random.default_rng(3)
    names, days = [f"XSIM:SIM{i:02}" for i in range(1, 8)], DAYS[:16]
    closes = {name: (100 * np.exp(0.02 * dice.standard_normal(16).cumsum())).tolist() for name in names}
    bars = pl.concat([bars_of(name, days, closes[name]) for name in names])
    decided = targets(*((day, name, dice.normal() / 7) for day in range(0, 14, 2) for name in names))
    event = (pl.col("instrument_id") == A) & (pl.col("date") == days[12])
    halt = (pl.col("instrument_id") == B) & (pl.col("date") == days[13])
    later = bars.with_columns(ex_factor=pl.when(event).then(0.97).otherwise("ex_factor")).filter(~halt)
    before = run(decided, bars, days[11]).daily
    assert run(decided, later).daily.filter(pl.col("date") <= days[11]).equals(before)
