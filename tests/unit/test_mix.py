"""Weights of groups: a temperature, the most specific entry, and how they are shown."""

import numpy as np
import pytest
from foundation_bars import TINY, noise, one_series
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lim_pipelines.foundation.config import Mix
from lim_pipelines.foundation.mix import factor_of, weights_of
from lim_pipelines.foundation.mix_shown import GroupShare, data_mix, mix_figure
from lim_pipelines.foundation.windows import WindowStore

GROUPS = [("XNYS", "equity", "1d"), ("XNYS", "equity", "1m"), ("XNAS", "index", "1d")]


@given(st.lists(st.integers(0, 10**9), min_size=3, max_size=3), st.floats(0, 1))
def test_weights_add_up_to_one_and_follow_the_counts(counts: list[int], exponent: float) -> None:
    weights = weights_of(GROUPS, np.array(counts), Mix(exponent=exponent))
    assert weights.sum() == pytest.approx(1 if any(counts) else 0)
    assert ((weights > 0) == (np.array(counts) > 0)).all()
    order = np.argsort(counts, kind="stable")
    assert (np.diff(weights[order]) >= -1e-12).all()


def test_the_exponent_goes_from_all_alike_to_as_there_are() -> None:
    counts = np.array([1, 4, 16])
    shares = [weights_of(GROUPS, counts, Mix(exponent=e)).tolist() for e in (0, 0.5, 1)]
    assert shares[0] == pytest.approx([1 / 3] * 3)
    assert shares[1] == pytest.approx([1 / 7, 2 / 7, 4 / 7])
    assert shares[2] == pytest.approx([1 / 21, 4 / 21, 16 / 21])


@pytest.mark.parametrize(
    ("weights", "factor"),
    [
        ({}, 1.0),
        ({"XNAS": 3}, 1.0),
        ({"XNYS": 3}, 3.0),
        ({"XNYS": 3, "XNYS/equity": 2}, 2.0),
        ({"XNYS/equity": 2, "XNYS": 3}, 2.0),
        ({"XNYS/equity/1m": 0, "XNYS/equity": 2}, 0.0),
        ({"*/equity": 4}, 4.0),
        ({"*/*/1m": 5, "*/equity/1m": 6}, 6.0),
        ({"*/*/1d": 5}, 1.0),
    ],
)
def test_the_most_specific_entry_counts(weights: dict[str, float], factor: float) -> None:
    assert factor_of(("XNYS", "equity", "1m"), weights) == factor


@pytest.mark.parametrize(
    "weights", [{"XNYS/equity/1d/x": 1.0}, {"": 1.0}, {"XNYS": -1.0}, {"XNYS": float("nan")}]
)
def test_a_weight_that_says_nothing_is_refused(weights: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match="Mix"):
        Mix(weights=weights)


def test_the_mix_that_is_shown_adds_up_and_counts_twins() -> None:
    share = one_series(noise(300))
    windows = WindowStore([share, share, one_series(noise(100, 5), "XNAS:AAPL")], TINY.context, TINY.horizon)
    config = TINY.model_copy(update={"mix": Mix(weights={"XNAS": 3})})
    mix = data_mix(windows, config)
    assert [(one.exchange, one.series, one.twins) for one in mix] == [("XNAS", 1, 0), ("XNYS", 2, 1)]
    assert [one.draw_share for one in mix] == pytest.approx([0.75, 0.25])
    assert [one.windows for one in mix] == [84, 2 * 284]
    assert sum(one.bar_share for one in mix) == sum(one.window_share for one in mix) == 1
    labels = [text.get_text() for text in mix_figure(mix).axes[0].get_yticklabels()]
    assert labels == ["XNAS equity 1d", "XNYS equity 1d"]


def test_many_groups_are_cut_and_the_plot_says_so() -> None:
    many = [GroupShare(f"X{k:03}", "equity", "1d", 1, 0, 1, 1, 1 / 30, 1 / 30, 1 / 30) for k in range(30)]
    assert "6 groups more, 20% of draws" in mix_figure(many).axes[0].get_xlabel()
