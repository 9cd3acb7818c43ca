"""The optimiser against closed forms, a reference solve of another form, and the laws it must keep."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.portfolio import optimiser
from lim_pipelines.portfolio.optimiser import optimise, padded
from lim_pipelines.portfolio.question import Charges, Floats, Limits, OptimiserError, Question
from lim_pipelines.portfolio.risk.base import RiskModel
from lim_pipelines.portfolio.risk.ledoit_wolf import ledoit_wolf
from lim_pipelines.portfolio.risk.pca import pca

N = 8
FREE = np.zeros(N)


def asked(seed: int = 0, n: int = N, **changes: Any) -> Question:
    """A question with every cost and every limit that can bind."""
    rng = np.random.default_rng(seed)
    common = rng.standard_normal((60, 1))
    risk = ledoit_wolf(0.02 * (rng.standard_normal((60, n)) + common))
    rate = 0.003 * rng.random(n)
    sectors = np.kron(np.eye(2), np.ones(-(-n // 2)))[:, :n]
    whole = Question(
        mean=0.01 * rng.standard_normal(n),
        risk=risk,
        risk_aversion=float(rng.choice([0.3, 3.0, 30.0])),
        previous=0.1 * rng.standard_normal(n),
        charges=Charges(rate, rate / 2, 3 * rate),
        limits=Limits(1.0, (-0.1, 0.2), rng.uniform(0.1, 0.4, n), 1.2, 0.15, sectors),
        centre=np.zeros(n),
    )
    return replace(whole, **changes)


def free(question: Question, **limits: Any) -> Question:
    """The same without costs, and limits that do not bind."""
    n = question.mean.size
    loose = Limits(100.0, (-100.0, 100.0), np.full(n, 50.0))
    return replace(
        question,
        charges=Charges(np.zeros(n), np.zeros(n)),
        previous=np.zeros(n),
        limits=replace(loose, **limits),
    )


def kept(limits: Limits, weights: Floats, previous: Floats) -> bool:
    small = 1e-8
    return bool(
        np.abs(weights).sum() <= limits.gross + small
        and limits.net[0] - small <= weights.sum() <= limits.net[1] + small
        and (np.abs(weights) <= limits.position + small).all()
        and (limits.turnover is None or np.abs(weights - previous).sum() <= limits.turnover + small)
        and (
            limits.sector is None
            or limits.sectors is None
            or (np.abs(limits.sectors @ weights) <= limits.sector + small).all()
        )
    )


def test_without_binding_limits_it_is_the_closed_form() -> None:
    """First-order condition with sum w = 0: mu - 2 gamma Sigma w = lambda 1."""
    question = free(asked(), net=(0.0, 0.0))
    ones, inverse = np.ones(N), np.linalg.inv(question.risk.covariance())
    price = ones @ inverse @ question.mean / (ones @ inverse @ ones)
    expected = inverse @ (question.mean - price * ones) / (2 * question.risk_aversion)
    assert optimise(question) == pytest.approx(expected, abs=1e-7)


def test_minimum_variance_is_the_closed_form() -> None:
    question = free(asked(mean=FREE), net=(1.0, 1.0))
    inverse = np.linalg.inv(question.risk.covariance()).sum(axis=1)
    assert optimise(question) == pytest.approx(inverse / inverse.sum(), abs=1e-7)


def test_minimum_variance_long_only_is_skfolios() -> None:
    from skfolio.optimization import MeanRisk

    returns = 0.02 * np.random.default_rng(3).standard_normal((90, N)) + 0.01 * np.arange(90)[:, None] % 0.03
    oracle = MeanRisk(min_weights=0, max_weights=0.3, solver_params={"tol_gap_abs": 1e-12}).fit(returns)
    covariance = np.cov(returns.T)
    risk = RiskModel(np.eye(N), np.linalg.cholesky(covariance).T, FREE)
    question = free(asked(risk=risk, mean=FREE), gross=1.0, net=(1.0, 1.0), position=np.full(N, 0.3))
    assert optimise(question) == pytest.approx(oracle.weights_, abs=1e-4)
    assert risk.variance(optimise(question)) <= risk.variance(oracle.weights_) * (1 + 1e-9)


def test_far_from_limits_the_benchmark_is_held_with_bets_around_it() -> None:
    centre = np.full(N, 1 / N)
    around = free(asked(centre=centre), net=(1.0, 1.0))
    bets = optimise(free(asked(), net=(0.0, 0.0)))
    assert optimise(around) == pytest.approx(centre + bets, abs=1e-7)
    assert optimise(replace(around, mean=FREE)) == pytest.approx(centre, abs=1e-7)


def test_with_impact_alone_the_trade_is_the_closed_form() -> None:
    """Without risk and other costs mu = 1.5 iota sqrt(u)."""
    impact = np.full(N, 0.01)
    question = free(asked(mean=np.linspace(0.001, 0.004, N)))
    question = replace(
        question,
        risk=RiskModel(np.zeros((N, 1)), np.zeros((1, 1)), FREE),
        charges=Charges(FREE, FREE, impact),
    )
    assert optimise(question) == pytest.approx((question.mean / (1.5 * impact)) ** 2, abs=5e-6)


def test_what_is_short_pays_for_it() -> None:
    """One instrument against nothing: -2 gamma s^2 w = mu + borrow."""
    risk = RiskModel(np.zeros((2, 1)), np.zeros((1, 1)), np.full(2, 1e-3))
    question = replace(
        free(asked(n=2)),
        mean=np.array([-0.004, 0.004]),
        risk=risk,
        risk_aversion=10.0,
        charges=Charges(np.zeros(2), np.full(2, 0.001)),
    )
    assert optimise(question) == pytest.approx([-0.15, 0.2], abs=1e-7)


@pytest.mark.parametrize("seed", range(6))
def test_the_answer_is_that_of_a_reference_solve(seed: int) -> None:
    """The formula as it stands, with a dense covariance, by another method (OSQP: first order, polished)."""
    import cvxpy as cp

    whole = asked(seed)
    question = replace(whole, charges=replace(whole.charges, impact=None))
    limits, charges, w = question.limits, question.charges, cp.Variable(N)
    assert limits.turnover is not None
    trade = cp.abs(w - question.previous)
    risk = cp.quad_form(w, cp.psd_wrap(question.risk.covariance()))
    cost = charges.trade @ trade + charges.borrow @ cp.neg(w)
    problem = cp.Problem(
        cp.Maximize(1e2 * (question.mean @ w - question.risk_aversion * risk - cost)),
        [
            cp.norm1(w) <= limits.gross,
            cp.sum(w) >= limits.net[0],
            cp.sum(w) <= limits.net[1],
            cp.abs(w) <= limits.position,
            cp.sum(trade) <= limits.turnover,
            cp.abs(limits.sectors @ w) <= limits.sector,
        ],
    )
    problem.solve(solver="OSQP", eps_abs=1e-10, eps_rel=1e-10, max_iter=1_000_000, polishing=True)
    weights = optimise(question)
    assert kept(limits, weights, question.previous)
    assert weights == pytest.approx(w.value, abs=1e-6)
    assert question.value(weights) == pytest.approx(problem.value / 1e2, abs=1e-9)


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_limits_hold_and_no_feasible_book_nearby_is_better(seed: int) -> None:
    question = asked(seed)
    weights = optimise(question)
    assert kept(question.limits, weights, question.previous)
    rng = np.random.default_rng(seed)
    for _ in range(200):
        other = weights + 10 ** rng.uniform(-6, -1) * rng.standard_normal(N) * (rng.random(N) < 0.4)
        if kept(question.limits, other, question.previous):
            assert question.value(weights) >= question.value(other) - 1e-9


@settings(max_examples=15)
@given(st.integers(0, 10_000))
def test_permuted_instruments_have_permuted_weights(seed: int) -> None:
    whole = asked(seed)
    question = replace(whole, limits=replace(whole.limits, turnover=None))
    order = np.random.default_rng(seed).permutation(N)
    risk, charges, limits = question.risk, question.charges, question.limits
    assert charges.impact is not None
    assert limits.sectors is not None
    permuted = replace(
        question,
        mean=question.mean[order],
        risk=replace(risk, loadings=risk.loadings[order], specific=risk.specific[order]),
        previous=question.previous[order],
        charges=Charges(charges.trade[order], charges.borrow[order], charges.impact[order]),
        limits=replace(limits, position=limits.position[order], sectors=limits.sectors[:, order]),
    )
    assert optimise(permuted) == pytest.approx(optimise(question)[order], abs=1e-6)


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.floats(1.5, 20.0))
def test_more_risk_aversion_is_never_more_risk(seed: int, times: float) -> None:
    whole = asked(seed)
    bold = replace(whole, limits=replace(whole.limits, turnover=None))
    shy = replace(bold, risk_aversion=bold.risk_aversion * times)
    risk = bold.risk
    assert risk.variance(optimise(shy)) <= risk.variance(optimise(bold)) + 1e-9


def test_a_trade_that_does_not_pay_its_cost_is_not_made() -> None:
    mean = np.array([0.001, -0.001] + [0.0] * (N - 2))
    held = np.array([0.1, -0.1] + [0.0] * (N - 2))
    question = replace(free(asked(risk_aversion=1.0)), mean=mean)
    dear = replace(question, charges=Charges(np.full(N, 0.002), FREE))
    assert optimise(dear) == pytest.approx(FREE, abs=1e-8)
    dearer = replace(question, previous=held, charges=Charges(np.full(N, 0.05), FREE))
    assert optimise(dearer) == pytest.approx(held, abs=1e-8)


def test_a_year_of_changing_universes_compiles_once() -> None:
    optimiser._compiled.cache_clear()
    for n in (61, 64, 57, 63):
        question = free(asked(n=n))
        optimise(replace(question, risk=pca(0.01 * np.random.default_rng(n).standard_normal((60, n)), 6)))
    assert optimiser._compiled.cache_info().misses == 1
    assert optimiser._compiled(64, 8, 0).problem.is_dpp()
    assert [padded(size) for size in (1, 16, 17, 64, 3000)] == [16, 16, 32, 64, 3072]
    assert [padded(size, finest=4) for size in (1, 50, 120)] == [4, 52, 120]
    assert all(size <= padded(size) <= size * 1.125 for size in range(128, 5000))


def test_those_that_fill_up_the_size_change_nothing() -> None:
    question = free(asked(n=16), gross=1.0)
    own = optimiser.Compiled(16, 16, 0).solve(question)
    assert optimiser.Compiled(32, 48, 0).solve(question) == pytest.approx(own, abs=1e-8)


def test_an_answer_does_not_depend_on_earlier_questions() -> None:
    first = optimise(asked(1))
    optimise(asked(2))
    assert optimise(asked(1)).tobytes() == first.tobytes()


@pytest.mark.parametrize("name", ["mean", "previous", "centre", "specific", "trade", "position"])
def test_what_is_not_finite_is_named(name: str) -> None:
    bad = FREE.copy()
    bad[3] = np.nan
    question = asked()
    inside = {"specific": "risk", "trade": "charges", "position": "limits"}.get(name)
    wrong = {inside: replace(getattr(question, inside), **{name: bad})} if inside else {name: bad}
    with pytest.raises(OptimiserError, match=rf"{name} is not finite at \[\[3\]\]"):
        replace(question, **wrong)


def test_limits_that_clash_are_named_with_what_would_do() -> None:
    held = np.array([0.5, -0.5] + [0.0] * (N - 2))
    loose = free(asked())
    small = replace(loose.limits, net=(1.0, 1.0), position=np.full(N, 0.1))
    with pytest.raises(OptimiserError, match=r"net at least 1 would have to be 0.8; or .* max_position"):
        optimise(replace(loose, limits=small))
    slow = replace(loose.limits, gross=0.6, turnover=0.1)
    with pytest.raises(OptimiserError, match=r"max_turnover 0.1 would have to be 0.4; or .* gross 0.6"):
        optimise(replace(loose, limits=slow, previous=held))
    narrow = replace(loose.limits, net=(0.9, 1.0), sector=0.3, sectors=np.ones((1, N)))
    with pytest.raises(OptimiserError, match=r"max_sector 0.3 would have to be 0.9; or .* net at least 0.9"):
        optimise(replace(loose, limits=narrow))


def test_a_failed_solve_says_what_was_asked() -> None:
    wrong = RiskModel(np.full((N, 1), 1e300), np.full((1, 1), 1e-200), FREE)
    with pytest.raises(OptimiserError, match=r"no positions.*8 instruments.*max_position=50"):
        optimise(replace(free(asked()), mean=np.full(N, 1e-300), risk=wrong, risk_aversion=1e-100))
