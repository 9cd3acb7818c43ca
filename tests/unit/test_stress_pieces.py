"""Pieces of stress tests: worse data that hang on nothing but themselves, other costs and settings."""

from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategy_world import market, spec

from lim_pipelines.backtest.metrics import drawdowns, sharpe_per_day
from lim_pipelines.finetune.costs import Costs
from lim_pipelines.lake import midnight
from lim_pipelines.schemas import VALIDATED_BARS
from lim_pipelines.strategies.spec import StrategySpec
from lim_pipelines.stress.compare import alone, inside, paired
from lim_pipelines.stress.costed import costed
from lim_pipelines.stress.histories import histories
from lim_pipelines.stress.late import later
from lim_pipelines.stress.markets import DATED, crises, weathers
from lim_pipelines.stress.perturb import moved, thinned, uniform
from lim_pipelines.stress.settings import varied

BARS = market(names=("XSIM:SIM01", "XSIM:SIM02"), end=date(2018, 3, 1)).with_columns(
    open=pl.col("close") * 0.99, high=pl.col("close") * 1.01, low=pl.col("close") * 0.98
)
COSTS = Costs(half_spread_bps=10.0)
HALF = 10e-4
PRICES = ("open", "high", "low", "close")


@given(st.sets(st.integers(0, BARS.height - 1), min_size=1), st.integers(0, 3))
def test_what_is_drawn_hangs_on_instrument_and_moment_not_on_other_rows(rows: set[int], seed: int) -> None:
    some = BARS[sorted(rows)]
    for worse in (lambda bars: moved(bars, 1.0, COSTS, seed), lambda bars: thinned(bars, 0.5, seed)):
        whole, part = worse(BARS), worse(some)
        assert part.equals(whole.join(part, on=VALIDATED_BARS.key, how="semi", maintain_order="left"))
        assert part.height == whole.join(some, on=VALIDATED_BARS.key, how="semi").height


def test_draws_are_even_and_unlike_for_neighbours() -> None:
    names = pl.Series(["a"] * 20_000 + ["b"] * 20_000)
    drawn = uniform(names, np.tile(np.arange(20_000), 2), 1)
    assert (drawn.min() >= 0.0) & (drawn.max() < 1.0)
    assert np.histogram(drawn, bins=10, range=(0, 1))[0] == pytest.approx(4000, rel=0.06)
    one, other = drawn[:20_000], drawn[20_000:]
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.03
    assert abs(np.corrcoef(one[1:], one[:-1])[0, 1]) < 0.03
    assert not np.array_equal(uniform(names[:9], np.arange(9), 2), drawn[:9])


def test_every_price_is_off_by_the_half_spread_and_a_bar_stays_a_bar() -> None:
    off = moved(BARS, 1.0, COSTS)
    ratio = off["close"] / BARS["close"] - 1.0
    assert ratio.abs().to_numpy() == pytest.approx(HALF)
    assert 0.4 < (ratio > 0).mean() < 0.6
    high = pl.max_horizontal(PRICES) == pl.col("high")
    assert off.select((high & (pl.min_horizontal(PRICES) == pl.col("low"))).all()).item()
    assert off.drop(PRICES).equals(BARS.drop(PRICES))
    assert moved(BARS, 0.0, COSTS).equals(BARS)


def test_what_the_vendor_does_not_give_is_not_made_up() -> None:
    close_only = BARS.with_columns(pl.lit(None, dtype=pl.Float64).alias(name) for name in PRICES[:3])
    assert (
        moved(close_only, 1.0, COSTS).select(PRICES[:3]).null_count().sum_horizontal().item()
        == 3 * BARS.height
    )


def test_a_correction_of_a_bar_is_off_on_the_same_side() -> None:
    corrected = BARS.with_columns(pl.col("close") * 2, pl.col("known_at") + timedelta(days=2))
    both = moved(pl.concat([BARS, corrected]), 1.0, COSTS)
    assert (both[BARS.height :]["close"] / both[: BARS.height]["close"]).to_numpy() == pytest.approx(2.0)


def test_sessions_go_missing_whole_and_more_of_the_same() -> None:
    twice = pl.concat([BARS, BARS.with_columns(freq=pl.lit("1h"))])
    few, many = thinned(twice, 0.05), thinned(twice, 0.2)
    assert thinned(twice, 0.0).equals(twice)
    assert thinned(twice, 1.0).is_empty()
    assert 1 - many.height / twice.height == pytest.approx(0.2, abs=0.04)
    key = ["instrument_id", "date"]
    assert many.join(few, on=key, how="anti").is_empty()
    assert (many.group_by(key).len()["len"] == 2).all()


