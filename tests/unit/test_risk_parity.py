"""Risk parity: closed forms, skfolio, and equal contributions whatever the covariance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.portfolio.question import OptimiserError
from lim_pipelines.portfolio.risk.base import Floats, RiskModel
from lim_pipelines.portfolio.risk_parity import risk_parity


def dense(covariance: Floats) -> RiskModel:
    n = len(covariance)
    return RiskModel(np.eye(n), np.linalg.cholesky(covariance).T, np.zeros(n))


def alike(deviation: Floats, correlation: float) -> RiskModel:
    n = deviation.size
    matrix = (1 - correlation) * np.eye(n) + correlation
    return dense(matrix * np.outer(deviation, deviation))


@pytest.mark.parametrize("correlation", [0.0, 0.5, -0.2])
def test_with_equal_correlations_weights_are_inverse_volatilities(correlation: float) -> None:
    """Maillard, Roncalli and Teiletche (2010), equation 5; two instruments are the same, whatever theirs."""
    deviation = np.array([0.01, 0.02, 0.04, 0.05])
    expected = (1 / deviation) / (1 / deviation).sum()
    assert risk_parity(alike(deviation, correlation), np.ones(4)) == pytest.approx(expected, rel=1e-9)


@settings(max_examples=50)
@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 30), st.floats(1e-4, 10.0))
def test_every_instrument_adds_the_same(seed: int, n: int, factors: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    half = rng.standard_normal((factors, n))
    risk = RiskModel(half.T, scale * np.eye(factors), scale**2 * rng.uniform(0.01, 1.0, n))
    sides = rng.choice([-1.0, 1.0], n)
    weights = risk_parity(risk, sides)
    assert np.abs(weights).sum() == pytest.approx(1.0)
    assert (np.sign(weights) == sides).all()
    adds = weights * (risk.covariance() @ weights)
    assert adds == pytest.approx(np.full(n, adds.mean()), rel=1e-5)
    order = rng.permutation(n)
    permuted = RiskModel(risk.loadings[order], risk.factor_root, risk.specific[order])
    assert risk_parity(permuted, sides[order]) == pytest.approx(weights[order], rel=1e-6)


def test_it_is_skfolios_risk_budgeting() -> None:
    from skfolio.optimization import RiskBudgeting

    rng = np.random.default_rng(1)
    returns = 0.01 * rng.standard_normal((100, 6)) @ rng.uniform(0.2, 1.0, (6, 6))
    oracle = RiskBudgeting().fit(returns)
    weights = risk_parity(dense(np.cov(returns.T)), np.ones(6))
    assert weights == pytest.approx(oracle.weights_, abs=2e-4)


def test_many_instruments_that_are_nearly_one() -> None:
    risk = RiskModel(np.ones((3000, 1)), np.eye(1), np.full(3000, 1e-8))
    assert risk_parity(risk, np.ones(3000)) == pytest.approx(np.full(3000, 1 / 3000), rel=1e-6)


def test_without_risk_there_is_no_parity() -> None:
    with pytest.raises(OptimiserError, match="1 of 2 instruments have no risk"):
        risk_parity(RiskModel(np.zeros((2, 1)), np.eye(1), np.array([1.0, 0.0])), np.ones(2))
