"""Risk models: what the sample says where it says enough, closed forms, other people's code."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.portfolio.risk.base import Floats, RiskModel
from lim_pipelines.portfolio.risk.exposures import exposures, standardised, styles
from lim_pipelines.portfolio.risk.fundamental import fundamental
from lim_pipelines.portfolio.risk.ledoit_wolf import ledoit_wolf
from lim_pipelines.portfolio.risk.pca import pca
from lim_pipelines.portfolio.risk.sample import sample

MODELS: dict[str, Callable[[Floats], RiskModel]] = {
    "sample": sample,
    "ledoit_wolf": ledoit_wolf,
    "pca": lambda returns: pca(returns, 3),
    "fundamental": lambda returns: fundamental(returns, market_only(returns)),
}


def market_only(returns: Floats) -> Floats:
    return np.ones((len(returns) + 1, returns.shape[1], 1))


def drawn(seed: int, periods: int, n: int, gaps: float = 0.0) -> Floats:
    """Returns with a market in them, and holes."""
    rng = np.random.default_rng(seed)
    returns = 0.01 * (rng.standard_normal((periods, n)) + rng.standard_normal((periods, 1)))
    returns[rng.random(returns.shape) < gaps] = np.nan
    return returns


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(3, 40), st.integers(2, 12), st.floats(0.0, 0.4))
def test_every_model_gives_a_covariance(name: str, seed: int, periods: int, n: int, gaps: float) -> None:
    """Symmetric and positive semidefinite; permuting instruments permutes it; a session more adds up."""
    returns = drawn(seed, periods, n, gaps)
    if name == "fundamental" and (np.isfinite(returns).sum(axis=1) > 1).sum() < 2:
        return
    model = MODELS[name](returns)
    covariance = model.covariance()
    assert np.linalg.eigvalsh(covariance).min() >= -1e-15
    order = np.random.default_rng(seed).permutation(n)
    assert MODELS[name](returns[:, order]).covariance() == pytest.approx(
        covariance[np.ix_(order, order)], abs=1e-14
    )
    weights = np.random.default_rng(seed).standard_normal(n)
    assert model.variance(weights) == pytest.approx(weights @ covariance @ weights, rel=1e-9, abs=1e-18)
    assert model.over(5).covariance() == pytest.approx(5 * covariance)


@pytest.mark.parametrize(("periods", "n"), [(60, 8), (8, 60)])
def test_the_sample_is_numpys(periods: int, n: int) -> None:
    returns = drawn(0, periods, n)
    assert sample(returns).covariance() == pytest.approx(np.cov(returns.T, bias=True), abs=1e-16)
    assert sample(returns).loadings.shape[1] == min(periods, n)


@pytest.mark.parametrize(("periods", "n"), [(60, 8), (8, 60)])
def test_the_shrunk_one_is_that_of_scikit_learn_and_skfolio(periods: int, n: int) -> None:
    from skfolio.moments import LedoitWolf
    from sklearn.covariance import ledoit_wolf as oracle

    returns = drawn(1, periods, n)
    covariance = ledoit_wolf(returns).covariance()
    assert covariance == pytest.approx(oracle(returns)[0], rel=1e-10)
    assert covariance == pytest.approx(LedoitWolf().fit(returns).covariance_, rel=1e-10)


def test_how_much_is_shrunk_is_the_papers_formula_at_any_scale() -> None:
    """Ledoit and Wolf (2004): beta^2 is the mean of |x x' - S|^2 over T, delta^2 is |S - mu I|^2."""
    x = drawn(2, 30, 5)
    x = x - x.mean(axis=0)
    covariance = x.T @ x / 30
    target = np.trace(covariance) / 5 * np.eye(5)
    noise = sum(((np.outer(row, row) - covariance) ** 2).sum() for row in x) / 30**2
    delta = min(1.0, noise / ((covariance - target) ** 2).sum())
    expected = (1 - delta) * covariance + delta * target
    assert ledoit_wolf(x).covariance() == pytest.approx(expected, rel=1e-10)
    assert ledoit_wolf(1e-7 * x).covariance() == pytest.approx(1e-14 * expected, rel=1e-10)


def test_little_data_needs_much_shrinking() -> None:
    few = np.random.default_rng(1).standard_normal((5, 50))
    error = [((model(few).covariance() - np.eye(50)) ** 2).sum() for model in (ledoit_wolf, sample)]
    assert error[0] < 0.2 * error[1]


def test_what_is_missing_takes_nothing_off_the_variance() -> None:
    returns = drawn(3, 400, 4)
    late = returns.copy()
    late[:300, 0] = np.nan
    own = returns[300:, 0].var()
    for model in (sample, lambda x: pca(x, 2)):
        assert model(late).covariance()[0, 0] == pytest.approx(own)
    # With a quarter of the sessions in common, half of the correlation is believed.
    full, part = sample(returns[300:]).covariance(), sample(late).covariance()
    correlation = [one[0, 1] / (one[0, 0] * one[1, 1]) ** 0.5 for one in (full, part)]
    assert correlation[1] == pytest.approx(correlation[0] / 2, rel=0.15)