def test_no_split_or_roll_goes_missing() -> None:
    day = BARS["date"].unique().sort()[50]
    restated = BARS.with_columns(ex_factor=pl.when(pl.col("date") == day).then(0.5).otherwise(1.0))
    left = thinned(restated, 0.99)
    assert left.filter(pl.col("date") == day).height == 2
    assert left.height < 0.1 * BARS.height


def test_late_rows_are_known_when_the_next_session_would_have_been() -> None:
    one = BARS.filter(pl.col("instrument_id") == "XSIM:SIM01").sort("date")
    late = later(one, 1)
    assert late["known_at"][:-1].to_list() == one["known_at"][1:].to_list()
    assert late.drop("known_at").equals(one.drop("known_at"))
    assert (late["known_at"] > one["known_at"]).all()
    assert later(one, 0).equals(one)
    assert later(one.clear(), 1).is_empty()
    twice = later(one, 2)
    assert twice["known_at"][:-2].to_list() == one["known_at"][2:].to_list()


def test_costs_grow_orders_wait_and_only_what_has_opens_is_filled_there() -> None:
    one = spec(costs={"multiplier": 1.5})
    found, left = costed(one, BARS)
    by = {variant.scenario.name: variant.spec for variant in found}
    assert [by[f"costs x{n}"].costs.multiplier for n in (2, 5)] == [3.0, 7.5]
    assert (by["delay +1 session"].execution.delay, by["fill at the open"].execution.fill) == (2, "open")
    assert not left
    same = one.model_dump(exclude={"costs", "execution"})
    assert all(variant.model_dump(exclude={"costs", "execution"}) == same for variant in by.values())
    _, left = costed(one, BARS.with_columns(open=pl.lit(None, dtype=pl.Float64)))
    assert [(one.name, one.why) for one in left] == [("fill at the open", "100% of the bars have no open")]
    _, left = costed(spec(costs={"multiplier": 30}), BARS)
    assert [one.name for one in left] == ["costs x5"]
    _, left = costed(spec(execution={"delay": 20}), BARS)
    assert [one.name for one in left] == ["delay +1 session"]


def test_settings_are_varied_one_at_a_time_as_far_as_they_stay_valid() -> None:
    one = spec(portfolio={"max_position": 0.8, "risk_sessions": 30, "rebalance_every": 1})
    found, left = varied(one)
    for variant in found:
        own, other = one.portfolio.model_dump(), variant.spec.portfolio.model_dump()
        assert sum(own[name] != other[name] for name in own) == 1
        assert variant.spec.model_config_json() == one.model_config_json()
    names = {variant.scenario.name for variant in found}
    assert {"gross 1 to 0.5", "gross 1 to 1.5", "risk_aversion 10 to 5", "rebalance_every 1 to 2"} <= names
    assert not any("risk_factors" in name for name in names)
    reasons = {one.name: one.why for one in left}
    assert set(reasons) == {"max_position 0.8 to 1.2", "risk_sessions 30 to 15", "rebalance_every 1 to 0"}
    assert reasons["max_position 0.8 to 1.2"] == "Input should be less than or equal to 1"


def test_models_that_say_positions_have_no_settings_to_vary() -> None:
    content = spec("directional", fit={"steps": 20, "batch": 40}).model_dump(mode="json")
    del content["portfolio"]
    one = StrategySpec.model_validate(content | {"output": "position", "controls": []})
    assert varied(one) == ([], [])
    assert [variant.scenario.name for variant in costed(one, BARS)[0]][:2] == ["costs x2", "costs x5"]


@pytest.mark.parametrize("shift", [0.0, 0.002, -0.002])
def test_pairs_of_records_are_told_apart_where_each_alone_is_not(shift: float) -> None:
    rng = np.random.default_rng(3)
    returns = 0.01 * rng.standard_normal(250)
    gap = paired(returns + shift, returns)
    assert gap.value == pytest.approx((sharpe_per_day(returns + shift) - sharpe_per_day(returns)) * 252**0.5)
    assert gap.low <= gap.value <= gap.high
    assert np.sign(gap.low) == np.sign(gap.high) == np.sign(shift)
    assert alone(returns).low < 0 < alone(returns).high


