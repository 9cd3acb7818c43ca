"""False discoveries: what is believed of many relations tried."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lim_pipelines.strategies.discoveries import found

P_VALUES = st.lists(st.floats(0, 1), max_size=30).map(lambda values: np.array(values, dtype=float))


def test_steps_up_from_the_smallest() -> None:
    """Of four tried the limits are i * 0.1 / (4 * 25/12): 0.012, 0.024, 0.036, 0.048."""
    assert found(np.array([0.035, 0.9, 0.013, 0.02]), 4, 0.1).tolist() == [True, False, True, True]
    assert found(np.array([0.037, 0.9, 0.013, 0.025]), 4, 0.1).tolist() == [False] * 4


@given(P_VALUES, st.integers(0, 50), st.floats(0.01, 0.5))
def test_more_tried_never_believes_more_and_smaller_values_come_first(
    p_values: np.ndarray, more: int, rate: float
) -> None:
    tried = max(len(p_values), 1)
    here, stricter = found(p_values, tried, rate), found(p_values, tried + more, rate)
    assert not (stricter & ~here).any()
    if here.any() and not here.all():
        assert p_values[here].max() <= p_values[~here].min()
    assert not (here & (p_values > rate)).any()


@given(st.lists(st.floats(0, 1), max_size=30, unique=True), st.integers(0, 99))
def test_order_does_not_matter(values: list[float], seed: int) -> None:
    p_values = np.array(values)
    shuffled = np.random.default_rng(seed).permutation(len(values))
    tried = max(len(values), 1)
    assert (found(p_values, tried, 0.2)[shuffled] == found(p_values[shuffled], tried, 0.2)).all()


def test_chance_alone_is_seldom_believed() -> None:
    """Among 200 worlds of 100 true null hypotheses at most a tenth finds anything."""
    rng = np.random.default_rng(5)
    wrong = sum(found(rng.random(100), 100, 0.1).any() for _ in range(200))
    assert wrong <= 20


def test_fewer_tried_than_looked_at_is_refused() -> None:
    with pytest.raises(ValueError, match="3 p-values, but only 2 tried"):
        found(np.array([0.1, 0.2, 0.3]), 2, 0.1)