def test_principal_components_are_scikit_learns_and_the_diagonal_stays() -> None:
    from sklearn.decomposition import PCA

    returns = drawn(4, 50, 12)
    model = pca(returns, 3)
    oracle = PCA(3).fit(returns)
    common = oracle.components_.T * oracle.explained_variance_ * (49 / 50) @ oracle.components_
    half = model.half
    assert half.T @ half == pytest.approx(common, abs=1e-14)
    assert np.diag(model.covariance()) == pytest.approx(returns.var(axis=0))
    assert pca(returns, 99).covariance() == pytest.approx(sample(returns).covariance(), abs=1e-16)


def test_factors_that_were_planted_are_found() -> None:
    """r = B f + e: what f's covariance and e's variances were comes back."""
    rng = np.random.default_rng(5)
    periods, n = 1500, 300
    loadings = np.stack([np.ones(n), standardised(rng.standard_normal(n))], axis=1)
    truth = np.array([[4e-4, 1e-4], [1e-4, 1e-4]])
    own = rng.uniform(0.005, 0.02, n)
    factors = rng.multivariate_normal(np.zeros(2), truth, periods)
    returns = factors @ loadings.T + own * rng.standard_normal((periods, n))
    model = fundamental(returns, np.broadcast_to(loadings, (periods + 1, n, 2)))
    found = model.factor_root.T @ model.factor_root
    assert found == pytest.approx(truth, abs=3e-5)
    assert model.specific == pytest.approx(own**2, rel=0.2)


def test_what_factors_earned_is_skfolios_cross_sectional_regression() -> None:
    from skfolio.linear_model import CSLinearRegression

    rng = np.random.default_rng(6)
    known, returns = rng.standard_normal((21, 30, 3)), 0.01 * rng.standard_normal((20, 30))
    oracle = CSLinearRegression(fit_intercept=False).fit(known[:20], returns)
    model = fundamental(returns, known)
    expected = ledoit_wolf(np.asarray(oracle.coef_)).covariance()
    assert model.factor_root.T @ model.factor_root == pytest.approx(expected, rel=1e-8)
    rest = returns - np.einsum("tnk,tk->tn", known[:20], oracle.coef_)
    assert model.specific == pytest.approx(rest.var(axis=0) * 30 / 27, rel=1e-8)


def test_industries_beside_the_market_are_no_trouble() -> None:
    returns = drawn(7, 80, 12)
    industries = np.kron(np.eye(3), np.ones(4))
    nothing = np.full((12, 1), np.nan)
    known = exposures(returns, np.full(returns.shape, np.nan), ["USD"] * 12, industries, nothing, 60)
    assert known.shape == (61, 12, 1 + 3 + 4)
    assert np.isfinite(fundamental(returns[-60:], known).covariance()).all()


def test_styles_of_a_session_are_made_of_earlier_ones() -> None:
    returns, value = drawn(8, 100, 6), np.exp(drawn(9, 100, 6))
    before = styles(returns, value, ["USD"] * 6, 20)
    returns[90:], value[90:] = 0.5, 1e9
    after = styles(returns, value, ["USD"] * 6, 20)
    # Row t is known before session 80 + t.
    assert after[:11].tobytes() == before[:11].tobytes()
    assert (after[11:] != before[11:]).any(axis=(1, 2)).all()


def test_liquidity_knows_no_exchange_rate() -> None:
    returns, value = drawn(8, 100, 6), np.exp(drawn(9, 100, 6))
    currencies = ["USD", "JPY", "USD", "JPY", "USD", "USD"]
    yen = np.array([currency == "JPY" for currency in currencies])
    known = styles(returns, value, currencies, 20)
    dearer = styles(returns, np.where(yen, 150.0 * value, value), currencies, 20)
    assert dearer == pytest.approx(known, abs=1e-9)
    assert np.abs(known[:, :, 3]).max() > 0.5, "within a currency it still tells instruments apart"
    as_they_stand = styles(returns, np.where(yen, 150.0 * value, value), ["USD"] * 6, 20)
    assert np.abs(as_they_stand - styles(returns, value, ["USD"] * 6, 20)).max() > 0.5


@settings(max_examples=50)
@given(st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=20))
def test_standardised_numbers_are_finite_and_of_one_size(values: list[float]) -> None:
    out = standardised(np.array(values))
    assert np.isfinite(out).all()
    assert np.abs(out).max() <= 3.0
    assert abs(out.sum()) <= 1e-6 * len(values) or np.abs(out).max() == 3.0


def test_too_little_history_is_refused_with_a_remedy() -> None:
    with pytest.raises(ValueError, match="risk_sessions"):
        sample(np.zeros((1, 3)))
    with pytest.raises(ValueError, match="risk_model: pca"):
        fundamental(drawn(0, 20, 3), np.ones((21, 3, 5)))
    assert np.abs(ledoit_wolf(np.full((10, 3), 0.01)).covariance()).max() < 1e-30
