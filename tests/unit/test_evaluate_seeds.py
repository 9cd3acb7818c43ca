"""Sharpe ratios over seeds and days: what their intervals hold, and what they cannot tell apart."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.evaluate.intervals import sharpe_interval
from lim_pipelines.evaluate.seeds import SeededSharpes

DAYS = 500
LUCK = SeededSharpes(DAYS, 500)


def records(seeds: int, mean: float, seed: int, days: int = DAYS) -> npt.NDArray[np.float64]:
    """Records that share their days, as seeds of one method do."""
    rng = np.random.default_rng(seed)
    return mean + 0.008 * rng.standard_normal(days) + 0.004 * rng.standard_normal((seeds, days))


def test_the_estimate_is_the_mean_of_annualised_ratios() -> None:
    own = records(3, 0.001, 0)
    wanted = np.mean([r.mean() / r.std(ddof=1) * math.sqrt(252) for r in own])
    found = LUCK.of(own)
    assert found.value == pytest.approx(wanted)
    assert found.low < found.value < found.high


def test_one_seed_has_the_interval_of_one_record() -> None:
    own = records(1, 0.001, 1)
    found = SeededSharpes(DAYS).of(own)
    assert (found.low, found.high) == pytest.approx(sharpe_interval(own[0]), abs=1e-9)


@settings(max_examples=20)
@given(st.integers(0, 1000), st.floats(0.1, 10))
def test_leverage_changes_no_ratio(seed: int, leverage: float) -> None:
    own = records(2, 0.0005, seed)
    one, other = LUCK.of(own), LUCK.of(leverage * own)
    assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high))


def test_a_method_gains_nothing_over_itself() -> None:
    own = records(4, 0.001, 2)
    found = LUCK.gain((own, own))
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)


def test_pairing_tells_apart_what_intervals_alone_do_not() -> None:
    """Both live through the same days; one earns a little more on each."""
    own = records(4, 0.0003, 3)
    better = own + 0.0002
    assert LUCK.of(better).low < LUCK.of(own).high
    assert LUCK.gain((better, own)).low > 0
    assert LUCK.gain((own, better)).high < 0


def test_several_pairs_are_one_comparison() -> None:
    """Half of the gain where one of two pairs gains nothing; the same days and seeds are drawn for all."""
    own = records(4, 0.0003, 3)
    alone = LUCK.gain((own + 0.0002, own))
    both = LUCK.gain((own + 0.0002, own), (own, own))
    halves = (alone.value / 2, alone.low / 2, alone.high / 2)
    assert (both.value, both.low, both.high) == pytest.approx(halves)


def test_intervals_hold_as_often_as_they_say() -> None:
    """Of 200 worlds without skill about one in twenty has an interval without zero."""
    found = [SeededSharpes(DAYS, 200).of(records(3, 0.0, seed)) for seed in range(200)]
    wrong = sum(one.low > 0 or one.high < 0 for one in found)
    assert 2 <= wrong <= 26


def test_seeds_that_disagree_widen_the_interval() -> None:
    rng = np.random.default_rng(5)
    same = np.tile(records(1, 0.0, 6), (4, 1))
    apart = same + 0.002 * np.array([[-1.5], [-0.5], [0.5], [1.5]]) + 1e-6 * rng.standard_normal((4, DAYS))
    one, other = LUCK.of(same), LUCK.of(apart)
    assert other.high - other.low > 1.2 * (one.high - one.low)


def test_a_record_without_trades_has_no_ratio_and_few_days_no_interval() -> None:
    assert math.isnan(LUCK.of(np.zeros((2, DAYS))).value)
    with pytest.raises(ValueError, match="19 days"):
        SeededSharpes(19)
