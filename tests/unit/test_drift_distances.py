"""Distances between samples: by hand, against scipy, and as laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.validate.drift.distances import ranked, scalar_distances, vector_distances
from lim_pipelines.validate.drift.windows import Stretches


def two(past: np.ndarray, recent: np.ndarray) -> tuple[np.ndarray, Stretches]:
    """A reference of one stretch, and a recent one."""
    return np.concatenate([past, recent]), np.repeat([0, 1], [len(past), len(recent)])


def test_stability_by_hand() -> None:
    sample = np.arange(1000.0)
    assert scalar_distances(*two(sample, sample), 1)["psi"][-1] == 0
    top = scalar_distances(*two(sample, np.full(1000, 999.0)), 1)["psi"][-1]
    # Ten bins and one for missing values, half an observation added to each.
    p, q, rest = 100.5 / 1005.5, 1000.5 / 1005.5, 0.5 / 1005.5
    assert top == pytest.approx((q - p) * np.log(q / p) + 9 * (rest - p) * np.log(rest / p))


def test_a_feature_that_falls_silent_is_far_away() -> None:
    sample = np.random.default_rng(1).standard_normal(1000)
    silent = np.where(np.arange(1000) < 500, np.nan, sample)
    values, stretch = two(sample, silent)
    found = scalar_distances(values, stretch, 1)
    assert found["psi"][-1] > 2
    assert found["ks"][-1] < 0.1, "the values that are there are the same"
    nothing = scalar_distances(*two(sample, np.full(10, np.nan)), 1)
    assert np.isfinite(nothing["psi"][-1])
    assert np.isnan(nothing["ks"][-1])


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.floats(-1, 1), st.floats(0.5, 2))
def test_the_distance_of_distribution_functions_is_that_of_scipy(
    seed: int, shift: float, scale: float
) -> None:
    from scipy.stats import ks_2samp

    rng = np.random.default_rng(seed)
    past, recent = rng.standard_normal(800), shift + scale * rng.standard_normal(300)
    found = scalar_distances(*two(past, recent), 1)["ks"][-1]
    assert found == pytest.approx(ks_2samp(past, recent).statistic, abs=0.012)


def discrepancy(x: np.ndarray, y: np.ndarray) -> float:
    """Gretton et al. (2012), equation 5, pair by pair."""
    pairs = [((a - b) ** 2).sum() for i, a in enumerate(x) for b in x[i + 1 :]]
    width = np.median(pairs)

    def mean(u: np.ndarray, v: np.ndarray) -> float:
        return float(np.mean([np.exp(-((a - b) ** 2).sum() / width) for a in u for b in v]))

    return mean(x, x) + mean(y, y) - 2 * mean(x, y)


def test_discrepancy_pair_by_pair() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((60, 3)), 0.7 + rng.standard_normal((50, 3))
    values = np.concatenate([x[:30], x[30:], y])
    stretch = np.repeat([0, 1, 2], [30, 30, 50])
    assert vector_distances(values, stretch, 2)[-1] == pytest.approx(discrepancy(x, y), abs=1e-5)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.floats(0.1, 10))
def test_what_has_no_units_does_not_see_them(seed: int, unit: float) -> None:
    rng = np.random.default_rng(seed)
    values, stretch = rng.standard_normal(900), np.repeat(np.arange(9), 100)
    one, other = scalar_distances(values, stretch, 8), scalar_distances(values * unit, stretch, 8)
    for name in one:
        np.testing.assert_allclose(one[name], other[name], atol=0.01)
    assert all((one[name] >= 0).all() for name in one)


def test_big_samples_are_thinned_and_the_same_rows_drawn_again() -> None:
    rng = np.random.default_rng(5)
    values, stretch = rng.standard_normal((90_000, 2)), np.repeat(np.arange(9), 10_000)
    first = vector_distances(values, stretch, 8)
    assert (first == vector_distances(values, stretch, 8)).all()
    assert first.max() < 0.1


def test_only_the_joint_discrepancy_sees_a_tie_between_variables() -> None:
    rng = np.random.default_rng(6)
    values, stretch = rng.standard_normal((4000, 2)), np.repeat(np.arange(10), 400)
    recent = stretch == 9
    values[recent] = np.sort(values[recent], axis=0)  # the same margins, perfectly tied
    joint = vector_distances(values, stretch, 9)
    assert joint[-1] > 2 * joint[:-1].max()
    for margin in values.T:
        alone = vector_distances(margin[:, None], stretch, 9)
        assert alone[-1] < 2 * alone[:-1].max()


def test_ranks_keep_only_how_variables_are_tied() -> None:
    stretch = np.array([1, 0, 1, 0])
    values = np.array([[5.0, 9.0], [1.0, 4.0], [6.0, 8.0], [-3.0, 40.0]])
    np.testing.assert_array_equal(
        ranked(values, stretch), [[0.25, 0.75], [0.75, 0.25], [0.75, 0.25], [0.25, 0.75]]
    )


def test_ranks_see_a_tie_that_margins_hide() -> None:
    rng = np.random.default_rng(7)
    stretch = np.repeat(np.arange(10), 400)
    # Each stretch has a level and a width of its own, as bars have.
    levels, widths = rng.standard_normal((2, 10, 2))
    values = levels[stretch] + np.exp(widths)[stretch] * rng.standard_normal((4000, 2))
    recent = stretch == 9
    values[recent] = np.sort(values[recent], axis=0)
    plain, ranks = (vector_distances(v, stretch, 9) for v in (values, ranked(values, stretch)))
    assert plain[-1] < plain[:-1].max()
    assert ranks[-1] > 2 * ranks[:-1].max()
