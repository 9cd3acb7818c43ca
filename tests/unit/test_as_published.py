"""As published and without leaks: what looks ahead and what does not, and that the steps add up."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.as_published_books import account, counted, ended, market, picks, reciprocal_rank
from benchmarks.as_published_data import LONGEST, SESSIONS, SURVIVORS, Floats, Inputs, Panel, panel_of
from benchmarks.as_published_models import (
    Job,
    Model,
    distance,
    mean_rank_ic,
    momentum,
    reversal,
    ridge,
    trees,
)
from benchmarks.as_published_nets import Others, RankNetwork, Training, network, ranking_loss
from benchmarks.as_published_tables import Outcome, draw, report
from benchmarks.as_published_waterfall import MODELS, STEPS, Stage, accounts, best, markets, waterfall
from lim_pipelines.exchanges import get_exchange, sessions
from lim_pipelines.schemas import VALIDATED_BARS

torch.set_num_threads(1)
MIC = "XNAS"
SHARES, FIRST = 12, date(2012, 1, 3)
READ = LONGEST + SESSIONS


def closes(days: int, seed: int = 0, shares: int = SHARES) -> Floats:
    """Closes whose returns are half taken back the next day."""
    noise = 0.02 * np.random.default_rng(seed).standard_normal((days, shares))
    steps = noise.copy()
    for t in range(1, days):
        steps[t] -= 0.5 * steps[t - 1]
    return np.asarray(50 * np.exp(np.cumsum(steps, axis=0)))


def bars_of(close: Floats, ex_factor: Floats | None = None) -> pl.DataFrame:
    """Bars of `VALIDATED_BARS`; none where a close is NaN."""
    days = sessions(MIC, FIRST, date(2016, 12, 30)).head(len(close))
    frames = [
        days.select("date", ts="close").with_columns(
            instrument_id=pl.lit(f"{MIC}:S{i:02d}"),
            close=pl.Series(close[:, i]),
            ex_factor=pl.Series(np.ones(len(close)) if ex_factor is None else ex_factor[:, i]),
        )
        for i in range(close.shape[1])
    ]
    quoted = {name: pl.col("close") for name in ("open", "high", "low")}
    return VALIDATED_BARS.conform(
        pl.concat(frames)
        .filter(pl.col("close").is_finite())
        .with_columns(
            **quoted,
            exchange=pl.lit(MIC),
            freq=pl.lit("1d"),
            volume=pl.lit(1e7),
            asset_class=pl.lit("equity"),
            source=pl.lit(SURVIVORS),
            known_at=pl.col("ts") + get_exchange(MIC).feed_lag,
        )
    )


def world(days: int = 120, shares: int = SHARES) -> Panel:
    return panel_of(bars_of(closes(days, shares=shares)), chosen=True)


def test_a_split_is_no_return() -> None:
    close, factor = closes(60), np.ones((60, SHARES))
    told = close.copy()
    told[30:, 3] /= 4
    factor[30, 3] = 0.25
    split = panel_of(bars_of(told, factor), chosen=True)
    np.testing.assert_allclose(split.close, close)
    assert split.quoted[30, 3] == pytest.approx(close[30, 3] / 4)


@settings(max_examples=20, deadline=None)
@given(st.integers(READ, 110), st.integers(0, 1000))
def test_what_is_read_without_leaks_does_not_change_with_what_comes_later(t: int, seed: int) -> None:
    panel = world()
    later = panel.close.copy()
    later[t + 1 :] *= np.exp(np.random.default_rng(seed).standard_normal(later[t + 1 :].shape))
    other = replace(panel, close=later, quoted=later)
    for chosen in (True, False):
        now, then = (Inputs(replace(p, chosen=chosen), "trailing", "next") for p in (panel, other))
        np.testing.assert_array_equal(now.x(t), then.x(t))
        np.testing.assert_array_equal(now.there[: t + 1], then.there[: t + 1])


def test_what_is_read_as_published_knows_the_test() -> None:
    panel = world()
    later = panel.close.copy()
    later[-1] *= 10
    now, then = (Inputs(replace(panel, close=close), "whole", "same") for close in (panel.close, later))
    ratio = now.x(50) / then.x(50)
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[:, :1, :1], ratio.shape), rtol=1e-5)
    assert (ratio > 5).all()


def test_the_return_begins_at_the_close_that_fills() -> None:
    panel = world()
    close = panel.close
    same, later = Inputs(panel, "trailing", "same").label, Inputs(panel, "trailing", "next").label
    np.testing.assert_allclose(same[50], close[51] / close[50] - 1)
    np.testing.assert_allclose(later[50], close[52] / close[51] - 1)
    assert np.isnan(same[-1]).all()
    assert np.isnan(later[-2:]).all()


def test_who_was_not_chosen_with_hindsight_must_be_worth_it_by_then() -> None:
    close = closes(120)
    close[60, 1] = 4.99
    close[70, 2] = np.nan
    everyone, survivors = (
        Inputs(panel_of(bars_of(close), chosen=chosen), "trailing", "next").there for chosen in (False, True)
    )
    assert everyone[59, 1]
    assert not everyone[60 : 60 + LONGEST, 1].any()
    assert everyone[60 + LONGEST, 1]
    assert everyone[69, 2]
    assert not everyone[70 : 70 + LONGEST, 2].any()
    assert everyone[70 + LONGEST, 2]
    assert survivors[60, 1]
    assert not survivors[70, 2]
    assert survivors[71, 2]


def test_a_share_is_read_once_all_its_averages_are_there() -> None:
    close = closes(120)
    close[:20, 4] = np.nan
    there = Inputs(panel_of(bars_of(close), chosen=True), "trailing", "next").there
    assert not there[:READ].any()
    assert there[READ:, 0].all()
    first = 20 + LONGEST - 1 + SESSIONS - 1
    assert not there[:first, 4].any()
    assert there[first:, 4].all()


def test_books_by_hand() -> None:
    said = np.array([[3.0, 2.0, 1.0, 9.0], [1.0, 2.0, 3.0, np.nan]])
    there = np.array([[True, True, True, False], [True, True, True, True]])
    label = np.array([[0.01, 0.05, 0.02, 0.9], [0.03, np.nan, -0.01, 0.0]])
    picked = picks(said, there, 2)
    assert picked.tolist() == [[0, 1], [2, 1]]
    assert counted(picked, label) == pytest.approx([0.03, -0.005])
    assert market(there, label) == pytest.approx([0.08 / 3, 0.02 / 4])
    # Of three the best pick was the worst; of three (one came to nothing) and a zero, the third.
    assert reciprocal_rank(said, there, label) == pytest.approx((1 / 3 + 1 / 3) / 2)


def test_an_account_earns_what_is_counted_less_its_costs() -> None:
    bars = bars_of(closes(80))
    panel = panel_of(bars, chosen=True)
    inputs, days = Inputs(panel, "trailing", "next"), range(40, 78)
    said = reversal(Job(inputs, (), (), [(inputs, days)], 0))[0]
    picked = picks(said, inputs.there[list(days)], 3)
    done = account(MIC, bars, panel, days, {("reversal/3", 0): picked})["reversal/3", 0]
    gross = done.net + done.cost + done.impact
    np.testing.assert_allclose(gross, counted(picked, inputs.label[list(days)]), atol=2e-4)
    # What is held at the end is not sold.
    assert (done.cost[:-1] > 0).all()
    assert (done.impact[:-1] > 0).all()


def test_a_share_that_is_no_longer_quoted_is_paid_out() -> None:
    close = closes(80)
    close[60:, 5] = np.nan
    bars = bars_of(close)
    through = bars["date"].max()
    assert isinstance(through, date)
    assert ended(bars, through).select("instrument_id", "last").rows() == [
        (f"{MIC}:S05", bars["date"].unique().sort()[59])
    ]


def test_networks_say_the_same_in_any_order_and_alone_are_their_own_industry() -> None:
    torch.manual_seed(0)
    x, order = torch.rand(6, SESSIONS, 5) + 0.5, torch.tensor([3, 1, 0, 5, 4, 2])
    same = torch.eye(6, dtype=torch.bool)
    same[0, 1] = same[1, 0] = True
    choices: tuple[Others, ...] = ("none", "industry", "attention")
    for others in choices:
        net = RankNetwork(others)
        said = net(x, same)
        torch.testing.assert_close(net(x[order], same[order][:, order]), said[order])
        changed = x.clone()
        changed[1] += 0.5
        moved = (net(changed, same) - said).abs() > 1e-6
        assert moved.tolist() == [others != "none", True, *([others == "attention"] * 4)]


def test_the_ranking_loss_by_hand() -> None:
    had = torch.tensor([0.02, -0.01])
    assert float(ranking_loss(had, had)) == 0.0
    said = torch.tensor([-0.01, 0.02])
    # Squared .03 each; both orders of the one pair are wrong by .03 times .03, of four.
    assert float(ranking_loss(said, had, alpha=2.0)) == pytest.approx(9e-4 + 2 * 2 * 9e-4 / 4)


@pytest.fixture(scope="module")
def larger() -> Inputs:
    """A world with enough rows for trees."""
    return Inputs(world(300, 40), "trailing", "same")


def found(inputs: Inputs, model: Model) -> float:
    """Rank IC on sessions after those that are fitted on."""
    asked = range(230, 298)
    said = model(Job(inputs, range(READ, 200), range(202, 228), [(inputs, asked)], 0))[0]
    return mean_rank_ic(said, inputs, asked)


@pytest.mark.parametrize("model", [reversal, ridge, trees])
def test_what_is_planted_is_found(larger: Inputs, model: Model) -> None:
    assert found(larger, model) > 0.2


def test_what_is_taken_back_has_no_momentum(larger: Inputs) -> None:
    assert found(larger, momentum) < 0


def test_how_far_a_share_is_below_a_high_that_is_still_to_come_ranks_it() -> None:
    """Each share rises at its own pace: only who knows the highest of all knows which."""
    drift = np.linspace(0.001, 0.01, SHARES) + np.zeros((120, 1))
    panel = panel_of(bars_of(50 * np.exp(np.cumsum(drift, axis=0))), chosen=True)
    asked = range(READ, 80)
    ics = {}
    for scaling, _ in MODELS:
        inputs = Inputs(panel, scaling, "same")
        ics[scaling] = mean_rank_ic(distance(Job(inputs, (), (), [(inputs, asked)], 0))[0], inputs, asked)
    assert ics["whole"] > 0.9
    assert ics["trailing"] == 0.0


@pytest.mark.slow
def test_the_network_learns_to_rank(larger: Inputs) -> None:
    assert found(larger, network("none", Training(10, 150, 40))) > 0.2


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    """Two models, one of them with two seeds, on a small world."""
    bars = bars_of(closes(120))
    panel, days = panel_of(bars, chosen=True), range(50, 118)
    rng = np.random.default_rng(0)
    dice = [rng.standard_normal((len(days), SHARES)) for _ in range(2)]
    stages = []
    for scaling, fill in MODELS:
        inputs = Inputs(panel, scaling, fill)
        said = {"reversal": reversal(Job(inputs, (), (), [(inputs, days)], 0)), "dice": dice}
        stages.append(Stage(inputs, days, said))
    last = accounts(MIC, bars, stages[-1], (1, 5))
    steps = {(name, k): waterfall(stages, last, name, k) for name in ("reversal", "dice") for k in (1, 5)}
    return Outcome(MIC, "2012", stages[0], stages[-1], last, steps, markets(stages))


def test_the_best_seed_is_published_and_the_mean_is_earned(outcome: Outcome) -> None:
    steps, earned = outcome.steps["dice", 5], outcome.first.earned("dice", 5)
    assert steps["published"].sum() == max(earned.sum(axis=1)) > min(earned.sum(axis=1))
    assert best(earned) == int(np.argmax(earned.sum(axis=1)))
    np.testing.assert_allclose(steps["missing"], np.mean([a.net for a in outcome.accounts["dice/5"]], axis=0))
    assert steps["seed"].sum() < steps["impact"].sum() < steps["costs"].sum() < steps["scaling"].sum()
    assert list(steps) == ["published", *(step for step in STEPS if step != "universe")]


def test_a_rule_loses_nothing_by_seeds_and_scaling_but_by_the_fill(outcome: Outcome) -> None:
    steps = outcome.steps["reversal", 5]
    np.testing.assert_array_equal(steps["fill"], steps["scaling"])
    np.testing.assert_array_equal(steps["impact"], steps["seed"])
    assert steps["published"].sum() > 0.3
    assert steps["fill"].sum() < steps["published"].sum() / 2


def test_the_tables_tell_what_they_could_not_know(outcome: Outcome) -> None:
    told = report([outcome])
    assert told.count("not known") == 3
    assert f"{outcome.steps['reversal', 5]['published'].sum():.2f}" in told
    assert draw([outcome, outcome]).startswith(b"\x89PNG")
