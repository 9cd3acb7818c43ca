from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from strategy_world import spec

from lim_pipelines.bootstrap import resampled_rows
from lim_pipelines.evaluate.deflated_sharpe import deflated_sharpe, expected_best, probabilistic_sharpe
from lim_pipelines.evaluate.intervals import sharpe_interval
from lim_pipelines.evaluate.leaderboard import judge, leaderboard
from lim_pipelines.evaluate.ledger import trials
from lim_pipelines.schemas import BACKTEST_DAILY, TRIALS


def test_the_papers_worked_example() -> None:
    """Bailey and Lopez de Prado (2014), numerical example: annual Sharpe 2.5 over five years of days.

    100 trials whose annual Sharpe ratios have variance 1/2, skewness -3, kurtosis 10: the paper gets an
    expected best of 0.1132 a day and a DSR of 0.9004; with 46 trials 0.9505.
    """
    best = expected_best(100, 0.5 / 250)
    assert best == pytest.approx(0.1132, abs=5e-5)
    assert probabilistic_sharpe(2.5 / math.sqrt(250), 1250, -3.0, 10.0, best) == pytest.approx(
        0.9004, abs=5e-5
    )
    fewer = expected_best(46, 0.5 / 250)
    assert probabilistic_sharpe(2.5 / math.sqrt(250), 1250, -3.0, 10.0, fewer) == pytest.approx(
        0.9505, abs=5e-5
    )


def test_the_expected_best_of_noise_is_about_what_noise_reaches() -> None:
    rng = np.random.default_rng(3)
    best = rng.standard_normal((20_000, 30)).max(axis=1).mean()
    assert expected_best(30, 1.0) == pytest.approx(best, rel=0.02)
    assert expected_best(1, 1.0) == 0.0
    with pytest.raises(ValueError, match="itself is one"):
        expected_best(0, 1.0)


def test_psr_of_normal_returns_is_the_frequency_of_a_positive_mean() -> None:
    rng = np.random.default_rng(4)
    sharpes = rng.normal(0.05, 1.0, (4000, 250))
    observed = sharpes.mean(axis=1) / sharpes.std(axis=1, ddof=1)
    # Where PSR(0.05) says p, the estimate lies that far above the truth: uniform over repetitions.
    levels = [probabilistic_sharpe(float(s), 250, 0.0, 3.0, 0.05) for s in observed]
    assert np.quantile(levels, [0.1, 0.5, 0.9]) == pytest.approx([0.1, 0.5, 0.9], abs=0.03)


def test_more_trials_deflate_more() -> None:
    rng = np.random.default_rng(5)
    returns, others = rng.normal(0.001, 0.01, 500), rng.normal(0.0, 0.05, 200)
    values = [deflated_sharpe(returns, others[:n]) for n in (2, 20, 200)]
    assert values[0] > values[1] > values[2]
    assert deflated_sharpe(returns, others[:1]) > values[0]
    with pytest.raises(ValueError, match="differ"):
        deflated_sharpe(np.zeros(10), others)


def test_resampling_wraps_keeps_blocks_and_covers_all_days_alike() -> None:
    rows = resampled_rows(50, 4000, 10.0, np.random.default_rng(0))
    assert rows.min() == 0
    assert rows.max() == 49
    assert np.bincount(rows.ravel()) == pytest.approx(np.full(50, 4000), rel=0.12)
    follows = ((rows[:, 1:] - rows[:, :-1]) % 50 == 1).mean()
    assert follows == pytest.approx(0.9 + 0.1 / 50, abs=0.01)  # a block goes on, or a new one happens to


def test_intervals_hold_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(6)
    true = 0.08 * math.sqrt(252)
    held = 0
    for _ in range(120):
        low, high = sharpe_interval(rng.normal(0.0008, 0.01, 250))
        held += low <= true <= high
    assert 0.85 <= held / 120 <= 1.0
    returns = rng.normal(0, 0.01, 100)
    assert sharpe_interval(returns) == sharpe_interval(returns)
    assert math.isnan(sharpe_interval(np.zeros(100))[0])


def record(returns: np.ndarray, arm: str, seed: int) -> pl.DataFrame:
    days = [date(2018, 1, 1) + timedelta(days=i) for i in range(len(returns))]
    return BACKTEST_DAILY.conform(
        pl.DataFrame({"date": days, "net_return": returns, "gross_return": returns + 1e-4}).with_columns(
            strategy=pl.lit("small"),
            arm=pl.lit(arm),
            seed=pl.lit(seed),
            cost=1e-4,
            turnover=0.1,
            gross_exposure=1.0,
            net_exposure=0.0,
        )
    )


def daily(mean: float, days: int = 250, task: str = "directional") -> pl.DataFrame:
    rng = np.random.default_rng(7)
    noise = rng.normal(0, 0.01, (len(spec(task).books()), days))
    noise -= noise.mean(axis=1, keepdims=True)
    return pl.concat(
        [
            record(noise[i] + (mean if arm == spec(task).method else 0.0), arm, seed)
            for i, (arm, seed) in enumerate(spec(task).books())
        ]
    )


def test_the_ledger_counts_every_arm_and_seed_once() -> None:
    one = trials("small", "digest", False, daily(0.001))
    assert one.schema == TRIALS.schema
    assert one.height == len(spec("directional").books())
    assert one.filter(pl.col("arm") == "full")["sharpe_per_day"].to_list() == pytest.approx(
        [0.1] * 2, rel=0.2
    )
    flat = trials("small", "digest", False, record(np.zeros(10), "ridge", 0))
    assert flat["sharpe_per_day"].to_list() == [0.0]


@pytest.mark.parametrize(
    ("mean", "days", "words"),
    [
        (0.004, 250, "Better than luck after 6 trials"),
        (0.0004, 250, "Not distinguishable from luck after 6 trials"),
        (-0.001, 250, "Loses money after costs"),
        (0.004, 40, "Too short to judge: 40 sessions"),
    ],
)
def test_verdicts_in_plain_words(mean: float, days: int, words: str) -> None:
    rows = daily(mean, days)
    verdict = judge(spec("directional"), rows, trials("small", "d", False, rows)).verdict
    assert words in verdict
    assert ("ahead of" in verdict) == (mean > 0)
    assert "SIMULATED" not in verdict


def test_a_strategy_that_never_trades_is_said_to() -> None:
    rows = daily(0.0).with_columns(net_return=0.0, gross_return=0.0)
    judged = judge(spec("directional"), rows, trials("small", "d", False, rows))
    assert "Never traded" in judged.verdict
    assert math.isnan(judged.deflated)


def test_simulated_strategies_stand_apart() -> None:
    real, pretend = spec("directional", name="real_one"), spec(name="pretend")
    table = leaderboard(
        [
            judge(pretend, daily(0.004, task="cross_sectional"), trials("pretend", "d", True, daily(0.001))),
            judge(real, daily(0.001), trials("real_one", "d", False, daily(0.001))),
        ]
    )
    assert table["strategy"].to_list() == ["real_one", "pretend"]
    assert table["section"].to_list() == ["real data", "SIMULATED data"]
    assert table["trials"].to_list() == [6, 6]
    assert table["verdict"][1].startswith("SIMULATED market")
    assert leaderboard([]).height == 0
