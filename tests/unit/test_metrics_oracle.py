"""Metrics against empyrical-reloaded, which shares no code with ours, and laws that hold for any record."""

from __future__ import annotations

import math
from datetime import date, timedelta
from random import Random

import empyrical
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.backtest.drawdowns import deepest_drawdowns
from lim_pipelines.backtest.metrics import break_even_cost, longest_drawdown, performance
from lim_pipelines.backtest.periods import by_year, monthly_returns
from lim_pipelines.reports import tables
from lim_pipelines.reports.page import percent
from lim_pipelines.schemas import BACKTEST_DAILY

RETURNS = st.lists(st.floats(-0.2, 0.2).map(lambda x: round(x, 6)), min_size=3, max_size=80)


def record(net: np.ndarray, cost: float = 0.0) -> pl.DataFrame:
    days = [date(2018, 1, 1) + timedelta(days=i) for i in range(len(net))]
    frame = pl.DataFrame({"date": days, "net_return": net}).with_columns(
        strategy=pl.lit("s"),
        arm=pl.lit("full"),
        seed=pl.lit(0),
        gross_return=pl.col("net_return") + cost,
        cost=pl.lit(cost),
        turnover=0.1,
        gross_exposure=0.5,
        net_exposure=0.0,
    )
    return BACKTEST_DAILY.conform(frame)


@pytest.mark.parametrize("seed", range(5))
def test_figures_are_those_of_empyrical(seed: int) -> None:
    rng = np.random.default_rng(seed)
    net = 0.0004 + 0.01 * rng.standard_t(4, 700)
    ours = performance(record(net))
    theirs = {
        "total_return": empyrical.cum_returns_final(net),
        "cagr": empyrical.cagr(net),
        "volatility": empyrical.annual_volatility(net),
        "sharpe": empyrical.sharpe_ratio(net),
        "sortino": empyrical.sortino_ratio(net),
        "max_drawdown": empyrical.max_drawdown(net),
        "calmar": empyrical.calmar_ratio(net),
    }
    assert {name: ours[name] for name in theirs} == pytest.approx(theirs, rel=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_months_and_years_are_those_of_empyrical(seed: int) -> None:
    import pandas as pd

    frame = record(0.01 * np.random.default_rng(seed).standard_normal(900))
    series = pd.Series(frame["net_return"].to_list(), index=pd.DatetimeIndex(frame["date"].to_list()))
    months = empyrical.aggregate_returns(series, "monthly")
    assert monthly_returns(frame)["net_return"].to_list() == pytest.approx(months.to_list())
    years = empyrical.aggregate_returns(series, "yearly")
    assert by_year(frame)["total_return"].to_list() == pytest.approx(years.to_list())
    _, rows = tables.months(frame)
    assert [cells[-1].text for _, cells in rows] == [percent(value) for value in years]


@settings(max_examples=60)
@given(RETURNS, st.floats(0.1, 0.9))
def test_a_smaller_bet_keeps_the_ratios_and_is_never_deeper_under_water(
    net: list[float], size: float
) -> None:
    whole, part = (performance(record(scale * np.array(net))) for scale in (1.0, size))
    for name in ("sharpe", "sortino", "hit_rate"):
        assert part[name] == pytest.approx(whole[name], nan_ok=True, rel=1e-6)
    assert part["volatility"] == pytest.approx(size * whole["volatility"], nan_ok=True, abs=1e-12)
    assert part["max_drawdown"] >= whole["max_drawdown"] - 1e-12


@settings(max_examples=60)
@given(RETURNS, st.randoms(use_true_random=False))
def test_what_does_not_know_of_time_is_the_same_in_any_order(net: list[float], dice: Random) -> None:
    mixed = list(net)
    dice.shuffle(mixed)
    one, other = performance(record(np.array(net))), performance(record(np.array(mixed)))
    for name in ("total_return", "volatility", "sharpe", "sortino", "hit_rate"):
        assert one[name] == pytest.approx(other[name], nan_ok=True, rel=1e-6, abs=1e-9)


@settings(max_examples=60)
@given(RETURNS)
def test_listed_drawdowns_hold_the_deepest_and_the_longest(net: list[float]) -> None:
    frame = record(np.array(net))
    listed, figures = deepest_drawdowns(frame, count=1000), performance(frame)
    assert listed["sessions"].sum() <= len(net)
    if listed.height:
        assert listed["depth"][0] == pytest.approx(figures["max_drawdown"])
        assert listed["sessions"].max() <= figures["max_drawdown_sessions"]
        assert (listed["began"] <= listed["lowest"]).all()
        assert (listed["lowest"] < listed["recovered"]).drop_nulls().all()
    else:
        assert figures["max_drawdown"] > -1e-8


def test_drawdowns_by_hand() -> None:
    frame = record(np.array([0.1, -0.1, 0.05, 0.2, -0.3, 0.1]))
    first, second = deepest_drawdowns(frame).sort("began").iter_rows(named=True)
    assert (first["began"], first["recovered"], first["sessions"]) == (date(2018, 1, 2), date(2018, 1, 4), 2)
    assert first["depth"] == pytest.approx(-0.1)
    assert (second["lowest"], second["recovered"], second["sessions"]) == (date(2018, 1, 5), None, 2)
    assert longest_drawdown(np.array([0.1, -0.1, 0.05, 0.2, -0.3, 0.1])) == 2
    assert longest_drawdown(np.array([0.1, 0.1])) == 0
    assert longest_drawdown(np.array([-0.1, 0.01])) == 2


def test_at_the_break_even_cost_nothing_is_left() -> None:
    frame = record(np.array([0.01, -0.002, 0.004]), cost=0.0005)
    rate = break_even_cost(frame) / 1e4
    assert float((frame["gross_return"] - rate * frame["turnover"]).sum()) == pytest.approx(0.0, abs=1e-15)
    assert math.isnan(break_even_cost(frame.with_columns(turnover=0.0)))
