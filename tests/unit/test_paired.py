"""The paired test: its interval holds its level, moments are drawn whole, groups weigh alike."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.paired import FEWEST_MOMENTS, Gain, paired


def of(differences: np.ndarray, moments: np.ndarray | None = None, **how: float) -> Gain:
    moments = np.arange(len(differences)) if moments is None else moments
    return paired(differences, moments, ["all"] * len(differences), **how)[0]


def test_a_clear_difference_is_seen_and_noise_is_not() -> None:
    noise = np.random.default_rng(0).standard_normal(300)
    assert of(noise + 1).better
    assert of(noise - 1).worse
    assert not of(noise).better
    assert not of(noise).worse


def test_the_interval_holds_its_level() -> None:
    """Of 300 samples without a difference about 1 in 20 lies outside; 4 standard errors are 1 in 10."""
    rng = np.random.default_rng(1)
    outside = sum(g.better or g.worse for g in (of(rng.standard_normal(100)) for _ in range(300)))
    assert 0 < outside < 30


def test_what_comes_together_counts_once() -> None:
    """A hundred instruments that share a day's luck are one day, not a hundred."""
    rng = np.random.default_rng(2)
    days = rng.standard_normal(60)
    moments = np.repeat(np.arange(60), 100)
    together, apart = of(days), of(np.repeat(days, 100), moments)
    assert (apart.mean, apart.low, apart.high) == pytest.approx((together.mean, together.low, together.high))
    assert (apart.pairs, apart.moments) == (6000, 60)


def test_neighbours_that_depend_on_each_other_make_it_wider() -> None:
    rng = np.random.default_rng(3)
    widths = []
    for _ in range(8):
        slow = np.convolve(rng.standard_normal(440), np.ones(41) / 41, mode="valid")
        widths.append([g.high - g.low for g in (of(slow, reach=1), of(slow, reach=41))])
    short, long = np.mean(widths, axis=0)
    assert long > 1.3 * short


def test_groups_weigh_alike() -> None:
    differences = np.concatenate([np.full(900, 1.0), np.full(100, -1.0)])
    moments = np.concatenate([np.arange(900) % 100, np.arange(100)])
    overall, by_group = paired(differences, moments, ["many"] * 900 + ["few"] * 100)
    assert overall.mean == pytest.approx(0)
    assert {name: (g.mean, g.pairs) for name, g in by_group.items()} == {"few": (-1, 100), "many": (1, 900)}


def test_too_few_moments_give_no_interval() -> None:
    few = of(np.ones(FEWEST_MOMENTS - 1))
    assert few.mean == 1
    assert math.isnan(few.low)
    assert not few.better
    assert of(np.ones(FEWEST_MOMENTS)).better


def test_missing_scores_count_for_nothing() -> None:
    known = np.random.default_rng(4).standard_normal(50)
    holes = np.concatenate([known, np.full(20, np.nan)])
    assert of(holes) == of(known)
    with pytest.raises(ValueError, match="nothing to compare"):
        of(np.full(20, np.nan))


@settings(max_examples=20)
@given(st.lists(st.floats(-1, 1), min_size=12, max_size=40), st.permutations(range(12)))
def test_exchanging_the_two_turns_the_interval_round_and_order_says_nothing(
    values: list[float], order: list[int]
) -> None:
    differences = np.array(values)
    one, other = of(differences), of(-differences)
    assert other.mean == pytest.approx(-one.mean)
    assert one.low <= one.high
    shuffle = np.concatenate([order, np.arange(12, len(values))]).astype(int)
    assert of(differences[shuffle], np.arange(len(values))[shuffle]).mean == pytest.approx(one.mean)
    assert of(differences[shuffle], np.arange(len(values))[shuffle]).low == pytest.approx(one.low)
