"""Limits of positions by construction, whatever a network says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lim_pipelines.finetune.positions import weights
from lim_pipelines.finetune.settings import CrossSectionLimits, DirectionalLimits

torch.set_num_threads(1)
COUNT = 12
SCORES = arrays(np.float64, COUNT, elements=st.floats(-50, 50))
VOLATILITY = arrays(np.float64, COUNT, elements=st.floats(1e-4, 0.2))
GROUPS = arrays(np.int64, COUNT, elements=st.integers(0, 2))


def dense(group: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.unique(group, return_inverse=True)[1])


@given(SCORES, VOLATILITY, GROUPS, st.floats(0.1, 10), st.floats(0.01, 1))
def test_a_cross_section_is_net_zero_and_within_its_limits(
    scores: np.ndarray, volatility: np.ndarray, group: np.ndarray, gross: float, largest: float
) -> None:
    limits = CrossSectionLimits(gross=gross, max_position=largest)
    which = dense(group)
    held = weights(limits, torch.from_numpy(scores), torch.from_numpy(volatility), which).numpy()
    for session in range(int(which.max()) + 1):
        own = held[which.numpy() == session]
        assert abs(own.sum()) < 1e-9 * gross
        assert np.abs(own).sum() <= gross * (1 + 1e-12)
        assert np.abs(own).max() <= largest * (1 + 1e-12)


@given(SCORES, VOLATILITY, st.permutations(range(COUNT)))
def test_a_cross_section_does_not_hang_on_the_order(
    scores: np.ndarray, volatility: np.ndarray, order: list[int]
) -> None:
    limits, group = CrossSectionLimits(), torch.zeros(COUNT, dtype=torch.int64)
    held = weights(limits, torch.from_numpy(scores), torch.from_numpy(volatility), group).numpy()
    moved = weights(
        limits, torch.from_numpy(scores[order]), torch.from_numpy(volatility[order]), group
    ).numpy()
    assert moved == pytest.approx(held[order], abs=1e-12)


@given(SCORES, VOLATILITY, GROUPS)
def test_a_session_does_not_hang_on_others(
    scores: np.ndarray, volatility: np.ndarray, group: np.ndarray
) -> None:
    limits, which = CrossSectionLimits(), dense(group)
    held = weights(limits, torch.from_numpy(scores), torch.from_numpy(volatility), which).numpy()
    own = which.numpy() == 0
    alone = weights(
        limits,
        torch.from_numpy(scores[own]),
        torch.from_numpy(volatility[own]),
        torch.zeros(own.sum(), dtype=torch.int64),
    )
    assert alone.numpy() == pytest.approx(held[own], abs=1e-12)


@given(SCORES, VOLATILITY, st.floats(0.01, 1), st.floats(0.1, 10))
def test_an_instrument_never_holds_more_than_its_leverage_or_volatility_allow(
    scores: np.ndarray, volatility: np.ndarray, target: float, leverage: float
) -> None:
    limits = DirectionalLimits(vol_target=target, max_leverage=leverage)
    held = weights(
        limits, torch.from_numpy(scores), torch.from_numpy(volatility), torch.arange(COUNT)
    ).numpy()
    assert (np.abs(held) <= leverage * (1 + 1e-12)).all()
    assert (np.abs(held) * volatility * 252**0.5 <= target * (1 + 1e-12)).all()
    assert (held * scores >= 0).all()


def test_what_says_nothing_holds_nothing_and_can_still_learn() -> None:
    for limits in (CrossSectionLimits(), DirectionalLimits()):
        scores = torch.zeros(4, requires_grad=True)
        held = weights(limits, scores, torch.full((4,), 0.01), torch.zeros(4, dtype=torch.int64))
        assert not held.detach().any()
        held[0].backward()  # type: ignore[no-untyped-call]
        assert scores.grad is not None
        assert torch.isfinite(scores.grad).all()
        assert scores.grad[0] > 0


def test_risk_is_shared_out_not_money() -> None:
    """Two instruments with the same score: the one that moves twice as much gets half the weight."""
    scores = torch.tensor([1.0, 1.0, -1.0, -1.0], dtype=torch.float64)
    volatility = torch.tensor([0.01, 0.02, 0.01, 0.02], dtype=torch.float64)
    held = weights(
        CrossSectionLimits(max_position=1.0), scores, volatility, torch.zeros(4, dtype=torch.int64)
    )
    assert held.numpy() == pytest.approx(np.array([2, 1, -2, -1]) / 6)