def test_few_days_have_no_interval() -> None:
    returns = np.array([0.01, -0.01, 0.02])
    assert math.isnan(paired(returns, -returns).low)
    assert math.isnan(alone(returns).low)
    assert math.isnan(alone(np.zeros(50)).value)
    assert math.isnan(inside(np.arange(50.0), np.arange(50) < 10).low)


def test_days_that_lose_are_worse_than_the_others() -> None:
    rng = np.random.default_rng(4)
    bad = np.arange(300) % 100 < 40
    returns = 0.01 * rng.standard_normal(300) + np.where(bad, -0.005, 0.005)
    gap = inside(returns, bad)
    assert gap.low < gap.value < gap.high < 0
    assert gap.value == pytest.approx(
        (sharpe_per_day(returns[bad]) - sharpe_per_day(returns[~bad])) * 252**0.5
    )
    assert inside(returns, ~bad).value == pytest.approx(-gap.value)


def test_histories_of_a_steady_gain_are_that_gain() -> None:
    up = histories(np.full(100, 0.001))
    assert up.cagr == pytest.approx(1.001**252 - 1)
    assert (up.loss, up.max_drawdown.min()) == (0.0, 0.0)
    assert histories(np.full(100, -0.001)).loss == 1.0


def test_histories_keep_to_the_days_there_were_and_repeat() -> None:
    returns = 0.01 * np.random.default_rng(5).standard_normal(120)
    one = histories(returns)
    assert np.array_equal(one.sharpe, histories(returns).sharpe)
    assert np.median(one.sharpe) == pytest.approx(sharpe_per_day(returns) * 252**0.5, abs=0.5)
    assert one.max_drawdown.min() < drawdowns(returns).min() < one.max_drawdown.max() <= 0
    assert 0.0 < one.loss < 1.0


def test_crises_are_those_of_the_record_and_else_its_stormiest_months() -> None:
    days = BARS["date"].unique().sort()
    found, missing = crises(days, BARS, simulated=False)
    assert [span.scenario.name for span in found] == ["volatility 2018"]
    assert found[0].days.is_between(date(2018, 2, 1), date(2018, 2, 28)).all()
    assert len(found) + len(missing) == len(DATED)
    wild = pl.when(pl.col("date").is_between(date(2017, 5, 1), date(2017, 5, 31)))
    stormy = BARS.with_columns(
        close=wild.then(pl.col("close") * 1.2 ** (pl.col("date").dt.day() % 2)).otherwise("close")
    )
    months, missing = crises(days, stormy, simulated=True)
    assert "stormy month 2017-05" in [span.scenario.name for span in months]
    assert [one.name for one in missing] == ["dated crises"]
    nothing, missing = crises(days.filter(days < date(2018, 1, 1)), stormy, simulated=False)
    assert [span.scenario.name for span in nothing] == [span.scenario.name for span in months]
    assert len(missing) == len(DATED)
    assert all(one.first <= one.last for one in DATED)
    assert [one.first for one in DATED] == sorted(one.first for one in DATED)


def test_what_a_market_was_like_is_known_before_the_session() -> None:
    days = BARS["date"].unique().sort()
    change = days[-10]
    later_on = pl.when(pl.col("date") >= change).then(pl.col("close") * 3).otherwise("close")
    for one, other in zip(
        weathers(days, BARS), weathers(days, BARS.with_columns(close=later_on)), strict=False
    ):
        until = days.filter(days <= change)
        assert one.scenario == other.scenario
        assert one.days.filter(one.days.is_in(until.implode())).equals(
            other.days.filter(other.days.is_in(until.implode()))
        )


def test_a_session_is_in_one_regime_of_each_kind() -> None:
    spans = {span.scenario.name: set(span.days) for span in weathers(BARS["date"].unique().sort(), BARS)}
    stormy = [spans[name] for name in ("low volatility", "middle", "high volatility") if name in spans]
    assert sum(map(len, stormy)) == len(set.union(*stormy)) > 100
    assert not spans.get("rising market", set()) & spans.get("falling market", set())


@settings(max_examples=25)
@given(st.integers(1, 24 * 400))
def test_worse_data_never_show_a_bar_before_the_lake_does(hours: int) -> None:
    known = pl.col("known_at") <= midnight(date(2017, 2, 1)) + timedelta(hours=hours)
    plain = BARS.filter(known).select(VALIDATED_BARS.key)
    for worse in (later(BARS, 1), thinned(BARS, 0.2), moved(BARS, 1.0, COSTS)):
        assert worse.filter(known).join(plain, on=VALIDATED_BARS.key, how="anti").is_empty()
