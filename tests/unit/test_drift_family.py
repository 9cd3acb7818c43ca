"""Thresholds: exact where the theory is, one level for the whole family."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.validate.drift.family import FLOORS, LEVEL, ROOTS, Verdict, judge


def distances(
    rng: np.random.Generator, stretches: int = 31, kind: str = "ks", last: float = 0.0
) -> np.ndarray:
    """Distances that are normal under their root; `last` standard deviations are added to the recent one."""
    rooted = 1 + 0.05 * rng.standard_normal(stretches + 1)
    rooted[-1] += 0.05 * last
    return rooted ** (1 / ROOTS[kind])


def some(found: list[Verdict | None]) -> list[Verdict]:
    return [verdict for verdict in found if verdict is not None]


def test_one_test_has_its_level() -> None:
    rng = np.random.default_rng(1)
    found = [some(judge([("ks", distances(rng))]))[0].drifted for _ in range(2000)]
    assert np.mean(found) == pytest.approx(LEVEL, abs=0.02)


@pytest.mark.parametrize("kind", sorted(ROOTS))
def test_a_family_has_the_level_of_one(kind: str) -> None:
    rng = np.random.default_rng(2)
    tests = lambda: [(kind, distances(rng, kind=kind)) for _ in range(40)]  # noqa: E731
    found = [any(v.drifted for v in some(judge(tests()))) for _ in range(200)]
    assert np.mean(found) <= LEVEL + 0.05
    far = [(kind, distances(rng, kind=kind, last=10)), *tests()]
    assert next(v.drifted for v in some(judge(far)))


@settings(max_examples=60, deadline=None)
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
