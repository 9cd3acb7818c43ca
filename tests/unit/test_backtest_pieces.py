"""Pieces of the engine on their own: rounding, dated rules, orders, currencies, blocks of books.

What does not belong here: ledgers (`test_ledgers.py`), laws of whole backtests (`test_books_laws.py`).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from strategy_world import bars_of, session_days

from lim_pipelines.backtest import engine
from lim_pipelines.backtest.costs import Rate
from lim_pipelines.backtest.daily import Totals
from lim_pipelines.backtest.errors import BacktestError
from lim_pipelines.backtest.facts import Facts, read_facts, read_rates
from lim_pipelines.backtest.grid import build_grid
from lim_pipelines.backtest.orders import books_of, place
from lim_pipelines.backtest.plan import make_plan
from lim_pipelines.backtest.rules.order import whole_lots
from lim_pipelines.backtest.rules.table import RuleTable
from lim_pipelines.finetune.costs import Costs
from lim_pipelines.instruments import terms
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import LISTINGS, TARGETS, VALIDATED_BARS
from lim_pipelines.strategies.execution import Execution

DAYS = session_days("XSIM", date(2018, 3, 1), date(2018, 3, 29))
NAMES = ("XSIM:SIM01", "XSIM:SIM02", "XNYM:WTI")
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


def targets(weights: dict[tuple[int, str, int], float], decided: datetime = ALWAYS) -> pl.DataFrame:
    """Targets from (day, instrument, seed) to weight."""
    rows = [(DAYS[day], name, seed, weight) for (day, name, seed), weight in weights.items()]
    schema = {"date": pl.Date, "instrument_id": pl.String, "seed": pl.Int64, "weight": pl.Float64}
    return TARGETS.conform(
        pl.DataFrame(rows, schema=schema, orient="row").with_columns(
            strategy=pl.lit("s"),
            cutoff=pl.lit(date(2018, 3, 1)),
            spec_digest=pl.lit(""),
            model_digest=pl.lit(""),
            arm=pl.lit("full"),
            forecast=pl.lit(0.0),
            decided_at=pl.lit(decided),
            exchange=pl.col("instrument_id").str.head(4),
        )
    )


def listing(name: str, **says: object) -> pl.DataFrame:
    return LISTINGS.conform(
        pl.DataFrame(
            {
                **{"source": "t", "symbol": name, "exchange": name[:4], "instrument_id": name, "name": ""},
                **{"asset_class": "equity", "currency": "USD", "file": "", "known_at": ALWAYS},
                **says,
            }
        )
    )


@given(st.floats(-1e6, 1e6), st.sampled_from([0.0, 0.001, 1.0, 100.0]))
def test_lots_are_whole_and_never_more(quantity: float, lot: float) -> None:
    rounded = float(whole_lots(np.array([quantity]), np.array([lot]))[0])
    assert abs(rounded) <= abs(quantity) + 1e-9 * lot
    assert rounded * quantity >= 0
    assert abs(quantity - rounded) < lot or rounded == quantity
    if lot:
        assert rounded == float(whole_lots(np.array([quantity]), lot)[0])
        assert rounded / lot == pytest.approx(round(rounded / lot), abs=1e-6)


def test_rates_of_one_exchange_and_of_two_say_the_same() -> None:
    units, price = np.array([[1.0, 2.0], [0.0, 3.0]]), np.array([10.0, 20.0])
    value = units @ price
    same, mixed = Rate(np.array([1e-3, 1e-3])), Rate(np.array([1e-3, 2e-3]))
    assert same.on(units, price, value) == pytest.approx([0.05, 0.06])
    assert mixed.on(units, price, value) == pytest.approx([0.09, 0.12])


def test_rules_change_on_their_day() -> None:
    days = pl.Series([date(2008, 9, 18), date(2008, 9, 19)])
    what = pl.DataFrame({"exchange": ["XSHG", "XHKG"], "lot_size": [7.0, 500.0], "tick_size": [None, 0.05]})
    table = RuleTable(days, what)
    assert table.at(0).purchase_tax.tolist() == pytest.approx([1e-3, 1e-3])
    assert table.at(1).purchase_tax.tolist() == pytest.approx([0.0, 1e-3])
    assert table.at(0).lot.tolist() == [100.0, 500.0]  # the exchange's rule, else the instrument's
    assert table.at(0).tick.tolist() == [0.01, 0.05]
    assert table.at(0).no_short.tolist() == [True, False]


def test_an_instrument_is_what_its_best_listing_says() -> None:
    name = NAMES[0]
    both = pl.concat(
        [
            listing(name, source="a", priority=5, multiplier=2.0, last=date(2018, 3, 5)),
            listing(name, source="b", priority=1, currency="USDT", last=date(2018, 3, 9)),
        ]
    )
    one = terms(pl.DataFrame({"exchange": ["XSIM"], "instrument_id": [name]}), both)
    assert one.select("currency", "multiplier", "last").row(0) == ("USD", 1.0, date(2018, 3, 9))
    still = pl.concat([both, listing(name, source="c", priority=9)])
    assert terms(one.select("exchange", "instrument_id"), still)["last"].to_list() == [None]


def test_exchange_rates_come_from_pairs_of_either_direction(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    pair = bars_of("XSIM:SIM01", DAYS[:3], [8.0, 4.0, 5.0]).with_columns(
        exchange=pl.lit("OANDA"), instrument_id=pl.lit("OANDA:USDCNY"), asset_class=pl.lit("fx")
    )
    other = pair.with_columns(instrument_id=pl.lit("OANDA:EURUSD"))
    rows = VALIDATED_BARS.conform(pl.concat([pair, other]))
    lake.write(VALIDATED_BARS, rows, rows.select(VALIDATED_BARS.partition_key).unique())
    asked = bars_of(NAMES[0], DAYS[:3], [10.0] * 3)
    rates = read_rates(lake, ["CNY", "EUR"], "USD", asked).sort("currency", "known_at")
    assert rates["currency"].to_list() == ["CNY"] * 3 + ["EUR"] * 3
    assert rates["rate"].to_list() == pytest.approx([0.125, 0.25, 0.2, 8.0, 4.0, 5.0])
    assert read_facts(lake, asked, "USD").rates.is_empty()  # nothing foreign is asked for


def test_a_missing_exchange_rate_is_named() -> None:
    with pytest.raises(BacktestError, match="no exchange rate of USD in EUR"):
        engine.run(
            targets({(0, NAMES[0], 0): 0.5}),
            bars_of(NAMES[0], DAYS[:3], [10.0] * 3),
            execution=Execution(currency="EUR"),
        )


def test_an_open_before_the_decision_does_not_fill() -> None:
    """Decided six hours after the close; the next session of the futures exchange is open by then."""
    bars = bars_of(NAMES[2], DAYS[:4], [60.0] * 4).with_columns(open=pl.lit(60.0))
    decided = bars["ts"][0] + timedelta(hours=6)
    wanted = targets({(0, NAMES[2], 0): 0.5}, decided)
    with pytest.raises(BacktestError, match="open before the decision"):
        engine.run(wanted, bars, execution=Execution(fill="open"))
    later = engine.run(wanted, bars, execution=Execution(fill="open", delay=2))
    assert later.trades["date"].to_list() == [DAYS[2]]


def test_a_target_that_is_no_number_is_refused() -> None:
    wrong = targets({(0, NAMES[0], 0): 0.5}).with_columns(weight=pl.lit(float("nan")))
    with pytest.raises(BacktestError, match="1 targets are no numbers"):
        engine.run(wrong, bars_of(NAMES[0], DAYS[:3], [10.0] * 3))


def test_a_book_is_the_same_alone_and_in_a_block() -> None:
    """With rules, odd lots and a margin, in blocks of two books of five."""
    dice = np.random.default_rng(0)
    bars = pl.concat(
        [
            bars_of(name, DAYS, (50 * np.exp(np.cumsum(0.03 * dice.standard_normal(len(DAYS))))).tolist())
            for name in NAMES
        ]
    )
    wanted = targets(
        {
            (day, name, seed): float(dice.normal())
            for day in range(0, len(DAYS) - 1, 2)
            for name in NAMES
            for seed in range(5)
            if dice.random() < 0.7
        }
    )
    how = Execution(capital=50_000, initial_margin=0.9, maintenance_margin=0.6, cash_rate=0.02)
    together = engine.run(wanted, bars, None, Costs(), how)
    grid = build_grid(wanted, bars, None)
    plan, market = make_plan(grid, Costs(), how, engine.NO_FACTS)
    orders = place(wanted, grid, how)
    parts = [
        engine.simulate(market, orders.of_books(first, end), end - first, plan)
        for first, end in ((0, 2), (2, 4), (4, 5))
    ]
    daily = Totals.beside(parts).daily(market.dates, books_of(wanted), how.capital)
    assert daily.equals(together.daily.select(daily.columns))
    assert "margin" in together.trades["reason"].to_list()
    alone = engine.run(wanted.filter(pl.col("seed") == 3), bars, None, Costs(), how)
    own = pl.col("seed") == 3
    assert alone.trades.equals(together.trades.filter(own))
    assert alone.pnl.equals(together.pnl.filter(own))


@pytest.mark.parametrize("reason", ["margin", "roll", "delisting"])
def test_many_instruments_are_added_up_alike_alone_and_in_a_block(reason: str) -> None:
    """To the last bit where something happens to all: beside other books a sum has the same order."""
    dice, names = np.random.default_rng(1), [f"XSIM:S{i:02d}" for i in range(60)]
    walks = 50 * np.exp(np.cumsum(0.02 * dice.standard_normal((60, len(DAYS))), axis=1))
    bars = pl.concat(
        [
            bars_of(NAMES[0], DAYS, walk.tolist()).with_columns(instrument_id=pl.lit(name))
            for name, walk in zip(names, walks, strict=True)
        ]
    )
    costs, facts = Costs(commission_bps=7.3, half_spread_bps=3.1), Facts()
    how = Execution(exchange_rules=False, delisting_haircut=0.3)
    if reason == "margin":
        how = Execution(exchange_rules=False, initial_margin=0.5, maintenance_margin=0.45)
    elif reason == "roll":
        ratio = pl.when(pl.col("date") == DAYS[10]).then(pl.lit(0.98)).otherwise(1.0)
        bars = bars.with_columns(asset_class=pl.lit("future"), ex_factor=ratio)
    else:
        facts = Facts(pl.concat([listing(name, last=DAYS[15]) for name in names[:50]]))
        bars = bars.filter((pl.col("date") <= DAYS[15]) | pl.col("instrument_id").is_in(names[50:]))
    wanted = targets(
        {
            (day, name, seed): float(dice.normal()) / 20
            for day in range(0, len(DAYS) - 1, 3)
            for name in names
            for seed in range(4)
        }
    )
    together = engine.run(wanted, bars, None, costs, how, facts)
    assert reason in together.trades["reason"].to_list()
    for seed in range(4):
        own = pl.col("seed") == seed
        alone = engine.run(wanted.filter(own), bars, None, costs, how, facts)
        assert alone.daily.equals(together.daily.filter(own))
        assert alone.trades.equals(together.trades.filter(own))


def test_one_whose_bars_stop_is_named() -> None:
    bars = pl.concat(
        [bars_of(NAMES[0], DAYS[:6], [10.0] * 6), bars_of(NAMES[1], DAYS[:3], [10.0, 10.0, 12.0])]
    )
    result = engine.run(targets({(0, NAMES[1], 0): 0.5, (0, NAMES[0], 0): 0.1}), bars)
    assert result.stale == (NAMES[1],)
    held = result.positions.filter(pl.col("instrument_id") == NAMES[1])
    assert held["date"].max() == DAYS[5]


def test_a_call_needs_a_margin_to_cut_to() -> None:
    with pytest.raises(ValidationError, match="initial_margin"):
        Execution(maintenance_margin=0.3)
