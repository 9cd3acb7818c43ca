"""Which of many is better: against arch on the same resampled days; what happens to noise, and to skill."""

from __future__ import annotations

import numpy as np
import pytest
from arch.bootstrap import MCS, SPA, StationaryBootstrap, StepM

from lim_pipelines.bootstrap import resampled_rows, times_drawn
from lim_pipelines.evaluate.confidence_set import confidence_set
from lim_pipelines.evaluate.superiority import superiority

DAYS, SAMPLES, BLOCK = 250, 500, 10


def times(days: int = DAYS, seed: int = 0) -> np.ndarray:
    return times_drawn(resampled_rows(days, SAMPLES, BLOCK, np.random.default_rng(seed)))


def theirs(days: int = DAYS, seed: int = 1) -> np.ndarray:
    """Draws of arch's own bootstrap with a seed, so that both see the same samples."""
    bootstrap = StationaryBootstrap(BLOCK, np.arange(days), seed=seed)
    return times_drawn(np.array([drawn[0][0] for drawn in bootstrap.bootstrap(SAMPLES)]))


def world(seed: int, *skills: float, trials: int = 20, days: int = DAYS) -> np.ndarray:
    """Independent trials; the first have these Sharpe ratios a day."""
    returns = np.random.default_rng(seed).normal(0.0, 1.0, (days, trials))
    returns[:, : len(skills)] += skills
    return returns


@pytest.mark.parametrize("skills", [(), (0.1,), (0.16, 0.14, -0.3, -0.2), (-0.2,) * 20])
def test_arch_says_nearly_the_same_of_long_records(skills: tuple[float, ...]) -> None:
    """It does not studentise (8.0), so it is handed records of the same volatility."""
    drawn = theirs(1500)
    raw = world(3, *skills, days=1500) * np.linspace(0.5, 4.0, 20)
    found = superiority(raw, drawn)
    scaled = raw / raw.std(axis=0)
    spa = SPA(np.zeros(1500), -scaled, block_size=BLOCK, reps=SAMPLES, seed=1)
    spa.compute()
    assert (found.lower, found.consistent, found.upper) == pytest.approx(tuple(spa.pvalues), abs=0.03)
    stepm = StepM(np.zeros(1500), -scaled, size=0.05, block_size=BLOCK, reps=SAMPLES, seed=1)
    stepm.compute()
    assert set(np.flatnonzero(found.each <= 0.05)) == set(stepm.superior_models)


@pytest.mark.parametrize("skills", [(), (0.2, 0.17), (0.3,) * 10])
def test_arch_has_the_same_confidence_set_of_long_records(skills: tuple[float, ...]) -> None:
    returns = world(4, *skills, days=1500)
    drawn = theirs(1500)
    found = confidence_set(returns, drawn, 0.1)
    mcs = MCS(-returns, size=0.1, block_size=BLOCK, reps=SAMPLES, method="max", seed=1)
    mcs.compute()
    assert list(np.flatnonzero(found)) == list(mcs.included)
    assert found[0]


def test_scale_does_not_matter() -> None:
    returns, drawn = world(5, 0.2), times()
    one, other = superiority(returns, drawn), superiority(returns * np.linspace(0.01, 100.0, 20), drawn)
    assert one.consistent == other.consistent
    assert (one.each == other.each).all()


def test_bad_trials_do_not_hide_a_good_one() -> None:
    """Hansen (2005), section 3: the point of the consistent p-value. They weaken the reality check."""
    drawn = times(days=200)
    alone, among = [], []
    for seed in range(40):
        returns = world(seed, 0.22, *(-0.6,) * 99, trials=100, days=200)
        alone.append(superiority(returns[:, :1], drawn))
        among.append(superiority(returns, drawn))
    power = [np.mean([one.consistent <= 0.05 for one in found]) for found in (alone, among)]
    checked = np.mean([one.upper <= 0.05 for one in among])
    assert power[1] == pytest.approx(power[0], abs=0.05)
    assert power[0] > 0.7
    assert checked < power[1] - 0.1


@pytest.mark.parametrize(("days", "trials"), [(62, 30), (250, 50)])
def test_noise_is_found_good_as_often_as_the_level_says(days: int, trials: int) -> None:
    found = []
    for seed in range(200):
        rows = resampled_rows(days, SAMPLES, days ** (1 / 3), np.random.default_rng(1000 + seed))
        found.append(superiority(world(seed, trials=trials, days=days), times_drawn(rows)))
    # Binomial: 200 worlds at 5 % have a standard deviation of 1.5 points. Hansen's error gives 20 and 13 %.
    assert np.mean([one.consistent <= 0.05 for one in found]) == pytest.approx(0.05, abs=0.04)
    familywise = np.mean([(one.each <= 0.05).any() for one in found])
    assert familywise == np.mean([one.consistent <= 0.05 for one in found])


def test_stepping_down_finds_the_second_best_more_easily() -> None:
    drawn = times()
    found = superiority(world(8, 0.4, 0.21, trials=30), drawn)
    assert (np.diff(found.each[np.argsort(found.each)]) >= 0).all()
    assert found.each[0] == found.consistent
    assert found.each[0] <= 0.05


def test_the_best_is_in_the_set_as_often_as_it_says() -> None:
    held, sizes = [], []
    drawn = times()
    for seed in range(150):
        inside = confidence_set(world(seed, 0.3, 0.25, 0.25, *(-0.2,) * 7, trials=10), drawn, 0.1)
        held.append(inside[0])
        sizes.append(inside[3:].sum())
    assert np.mean(held) >= 0.9
    # Those that are far behind go out.
    assert np.mean(sizes) < 0.5


def test_a_trial_that_is_the_benchmark_is_refused() -> None:
    returns = world(9)
    returns[:, 3] = 0.0
    with pytest.raises(ValueError, match="leave that trial out"):
        superiority(returns, times())
