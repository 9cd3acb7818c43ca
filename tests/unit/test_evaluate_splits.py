"""Folds that share no return: by the definition, by two other libraries, and on noise."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from purgedcv import CombinatorialPurgedCV
from skfolio.model_selection import CombinatorialPurgedCV as SkfolioCV

from lim_pipelines.evaluate.splits import combinatorial_folds, path_count


def samples(sessions: int, instruments: int, reach: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Decisions of all instruments on all sessions; some labels reach further, where an instrument pauses."""
    decided = np.repeat(np.arange(sessions), instruments)
    pauses = np.random.default_rng(seed).integers(0, 3, len(decided))
    return decided, decided + reach + pauses


@given(
    st.integers(12, 60),
    st.integers(1, 3),
    st.integers(1, 8),
    st.integers(0, 4),
    st.integers(2, 6),
    st.data(),
)
def test_by_the_definition(
    sessions: int, instruments: int, reach: int, embargo: int, groups: int, data: st.DataObject
) -> None:
    tested = data.draw(st.integers(1, groups - 1))
    decided, ends = samples(sessions, instruments, reach)
    folds = list(combinatorial_folds(decided, ends, groups, tested, embargo))
    seen = np.zeros((len(decided), path_count(groups, tested)), dtype=int)
    for fold in folds:
        for rows, path in zip(fold.held_out, fold.paths, strict=True):
            seen[rows, path] += 1
            touched = {day for row in rows for day in range(decided[row], ends[row] + 1)}
            after = set(range(ends[rows].max() + 1, ends[rows].max() + embargo + 1))
            for row in fold.fit:
                assert not touched & set(range(decided[row], ends[row] + 1))
                assert decided[row] not in after
        used = np.concatenate([*fold.held_out, fold.fit])
        outside = set(range(len(decided))) - set(used.tolist())
        # Nothing is lost without a reason.
        for row in outside:
            assert any(
                ends[row] >= decided[rows].min() and decided[row] <= ends[rows].max() + embargo
                for rows in fold.held_out
            )
    # Every path has every sample once.
    assert (seen == 1).all()


@pytest.mark.parametrize(("groups", "tested", "embargo"), [(6, 2, 0), (6, 2, 3), (5, 1, 2), (8, 3, 0)])
def test_purgedcv_says_the_same(groups: int, tested: int, embargo: int) -> None:
    decided, ends = samples(96, 1, 5)
    day = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(200), unit="D")
    # Its labels end before their end, and its embargo begins with it.
    theirs = CombinatorialPurgedCV(
        n_splits=groups,
        n_test_groups=tested,
        prediction_times=pd.Series(day[decided]),
        evaluation_times=pd.Series(day[ends + 1]),
        embargo=pd.Timedelta(days=embargo - 1) if embargo else None,
    )
    for own, (fit, held_out) in zip(
        combinatorial_folds(decided, ends, groups, tested, embargo),
        theirs.split(np.zeros((96, 1))),
        strict=True,
    ):
        assert (np.concatenate(own.held_out) == held_out).all()
        assert set(own.fit) == set(fit)


def test_skfolio_says_the_same_of_labels_of_one_length() -> None:
    reach, embargo = 4, 2
    decided = np.arange(60)
    theirs = SkfolioCV(n_folds=6, n_test_folds=2, purged_size=reach, embargo_size=embargo)
    paths = theirs.get_path_ids()
    folds = combinatorial_folds(decided, decided + reach, 6, 2, embargo)
    for own, (fit, held_out), numbers in zip(folds, theirs.split(np.zeros((60, 1))), paths, strict=True):
        assert [rows.tolist() for rows in own.held_out] == [rows.tolist() for rows in held_out]
        assert set(own.fit) == set(fit)
        assert own.paths == tuple(numbers)
    assert theirs.n_test_paths == path_count(6, 2) == 5


def nearest_neighbour(x: np.ndarray, y: np.ndarray, fit: np.ndarray, out: np.ndarray) -> np.ndarray:
    return y[fit[np.abs(x[out, None] - x[None, fit]).argmin(axis=1)]]


def test_plain_folds_see_skill_in_noise_and_purged_ones_do_not() -> None:
    """Lopez de Prado (2018), section 7.3: labels of 20 sessions, and an input that only says when it is."""
    gains: dict[str, list[float]] = {"plain": [], "purged": []}
    for seed in range(30):
        returns = np.random.default_rng(seed).standard_normal(500)
        reach = 20
        label = np.convolve(returns, np.ones(reach), "valid")[1:]
        decided = np.arange(len(label))
        clock = decided.astype(float)
        for name, ends in (("plain", decided), ("purged", decided + reach)):
            said = np.zeros(len(label))
            for fold in combinatorial_folds(decided, ends, 50, 1):
                said[fold.held_out[0]] = nearest_neighbour(clock, label, fold.fit, fold.held_out[0])
            gains[name].append(float(np.corrcoef(said, label)[0, 1]))
    assert np.mean(gains["plain"]) > 0.5
    assert abs(np.mean(gains["purged"])) < 0.15


def test_what_cannot_be_split_is_said() -> None:
    decided, ends = samples(5, 1, 1)
    for groups, tested in ((6, 2), (3, 3), (3, 0)):
        with pytest.raises(ValueError, match="hold out at least one"):
            list(combinatorial_folds(decided, ends, groups, tested))
    assert len(list(combinatorial_folds(decided, ends, 5, 2))) == len(list(combinations(range(5), 2)))
