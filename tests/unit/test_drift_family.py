"""Thresholds: exact where the theory is, one level for the whole family."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.validate.drift.family import FLOORS, LEVEL, Verdict, judge


def distances(rng: np.random.Generator, stretches: int = 31, last: float = 0.0) -> np.ndarray:
    """Distances with normal logarithms; `last` standard deviations are added to the recent one."""
    logs = 0.3 * rng.standard_normal(stretches + 1)
    logs[-1] += 0.3 * last
    return np.exp(logs)


def some(found: list[Verdict | None]) -> list[Verdict]:
    return [verdict for verdict in found if verdict is not None]


def test_one_test_has_its_level() -> None:
    rng = np.random.default_rng(1)
    found = [some(judge([("ks", distances(rng))]))[0].drifted for _ in range(2000)]
    assert np.mean(found) == pytest.approx(LEVEL, abs=0.02)


def test_a_family_has_the_level_of_one() -> None:
    rng = np.random.default_rng(2)
    families = [[("mmd", distances(rng)) for _ in range(40)] for _ in range(400)]
    found = [any(v.drifted for v in some(judge(family))) for family in families]
    assert np.mean(found) == pytest.approx(LEVEL, abs=0.03)
    far = [("psi", distances(rng, last=10)), *families[0]]
    assert next(v.drifted for v in some(judge(far)))


def test_one_stretch_without_any_distance_does_not_blind_the_rest() -> None:
    past = np.append(distances(np.random.default_rng(4), 30)[:-1], 0.0)
    (one,) = some(judge([("psi", np.append(past, 10**4))]))
    assert one.drifted


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 30))
def test_drifted_is_what_holm_rejects(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    tests = [("ks", distances(rng, last=rng.uniform(0, 8))) for _ in range(count)]
    found = some(judge(tests))
    p = np.sort([v.p_value for v in found])
    fails = np.flatnonzero(p > LEVEL / (count - np.arange(count)))
    rejected = int(fails[0]) if fails.size else count
    assert sum(v.drifted for v in found) == rejected


def test_little_is_no_drift_however_sure() -> None:
    past = np.full(31, 0.001)
    (one,) = some(judge([("psi", np.append(past, 0.05))]))
    assert not one.drifted
    assert one.threshold == FLOORS["psi"]
    (same,) = some(judge([("psi", np.append(np.zeros(31), 0.0))]))
    assert not same.drifted


def test_without_enough_stretches_there_is_no_verdict() -> None:
    rng = np.random.default_rng(3)
    few, silent = distances(rng, 7), distances(rng)
    silent[-1] = np.nan
    gaps = distances(rng)
    gaps[:23] = np.nan
    assert [v is None for v in judge([("ks", few), ("ks", silent), ("ks", gaps)])] == [True, True, False]
    assert judge([]) == []
