"""Choosing the best of many: what comes out by hand, by another library, and of noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from purgedcv import probability_of_backtest_overfitting

from lim_pipelines.evaluate.overfitting import blocks_of, overfitting


def noise(seed: int, days: int, trials: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, 1.0, (days, trials))


def test_by_hand() -> None:
    """Two trials, two halves: A wins the first and loses the second, so whoever is chosen is the worse."""
    a, b = [3.0, 1.0, -3.0, -1.0], [-3.0, -1.0, 3.0, 1.0]
    found = overfitting(np.array([a, b]).T, 2)
    ratio = 2.0 / math.sqrt(2.0)
    assert found.chosen_by == pytest.approx([ratio, ratio])
    assert found.judged == pytest.approx([-ratio, -ratio])
    assert found.logits == pytest.approx([math.log((1 / 3) / (2 / 3))] * 2)
    assert (found.probability, found.loss_probability) == (1.0, 1.0)
    assert math.isnan(found.slope)


@pytest.mark.parametrize(("trials", "blocks"), [(2, 4), (10, 8), (40, 10)])
def test_another_library_says_the_same(trials: int, blocks: int) -> None:
    # A slow drift makes it something else than noise; the number of days is no multiple of that of blocks.
    returns = noise(1, 240, trials) + np.linspace(0.0, 0.2, trials)
    found = overfitting(returns, blocks)
    other = probability_of_backtest_overfitting(returns.T, blocks)
    assert found.probability == pytest.approx(other.pbo)
    assert sorted(found.logits) == pytest.approx(sorted(other.logits))
    assert found.slope == pytest.approx(other.slope)
    assert len(found.logits) == other.n_combos == math.comb(blocks, blocks // 2)


def test_the_paper_s_case_of_equal_sharpe_ratios() -> None:
    """Bailey et al. (2017): of Sharpe ratio 0 over all days, they lose here what they gain there."""
    returns = noise(2, 500, 100)
    returns = (returns - returns.mean(axis=0)) / returns.std(axis=0, ddof=1)
    found = overfitting(returns, 8)
    assert found.probability == 1.0
    assert found.loss_probability == 1.0
    assert found.slope < 0


def test_noise_is_chosen_right_as_often_as_wrong() -> None:
    found = [overfitting(noise(seed, 240, trials), 8).probability for seed in range(60) for trials in (9, 20)]
    # 120 worlds, whose values have a standard deviation of .17.
    assert np.mean(found) == pytest.approx(0.5, abs=0.05)


def test_skill_is_chosen_right() -> None:
    returns = noise(3, 1000, 50)
    returns[:, 7] += 0.25
    found = overfitting(returns, 10)
    assert found.probability < 0.02
    assert found.loss_probability < 0.02
    assert found.judged.mean() == pytest.approx(0.25, abs=0.06)


def test_a_trial_that_never_traded_is_one_of_many() -> None:
    returns = noise(4, 120, 5)
    returns[:, 2] = 0.0
    found = overfitting(returns, 6)
    other = probability_of_backtest_overfitting(returns.T, 6)
    assert sorted(found.logits) == pytest.approx(sorted(other.logits))


def test_equal_trials_are_a_coin_toss() -> None:
    returns = np.repeat(noise(5, 120, 1), 3, axis=1)
    assert overfitting(returns, 6).probability == 0.5


def test_what_cannot_be_judged_is_said() -> None:
    assert [blocks_of(days) for days in (39, 40, 62, 125, 5000)] == [0, 4, 6, 12, 16]
    with pytest.raises(ValueError, match="at least two"):
        overfitting(noise(6, 100, 1), 4)
    with pytest.raises(ValueError, match="even number up to 50"):
        overfitting(noise(6, 100, 3), 5)
