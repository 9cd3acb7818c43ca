"""The linear path of every head: what it reads; planted momentum is found by it, and nothing in a shuffle."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import cache

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategy_world import CUTOFF, config, inputs, market, spec

from lim_pipelines.finetune.arms import fit_arms
from lim_pipelines.finetune.base import forecast, rank_correlation, targets
from lim_pipelines.finetune.samples import Samples, build_samples, demean, samples_of
from lim_pipelines.finetune.trend import BARS, HALF_LIVES, trends
from lim_pipelines.foundation.model import FoundationModel
from lim_pipelines.foundation.scaling import RECENT
from lim_pipelines.schemas import VALIDATED_MACRO
from lim_pipelines.simulate import xsim
from lim_pipelines.simulate.planted import Planted, dealt_anew, published
from lim_pipelines.strategies.base import LOOKBACK_SESSIONS

torch.set_num_threads(1)
MOMENT, END = date(2016, 1, 1), date(2016, 12, 31)
HORIZON = 5
NOTHING = pl.DataFrame(schema={"exchange": pl.String, "date": pl.Date, "instrument_id": pl.String})


def samples() -> Samples:
    bars = market(end=CUTOFF)
    return build_samples(spec(), bars, inputs(spec(), bars, VALIDATED_MACRO.empty(), CUTOFF))


def with_returns(one: Samples, returns: np.ndarray) -> np.ndarray:
    """Trends of samples whose first series has other close returns."""
    values = one.series[0].values.copy()
    values[:, 0] = returns
    return trends([replace(one.series[0], values=values), *one.series[1:]], one.picks, one.volatility)


def test_a_trend_is_a_weighted_sum_of_the_returns_up_to_the_decision() -> None:
    one = samples()
    own = np.flatnonzero(one.picks[:, 0] == 0)
    returns = np.nan_to_num(one.series[0].values[:, 0].astype(np.float64))
    found = one.trend[own]
    for at in (0, len(own) // 2, len(own) - 1):
        row = one.picks[own[at], 1]
        before = returns[max(row - BARS + 1, 0) : row + 1][::-1]
        for k, half_life in enumerate(HALF_LIVES):
            weights = 0.5 ** (np.arange(BARS) / half_life)
            size = one.volatility[own[at]] * np.sqrt((weights**2).sum())
            assert found[at, k] == pytest.approx((weights[: len(before)] * before).sum() / size, abs=1e-9)


@settings(max_examples=20)
@given(st.integers(1, 60), st.floats(-1, 1))
def test_what_happens_after_a_decision_changes_no_trend(last: int, jump: float) -> None:
    one = samples()
    returns = one.series[0].values[:, 0].copy()
    cut = len(returns) - last
    returns[cut:] += jump
    same = (one.picks[:, 0] != 0) | (one.picks[:, 1] < cut)
    assert np.array_equal(with_returns(one, returns)[same], one.trend[same])


@settings(max_examples=20)
@given(st.integers(1, 40), st.integers(0, 99))
def test_a_trend_is_the_same_to_the_bit_whatever_is_read_beside_it(count: int, seed: int) -> None:
    one = samples()
    some = np.sort(np.random.default_rng(seed).choice(len(one), count, replace=False))
    assert np.array_equal(trends(one.series, one.picks[some], one.volatility[some]), one.trend[some])


def test_noise_has_trends_of_unit_size_and_a_decision_looks_far_enough_back() -> None:
    one = samples()
    noise = np.random.default_rng(0).standard_normal(len(one.series[0])).astype(np.float32)
    full = (one.picks[:, 0] == 0) & (one.picks[:, 1] >= BARS)
    found = with_returns(replace(one, volatility=np.ones(len(one))), noise)[full]
    assert found[:, 0].std() == pytest.approx(1.0, abs=0.15)
    assert BARS < LOOKBACK_SESSIONS


def test_half_lives_are_those_that_patches_are_told_of() -> None:
    assert HALF_LIVES == RECENT


def test_a_decision_that_looks_back_less_far_sees_the_same_trends() -> None:
    bars = market(end=CUTOFF)
    whole, days = samples(), bars["date"].unique().sort()
    short = samples_of(bars.filter(pl.col("date") > days[-LOOKBACK_SESSIONS]), NOTHING, [], HORIZON)
    last = [one.frame["date"] == days[-1] for one in (whole, short)]
    of_last = [one.at(at.to_numpy()).trend for one, at in zip((whole, short), last, strict=True)]
    assert of_last[0] == pytest.approx(of_last[1], abs=1e-6)


def test_no_samples_have_no_trends() -> None:
    assert samples_of(market(end=CUTOFF).clear(), NOTHING, [], HORIZON).trend.shape == (0, len(HALF_LIVES))


@cache
def world() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Bars of XSIM, and what was planted in its momentum: the sum of its drift over each label."""
    made = xsim.simulate(seed=11, end=END)
    drift = (
        made.truth.expected.filter(pl.col("symbol").is_in(list(made.truth.momentum)))
        .with_columns(instrument_id=pl.format("XSIM:{}", "symbol"))
        .sort("instrument_id", "date")
        .with_columns(drift=pl.col("expected").rolling_sum(HORIZON).shift(-HORIZON - 1).over("instrument_id"))
    )
    return published(made).filter(pl.col("instrument_id").is_in(drift["instrument_id"].unique())), drift


def said_behind(bars: pl.DataFrame, head: str) -> tuple[Samples, np.ndarray]:
    """Samples behind the cutoff, and what heads on an untaught backbone say of them, in scales."""
    everything = samples_of(bars, NOTHING, [], HORIZON)
    asked = spec(
        universe={"instruments": bars["instrument_id"].unique().sort().to_list()},
        controls=[],
        head=head,
        fit={"steps": 20, "batch": 8, "validation_sessions": 60, "judged_sessions": 0, "sample_every": 4},
    )
    torch.manual_seed(0)
    model = FoundationModel(config("xsim_foundation_checkpoint")).eval()
    past = everything.at((everything.frame["label_end"] < MOMENT).fill_null(False).to_numpy())
    fitted = fit_arms(asked, model, past, MOMENT).forecasters
    behind = (everything.frame["date"] >= MOMENT).to_numpy() & np.isfinite(everything.label)
    out = everything.at(behind)
    said = np.mean([forecast(asked, one, out) for one in fitted.values()], axis=0)
    return out, said / out.scale(HORIZON)


@pytest.mark.parametrize("head", ["perceptron", "attention"])
def test_planted_momentum_is_found(head: str) -> None:
    bars, drift = world()
    out, said = said_behind(bars, head)
    key = ["date", "instrument_id"]
    true = out.frame.join(drift.select(*key, "drift"), on=key, how="left", maintain_order="left")
    planted = demean(true["drift"].to_numpy(), out.groups()) / out.scale(HORIZON)
    # A filter that knows the process finds about .6 of the drift; heads without the path .42 here.
    assert rank_correlation(said, planted) > 0.5


@pytest.mark.parametrize("head", ["perceptron", "attention"])
def test_nothing_is_found_where_returns_are_dealt_anew(head: str) -> None:
    bars, _ = world()
    out, said = said_behind(dealt_anew(Planted(bars, ()), seed=1).bars, head)
    true = targets("cross_sectional", out) / out.scale(HORIZON)
    # Labels overlap: about 50 independent weeks of 24 instruments.
    assert abs(rank_correlation(said, true)) < 3 / np.sqrt(50 * 24)
