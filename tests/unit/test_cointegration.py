"""Engle and Granger's two steps, against statsmodels and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.tsa.stattools import coint

from lim_pipelines.strategies.cointegration import engle_granger, p_values


def walks(seed: int, count: int = 400, width: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, width)).cumsum(axis=0) * 0.01


def test_statistics_and_p_values_are_those_of_statsmodels() -> None:
    x, y = walks(1), walks(2)
    y[:, 2] = x[:, 2] * 0.7 + 0.01 * np.random.default_rng(3).standard_normal(400)
    found = engle_granger(x, y)
    theirs = [coint(x[:, k], y[:, k], trend="c", maxlag=1, autolag=None) for k in range(5)]
    assert found.statistic == pytest.approx([one[0] for one in theirs], rel=1e-6)
    assert p_values(found.statistic) == pytest.approx([one[1] for one in theirs], rel=1e-3)
    assert np.argmin(found.statistic) == 2


def test_the_half_life_is_that_of_the_process() -> None:
    rng, phi, spread = np.random.default_rng(4), 0.5 ** (1 / 8), [0.0]
    for shock in rng.standard_normal(20_000):
        spread.append(phi * spread[-1] + 0.01 * shock)
    y = rng.standard_normal(20_001).cumsum()[:, None] * 0.01
    found = engle_granger(1.5 * y + np.array(spread)[:, None], y)
    assert found.hedge[0] == pytest.approx(1.5, abs=0.02)
    assert found.half_life[0] == pytest.approx(8, rel=0.15)


@given(st.integers(0, 50), st.floats(0.1, 10), st.floats(-5, 5))
def test_neither_units_nor_levels_matter(seed: int, unit: float, level: float) -> None:
    x, y = walks(seed, 120), walks(seed + 1000, 120)
    here, other = engle_granger(x, y), engle_granger(x * unit + level, y * unit - level)
    assert other.hedge == pytest.approx(here.hedge, rel=1e-6)
    assert other.statistic == pytest.approx(here.statistic, rel=1e-6)


def test_prices_that_never_move_are_no_pair_and_no_error() -> None:
    found = engle_granger(walks(1, 50, 1), np.ones((50, 1)))
    assert found.hedge.tolist() == [0.0]
    assert math.isfinite(found.statistic[0])
    still = engle_granger(np.ones((50, 1)), np.ones((50, 1)))
    assert still.statistic.tolist() == [0.0]
    assert math.isinf(still.half_life[0])
    assert p_values(still.statistic)[0] > 0.5


@given(st.floats(-40, 10), st.floats(-40, 10))
def test_a_lower_statistic_is_never_likelier(one: float, other: float) -> None:
    low, high = p_values(np.array([min(one, other), max(one, other)]))
    assert 0 <= low <= high + 2e-3 <= 1 + 2e-3
