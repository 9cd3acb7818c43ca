from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategy_world import NAMES, market

from lim_pipelines.backtest.metrics import correlations, drawdowns, performance, pooled, realised, scores
from lim_pipelines.finetune.base import rank_correlation
from lim_pipelines.finetune.labels import daily_returns, with_labels
from lim_pipelines.finetune.spec import Task
from lim_pipelines.schemas import BACKTEST_DAILY, SCORES, TARGETS


def record(net: list[float], cost: float = 0.0, arm: str = "full", seed: int = 0) -> pl.DataFrame:
    n = len(net)
    return BACKTEST_DAILY.conform(
        pl.DataFrame(
            {
                "date": [date(2018, 1, 1) + timedelta(days=i) for i in range(n)],
                "net_return": pl.Series(net, dtype=pl.Float64),
            }
        ).with_columns(
            strategy=pl.lit("s"),
            arm=pl.lit(arm),
            seed=pl.lit(seed),
            gross_return=pl.col("net_return") + cost,
            cost=pl.lit(cost),
            turnover=0.1,
            gross_exposure=0.5,
            net_exposure=-0.2,
        )
    )


def test_figures_by_hand() -> None:
    figures = performance(record([0.10, -0.05, 0.02, -0.01], cost=0.001))
    net = np.array([0.10, -0.05, 0.02, -0.01])
    total = 1.10 * 0.95 * 1.02 * 0.99 - 1
    assert figures["total_return"] == pytest.approx(total)
    assert figures["cagr"] == pytest.approx((1 + total) ** 63 - 1)
    assert figures["sharpe"] == pytest.approx(0.015 / net.std(ddof=1) * math.sqrt(252))
    assert figures["gross_sharpe"] == pytest.approx(0.016 / net.std(ddof=1) * math.sqrt(252))
    assert figures["sortino"] == pytest.approx(0.015 / math.sqrt((0.05**2 + 0.01**2) / 4) * math.sqrt(252))
    assert figures["max_drawdown"] == pytest.approx(-0.05)
    assert figures["calmar"] == pytest.approx(figures["cagr"] / 0.05)
    assert figures["hit_rate"] == 0.5
    assert figures["turnover_per_year"] == pytest.approx(25.2)
    assert figures["cost_per_year"] == pytest.approx(0.252)
    assert figures["average_gross"] == pytest.approx(0.5)
    assert figures["average_net"] == pytest.approx(-0.2)


def test_a_first_day_loss_is_a_drawdown_and_still_water_has_no_sharpe() -> None:
    assert drawdowns(np.array([-0.1, 0.05])).tolist() == pytest.approx([-0.1, -0.055])
    assert math.isnan(performance(record([0.0, 0.0, 0.0]))["sharpe"])
    assert performance(record([-1.5, 0.0]))["cagr"] == -1.0
    assert math.isnan(performance(record([]))["total_return"])


def test_the_dust_that_a_solver_leaves_is_no_position() -> None:
    dust = record([3e-12, -1e-12, 2e-12]).with_columns(gross_exposure=pl.lit(8e-11))
    figures = performance(dust)
    for name in ("sharpe", "gross_sharpe", "sortino", "calmar", "hit_rate"):
        assert math.isnan(figures[name]), name


@settings(max_examples=50)
@given(st.lists(st.floats(-0.5, 0.5), min_size=2, max_size=60))
def test_drawdown_is_the_worst_stretch(returns: list[float]) -> None:
    equity = np.concatenate([[1.0], np.cumprod(1 + np.array(returns))])
    worst = min(equity[j] / equity[i] - 1 for i in range(len(equity)) for j in range(i, len(equity)))
    assert drawdowns(np.array(returns)).min() == pytest.approx(worst, abs=1e-12)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4)), min_size=2, max_size=40))
def test_rank_correlation_is_polars_spearman(pairs: list[tuple[int, int]]) -> None:
    frame = pl.DataFrame(pairs, schema={"a": pl.Float64, "b": pl.Float64}, orient="row")
    expected = frame.select(pl.corr("a", "b", method="spearman")).item()
    got = rank_correlation(frame["a"].to_numpy(), frame["b"].to_numpy())
    assert got == pytest.approx(math.nan if expected is None else expected, nan_ok=True, abs=1e-9)


def forecasts(bars: pl.DataFrame, horizon: int, skill: float) -> pl.DataFrame:
    """Forecasts that are the truth (skill 1), its opposite (-1) or nothing but it."""
    rows = with_labels(daily_returns(bars), horizon).filter(pl.col("date") > date(2018, 3, 1))
    return TARGETS.conform(
        rows.with_columns(
            strategy=pl.lit("s"),
            cutoff=pl.lit(date(2018, 3, 1)),
            arm=pl.lit("head"),
            seed=pl.lit(1),
            spec_digest=pl.lit(""),
            model_digest=pl.lit(""),
            decided_at=pl.lit(datetime(2018, 3, 1, tzinfo=UTC)),
            forecast=skill * pl.col("label").fill_null(0.0),
            weight=0.0,
        )
    )


def test_what_was_not_forecast_is_no_forecast() -> None:
    bars = market()
    targets = forecasts(bars, 5, 1.0).with_columns(
        forecast=pl.when(pl.col("instrument_id") != NAMES[0]).then("forecast")
    )
    judged = realised(targets, bars, 5)
    assert NAMES[0] not in judged["instrument_id"].to_list()
    assert correlations("cross_sectional", judged)["rank_ic"].min() == pytest.approx(1.0)


@pytest.mark.parametrize("task", ["directional", "cross_sectional"])
def test_perfect_forecasts_have_rank_ic_one_and_unknown_outcomes_count_for_nothing(task: Task) -> None:
    bars = market()
    for skill in (1.0, -1.0):
        targets = forecasts(bars, 5, skill)
        judged = realised(targets, bars, 5)
        assert judged.height == targets.height - 6 * len(NAMES)
        ics = correlations(task, judged)
        assert ics["rank_ic"].to_list() == pytest.approx([skill] * ics.height)
        assert ics.height == (len(NAMES) if task == "directional" else judged["date"].n_unique())


def test_scores_are_rows_of_their_table_and_undefined_ones_are_null() -> None:
    bars = market()
    targets = forecasts(bars, 5, 0.0)
    table = scores("s", "cross_sectional", 5, record([0.0] * 5, arm="head", seed=1), targets, bars)
    assert table.schema == SCORES.schema
    values = dict(table.select("metric", "value").iter_rows())
    assert values["sharpe"] is None
    assert values["rank_ic"] is None
    assert values["rank_ic_count"] == 0.0


def test_a_pool_is_the_mean_of_its_seeds() -> None:
    both = pl.concat(
        [record([0.1, 0.2], seed=1), record([0.3, -0.2], seed=2), record([9.0, 9.0], arm="ridge")]
    )
    assert pooled(both, "full")["net_return"].to_list() == pytest.approx([0.2, 0.0])
