"""Who earned it, in which weather, how long forecasts are good, and with how much money."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategy_world import NAMES, market

from lim_pipelines.backtest import engine
from lim_pipelines.backtest.attribution import contributions, holdings
from lim_pipelines.backtest.capacity import capacity, measured_capacity
from lim_pipelines.backtest.decay import HORIZONS, ic_decay
from lim_pipelines.backtest.metrics import correlations, pooled, realised
from lim_pipelines.backtest.periods import REGIMES, by_regime, regimes
from lim_pipelines.finetune.costs import Costs
from lim_pipelines.finetune.labels import daily_returns
from lim_pipelines.finetune.spec import Task
from lim_pipelines.schemas import TARGETS
from lim_pipelines.strategies.execution import Execution

FREE = Costs(multiplier=0.0)
PLAIN = Execution(exchange_rules=False)


def targets(bars: pl.DataFrame, seeds: tuple[int, ...] = (1, 2)) -> pl.DataFrame:
    days = bars.filter(pl.col("date") > date(2018, 3, 1)).select("date").unique().sort("date")[:-3]
    rng = np.random.default_rng(0)
    frame = days.join(pl.DataFrame({"instrument_id": NAMES}), how="cross").join(
        pl.DataFrame({"seed": seeds}), how="cross"
    )
    return TARGETS.conform(
        frame.with_columns(
            weight=pl.Series(rng.uniform(-0.2, 0.2, frame.height)),
            forecast=pl.Series(rng.normal(size=frame.height)),
            strategy=pl.lit("s"),
            cutoff=pl.lit(date(2018, 3, 1)),
            arm=pl.lit("head"),
            spec_digest=pl.lit(""),
            model_digest=pl.lit(""),
            exchange=pl.lit("XSIM"),
            decided_at=pl.col("date").cast(pl.Datetime("us", "UTC")),
        )
    )


@pytest.mark.parametrize("by", ["instrument_id", "exchange", "side"])
def test_profits_add_up_to_what_the_books_earned(by: str) -> None:
    bars = market()
    result = engine.run(targets(bars), bars, None, FREE, PLAIN)
    held = holdings(result, "head", bars)
    sessions = result.daily["date"].n_unique()
    found = contributions(held, by, sessions)
    earned = result.pnl["pnl"].sum() / 2
    assert found["pnl"].sum() == pytest.approx(earned, rel=1e-12)
    # Free of cost, what the capital of 1 became says the same.
    grown = [np.prod(1 + book["net_return"].to_numpy()) for _, book in result.daily.group_by("seed")]
    assert found["pnl"].sum() == pytest.approx(np.mean(grown) - 1, rel=1e-9)
    record = pooled(result.daily, "head")
    assert found["average_gross"].sum() == pytest.approx(record["gross_exposure"].mean(), rel=1e-9)
    assert found["average_net"].sum() == pytest.approx(record["net_exposure"].mean(), rel=1e-9)


def test_a_long_position_earns_on_the_long_side() -> None:
    bars = market()
    long = targets(bars, (1,)).with_columns(weight=pl.col("weight").abs())
    held = holdings(engine.run(long, bars, None, FREE, PLAIN), "head", bars)
    assert contributions(held, "side", 10)["side"].to_list() == ["long"]
    assert held["weight"].min() >= 0


def test_the_weather_is_that_of_the_day_before() -> None:
    bars = market()
    found = regimes(bars)
    assert set(found["regime"]) == set(REGIMES)
    last = found["date"][-1]
    # Whatever the last session brings, it was called what it is called before.
    shocked = bars.with_columns(
        close=pl.when(pl.col("date") == last).then(pl.col("close") * 3).otherwise("close")
    )
    assert regimes(shocked).equals(found)
    day_before = bars.with_columns(
        close=pl.when(pl.col("date") == found["date"][-2]).then(pl.col("close") * 3).otherwise("close")
    )
    assert regimes(day_before)["regime"][-1] == REGIMES[2]
    assert regimes(bars.filter(pl.col("date") < last)).equals(found[:-1])


def test_sessions_of_all_weathers_are_those_of_the_record() -> None:
    bars = market()
    record = pooled(engine.run(targets(bars), bars, None, FREE, PLAIN).daily, "head")
    found = by_regime(record, bars)
    assert found["days"].sum() == record.height
    assert found["period"].to_list() == [one for one in REGIMES if one in found["period"].to_list()]
    young = bars.filter(pl.col("date") > date(2018, 3, 1))
    assert by_regime(record, young)["days"].sum() < record.height


@pytest.mark.parametrize("task", ["directional", "cross_sectional"])
def test_decay_at_the_own_horizon_is_the_rank_ic(task: Task) -> None:
    bars = market()
    rows = targets(bars, (1,))
    found = ic_decay(task, "head", rows, bars)
    assert found["horizon"].to_list() == list(HORIZONS)
    for horizon in (1, 5, 20):
        mean = correlations(task, realised(rows, bars, horizon))["rank_ic"].mean()
        own = found.filter(pl.col("horizon") == horizon)["rank_ic"][0]
        assert own == pytest.approx(mean, abs=1e-9)


def test_a_forecast_of_the_next_session_fades() -> None:
    bars = market()
    ahead = daily_returns(bars).with_columns(forecast=pl.col("log_return").shift(-2).over("instrument_id"))
    rows = (
        targets(bars, (1,))
        .drop("forecast")
        .join(ahead.select("instrument_id", "date", "forecast"), on=["instrument_id", "date"])
    )
    found = ic_decay("cross_sectional", "head", rows, bars)["rank_ic"].to_list()
    assert found[0] == pytest.approx(1.0)
    assert found[0] > found[4] > found[19]
    assert ic_decay("cross_sectional", "nobody", rows, bars).is_empty()


@settings(max_examples=50)
@given(st.floats(0.001, 1), st.floats(0.0001, 1), st.floats(1e3, 1e9))
def test_at_capacity_impact_is_half_of_the_gross_return(gross: float, impact: float, capital: float) -> None:
    limit = capacity(gross, impact, capital)
    assert impact * np.sqrt(limit / capital) == pytest.approx(gross / 2)
    assert capacity(-gross, impact, capital) == 0.0
    assert np.isnan(capacity(gross, 0.0, capital))


def test_capacity_does_not_depend_on_the_capital_it_is_measured_with() -> None:
    bars = market().with_columns(volume=pl.lit(1e4))
    ahead = daily_returns(bars).with_columns(
        weight=0.1 * pl.col("log_return").shift(-2).over("instrument_id").sign()
    )
    rows = (
        targets(bars, (1,))
        .drop("weight")
        .join(ahead.select("instrument_id", "date", "weight"), on=["instrument_id", "date"])
    )
    through = max(bars["date"])
    found = [
        measured_capacity(
            "head",
            rows,
            bars,
            through,
            FREE.model_copy(update={"multiplier": 1.0}),
            Execution(exchange_rules=False, capital=money),
            engine.NO_FACTS,
        )
        for money in (1e2, 1e4)
    ]
    assert found[0] == pytest.approx(found[1], rel=0.02)
    assert found[0] > 0
    let_off = FREE.model_copy(update={"multiplier": 0.0})
    how = Execution(exchange_rules=False, capital=1e2)
    assert measured_capacity("head", rows, bars, through, let_off, how, engine.NO_FACTS) == found[0]
    silent = market()
    assert np.isnan(
        measured_capacity(
            "head", rows, silent, through, Costs(), Execution(exchange_rules=False), engine.NO_FACTS
        )
    )
