from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.portfolio.markowitz import Markowitz, OptimiserError
from lim_pipelines.portfolio.risk import root, shrunk_covariance

N = 8
RNG = np.random.default_rng(0)
COVARIANCE = shrunk_covariance(0.02 * RNG.standard_normal((60, N)))
ROOT = root(COVARIANCE)
LOOSE = Markowitz(N, risk_aversion=10.0, gross=100.0, max_position=50.0)
TIGHT = Markowitz(N, risk_aversion=1.0, gross=1.0, max_position=0.2)
FREE = np.zeros(N)


def test_the_problem_compiles_once() -> None:
    assert TIGHT._problem.is_dpp()


def test_without_binding_limits_it_is_the_closed_form() -> None:
    mean = 0.01 * RNG.standard_normal(N)
    ones, inverse = np.ones(N), np.linalg.inv(COVARIANCE)
    # First-order condition of the problem with sum w = 0: mu - 2 gamma Sigma w = lambda 1.
    price = ones @ inverse @ mean / (ones @ inverse @ ones)
    expected = inverse @ (mean - price * ones) / (2 * 10.0)
    assert LOOSE.solve(mean, ROOT, FREE, FREE) == pytest.approx(expected, abs=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.0, 0.01), st.floats(1e-4, 0.1))
def test_limits_hold_and_no_feasible_book_is_better(seed: int, cost: float, size: float) -> None:
    rng = np.random.default_rng(seed)
    mean, previous = size * rng.standard_normal(N), 0.1 * rng.standard_normal(N)
    costs = np.full(N, cost)

    def value(w: np.ndarray) -> float:
        return float(mean @ w - 1.0 * w @ COVARIANCE @ w - costs @ np.abs(w - previous))

    weights = TIGHT.solve(mean, ROOT, previous, costs)
    assert abs(weights.sum()) < 1e-7
    assert np.abs(weights).sum() <= 1.0 + 1e-6
    assert np.abs(weights).max() <= 0.2 + 1e-7
    for _ in range(50):
        other = rng.standard_normal(N)
        other -= other.mean()
        other *= rng.random() * min(1.0 / np.abs(other).sum(), 0.2 / np.abs(other).max())
        assert value(weights) >= value(other) - 1e-7
        assert value(weights) >= value(0.99 * weights + 0.01 * other) - 1e-7


def test_a_trade_that_does_not_pay_its_cost_is_not_made() -> None:
    mean = np.array([0.001, -0.001] + [0.0] * (N - 2))
    previous = np.array([0.1, -0.1] + [0.0] * (N - 2))
    assert TIGHT.solve(mean, ROOT, FREE, np.full(N, 0.002)) == pytest.approx(FREE, abs=1e-6)
    assert TIGHT.solve(mean, ROOT, previous, np.full(N, 0.05)) == pytest.approx(previous, abs=1e-6)


def test_an_answer_does_not_depend_on_earlier_questions() -> None:
    mean = 0.01 * RNG.standard_normal(N)
    first = TIGHT.solve(mean, ROOT, FREE, FREE)
    TIGHT.solve(-5 * mean, 3 * ROOT, np.full(N, 0.1), np.full(N, 0.01))
    assert TIGHT.solve(mean, ROOT, FREE, FREE).tobytes() == first.tobytes()


@pytest.mark.parametrize("name", ["mean", "root", "previous", "cost"])
def test_what_is_not_finite_is_named(name: str) -> None:
    inputs = {"mean": FREE.copy(), "root": ROOT.copy(), "previous": FREE.copy(), "cost": FREE.copy()}
    inputs[name].flat[3] = np.nan
    with pytest.raises(OptimiserError, match=rf"{name} is not finite at .*3"):
        TIGHT.solve(**inputs)


def test_a_failed_solve_says_what_was_asked() -> None:
    with pytest.raises(OptimiserError, match=r"no positions for 8 instruments.*max_position=0.2"):
        TIGHT.solve(np.full(N, 1e300), 1e100 * ROOT, FREE, FREE)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 40), st.integers(2, 12), st.floats(0.0, 0.5))
def test_a_shrunk_covariance_is_one(seed: int, periods: int, n: int, gaps: float) -> None:
    rng = np.random.default_rng(seed)
    returns = 0.01 * rng.standard_normal((periods, n))
    full = returns.copy()
    returns[rng.random(returns.shape) < gaps] = np.nan
    covariance = shrunk_covariance(returns)
    assert np.allclose(covariance, covariance.T)
    assert np.linalg.eigvalsh(covariance).min() >= -1e-15
    sample = np.cov(full.T, bias=True)
    assert np.trace(shrunk_covariance(full)) == pytest.approx(np.trace(sample))  # the mean variance is kept
    assert root(covariance).T @ root(covariance) == pytest.approx(covariance, abs=1e-12)


def test_much_data_needs_no_shrinking_and_little_needs_much() -> None:
    truth = np.diag([1.0, 2.0, 3.0, 4.0])
    rng = np.random.default_rng(1)
    many = rng.standard_normal((100_000, 4)) @ np.sqrt(truth)
    assert shrunk_covariance(many) == pytest.approx(truth, abs=0.05)
    few = rng.standard_normal((5, 50))
    error = [
        ((estimate - np.eye(50)) ** 2).sum()
        for estimate in (shrunk_covariance(few), np.cov(few.T, bias=True))
    ]
    assert error[0] < 0.2 * error[1]


def test_constant_returns_have_no_risk_and_too_few_are_refused() -> None:
    assert np.abs(shrunk_covariance(np.full((10, 3), 0.01))).max() < 1e-30
    with pytest.raises(ValueError, match="risk_sessions"):
        shrunk_covariance(np.zeros((1, 3)))
