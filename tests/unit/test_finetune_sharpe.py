"""The Sharpe ratio as a loss: what the backtest counts, and a gradient that never points the wrong way."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from small_samples import NO_INPUTS, bars_of, position_spec, samples_of

from lim_pipelines.backtest import engine
from lim_pipelines.finetune.base import to_positions
from lim_pipelines.finetune.batches import STRETCH, Batches
from lim_pipelines.finetune.losses import SharpeLoss, make_loss, minus_sharpe
from lim_pipelines.finetune.samples import Samples, build_samples
from lim_pipelines.finetune.split import TooLittleHistoryError
from lim_pipelines.schemas import TARGETS
from lim_pipelines.strategies.spec import StrategySpec

torch.set_num_threads(1)
RETURNS = arrays(np.float64, 24, elements=st.floats(-0.1, 0.1))


def gradient(net: np.ndarray) -> tuple[float, np.ndarray]:
    returns = torch.from_numpy(net).requires_grad_()
    loss = minus_sharpe(returns, 5)
    loss.backward()  # type: ignore[no-untyped-call]
    assert returns.grad is not None
    return float(loss.detach()), returns.grad.numpy()


@given(RETURNS)
def test_a_losing_portfolio_is_improved_by_returns_never_by_risk(net: np.ndarray) -> None:
    """The trap: of -mean/std a loser wants its worst day worse, since that is more risk."""
    net = net - net.mean() - 0.01
    _, slope = gradient(net)
    assert (slope < 0).all()


def test_the_traps_that_the_loss_avoids_are_there() -> None:
    net = torch.tensor([-0.05, -0.03, -0.03, -0.03], requires_grad=True)
    naive = -net.mean() / net.std()
    naive.backward()  # type: ignore[no-untyped-call]
    assert net.grad is not None
    assert net.grad[0] > 0
    paper = -torch.log(net.mean()) + torch.log(net.std())
    assert torch.isnan(paper)
    assert np.isfinite(gradient(net.detach().double().numpy())[0])


@given(RETURNS)
def test_a_step_down_the_gradient_raises_the_sharpe_ratio(net: np.ndarray) -> None:
    net = net + 0.01 * np.sin(np.arange(24))
    loss, slope = gradient(net)
    after, _ = gradient(net - 1e-6 * slope / np.abs(slope).max())
    assert after < loss


def test_nothing_held_is_a_sharpe_ratio_of_zero_with_a_finite_gradient() -> None:
    loss, slope = gradient(np.zeros(24))
    assert loss == 0
    assert np.isfinite(slope).all()


@pytest.mark.parametrize(("task", "horizon"), [("directional", 1), ("cross_sectional", 5)])
def test_returns_are_those_that_the_backtest_counts(task: str, horizon: int) -> None:
    """Costs, borrowing and drift of positions: the loss and the engine agree."""
    one = position_spec(task, horizon=horizon, costs={"multiplier": 5.0})
    samples, bars = samples_of(one), bars_of(task)
    groups = samples.groups()
    known = np.isfinite(samples.label)
    sessions = np.unique(groups[known])[::-1][::horizon][::-1]
    rows = np.flatnonzero(known & np.isin(groups, sessions))
    scores = 2 * np.random.default_rng(3).standard_normal((len(rows), 1))
    loss = SharpeLoss(one, samples)
    net = loss.returns(torch.from_numpy(scores).float(), rows).numpy()

    part = samples.at(rows)
    targets = part.frame.with_columns(
        weight=pl.Series(to_positions(one, scores, part, 1.0)),
        strategy=pl.lit("small"),
        cutoff=pl.col("date").min(),
        spec_digest=pl.lit(""),
        model_digest=pl.lit(""),
        arm=pl.lit("head"),
        seed=pl.lit(0, dtype=pl.Int64),
        decided_at=pl.lit(datetime(2018, 1, 1, tzinfo=UTC)),
        forecast=pl.lit(None, dtype=pl.Float64),
    )
    daily = engine.run(TARGETS.conform(targets), bars, costs=one.costs).daily.sort("date")
    # A decision fills at the next session's close and earns from the one after that on, for a horizon; what
    # its trade cost was paid at the fill, against the equity there.
    equity = np.cumprod(1 + daily["net_return"].to_numpy())
    fills = daily["date"].search_sorted(part.frame["date"].unique().sort(), side="right").to_numpy()
    value = equity[fills]
    paid = daily["cost"].to_numpy()[fills]
    earned = value[1:] / value[:-1] - 1
    assert len(net) == len(sessions) - 1
    # `earned` of a period holds the cost of the trade at its end, the loss that at its beginning.
    ours = net[:-1] - paid[2:] + paid[1:-1]
    assert ours == pytest.approx(earned[1:], abs=2e-4)
    assert np.abs(earned).mean() > 20 * np.abs(ours - earned[1:]).mean()
    assert paid[2:].mean() > 1e-4


def test_a_trade_is_the_difference_to_what_prices_made_of_the_position() -> None:
    one = position_spec("cross_sectional", horizon=5, costs={"multiplier": 100.0, "borrow_bps_per_year": 0.0})
    samples = samples_of(one)
    groups = samples.groups()
    first, second = (np.flatnonzero(groups == session) for session in (100, 105))
    scores = np.random.default_rng(0).standard_normal((len(first) + len(second), 1))
    before, after = (
        to_positions(one, own, samples.at(rows), 1.0)
        for own, rows in ((scores[: len(first)], first), (scores[len(first) :], second))
    )
    gain, next_gain = np.expm1(samples.label[first]), np.expm1(samples.label[second])
    drifted = before * (1 + gain) / (1 + before @ gain)
    cost = one.costs.trade_rate("XSIM") * np.abs(after - drifted).sum()
    rows = np.concatenate([first, second])
    net = SharpeLoss(one, samples).returns(torch.from_numpy(scores).float(), rows)
    assert net.numpy() == pytest.approx([after @ next_gain - cost], abs=1e-6)
    assert abs(np.abs(after - drifted).sum() - np.abs(after - before).sum()) * 0.01 > 1e-5


def held_and_drifted(
    one: StrategySpec, samples: Samples, session: int, scores: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Rows of a session, their weights, simple returns, and what prices make of the weights by its end."""
    rows = np.flatnonzero(samples.groups() == session)
    weight = to_positions(one, scores[rows], samples.at(rows), 1.0)
    gain = np.expm1(samples.label[rows])
    return rows, weight, gain, weight * (1 + gain) / (1 + weight @ gain)


@pytest.mark.parametrize("absent", ["until", "from"])
def test_what_enters_or_leaves_the_universe_pays_for_its_whole_position(absent: str) -> None:
    one = position_spec("cross_sectional", horizon=5, costs={"multiplier": 100.0, "borrow_bps_per_year": 0.0})
    whole = samples_of(one)
    late = whole.groups() >= 103
    gone = (whole.picks[:, 0] == 1) & (late if absent == "from" else ~late)
    samples = whole.at(~gone)
    scores = np.random.default_rng(0).standard_normal((len(samples), 1))
    first, _, _, drifted = held_and_drifted(one, samples, 100, scores)
    second, after, gain, _ = held_and_drifted(one, samples, 105, scores)
    there = dict(zip(samples.picks[first, 0].tolist(), drifted.tolist(), strict=True))
    now = dict(zip(samples.picks[second, 0].tolist(), after.tolist(), strict=True))
    assert abs(len(there) - len(now)) == 1
    traded = sum(abs(now.get(name, 0.0) - there.get(name, 0.0)) for name in there | now)
    rows = np.concatenate([first, second])
    net = SharpeLoss(one, samples).returns(torch.from_numpy(scores[rows]).float(), rows)
    cost = one.costs.trade_rate("XSIM") * traded
    assert net.numpy() == pytest.approx([after @ gain - cost], abs=1e-6)


def test_the_end_of_what_is_known_and_the_first_session_of_a_stretch_are_no_trades() -> None:
    """Nobody enters or leaves in a session of which the batch does not know the one before."""
    one = position_spec("cross_sectional", horizon=5, costs={"multiplier": 100.0, "borrow_bps_per_year": 0.0})
    samples = samples_of(one)
    known = np.flatnonzero(np.isfinite(samples.label))
    groups = samples.groups()
    last = groups[known].max()
    rows = known[np.isin(groups[known], [last - 5, last])]
    scores = np.random.default_rng(1).standard_normal((len(samples), 1))
    _, _, _, drifted = held_and_drifted(one, samples, last - 5, scores)
    _, after, gain, _ = held_and_drifted(one, samples, last, scores)
    cost = one.costs.trade_rate("XSIM") * np.abs(after - drifted).sum()
    net = SharpeLoss(one, samples).returns(torch.from_numpy(scores[rows]).float(), rows)
    assert net.numpy() == pytest.approx([after @ gain - cost], abs=1e-6)


def test_what_has_no_bar_of_a_session_is_held_over_it() -> None:
    """It neither leaves nor enters: its own bars before and behind the hole are a horizon apart."""
    bars = bars_of("cross_sectional")
    days, name = bars["date"].unique().sort()[149:152], bars["instrument_id"][0]
    hole = (pl.col("instrument_id") == name) & (pl.col("date") == days[1])
    found = []
    for multiplier in (0.0, 100.0):
        one = position_spec(
            "directional",
            horizon=1,
            universe={"exchanges": ["XSIM"]},
            foundation="xsim_foundation_checkpoint",
            costs={"multiplier": multiplier, "borrow_bps_per_year": 0.0},
        )
        samples = build_samples(one, bars.filter(~hole), NO_INPUTS)
        rows = np.flatnonzero(samples.frame["date"].is_in(days.to_list()).to_numpy())
        scores = torch.ones(len(rows), 1)
        found.append(SharpeLoss(one, samples).returns(scores, rows))
        largest = np.abs(to_positions(one, scores.numpy(), samples.at(rows), 1.0)).max()
    free, dear = found
    assert len(free) == 2
    assert float((free - dear).max()) < 0.5 * largest * one.costs.trade_rate("XSIM")


@pytest.mark.parametrize("task", ["directional", "cross_sectional"])
def test_a_fit_from_a_losing_start_learns_planted_momentum(task: str) -> None:
    one = position_spec(task, horizon=5)
    samples = samples_of(one)
    rows = np.flatnonzero(np.isfinite(samples.label))
    signal = torch.from_numpy(samples.past_return / samples.scale(5)).float()
    slope = torch.tensor([[-0.5]], requires_grad=True)
    loss, batches = make_loss(one, samples), Batches(one, samples, rows, seed=1)
    optimiser = torch.optim.Adam([slope], lr=0.05)
    start = float(loss(signal[rows, None] @ slope.detach(), rows))
    for _ in range(40):
        drawn = batches.draw()
        optimiser.zero_grad()
        loss(signal[drawn, None] @ slope, drawn).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    assert start > 0.5
    assert slope.item() > 0
    assert float(loss(signal[rows, None] @ slope.detach(), rows)) < -0.5


def test_costs_make_a_fit_trade_less() -> None:
    """Positions that flip each time are worth it free of cost, and are given up where trading is dear."""
    samples = samples_of(position_spec("directional", horizon=1))
    rows = np.flatnonzero(np.isfinite(samples.label))[-200:]
    # A signal that foresees the return, in two parts: one that lasts, one that flips.
    flip = torch.from_numpy(np.sign(samples.label[rows])).float()
    found = []
    for multiplier in (0.0, 100.0):
        loss = make_loss(position_spec("directional", horizon=1, costs={"multiplier": multiplier}), samples)
        weight = torch.tensor([0.3], requires_grad=True)
        loss((flip * weight)[:, None], rows).backward()  # type: ignore[no-untyped-call]
        assert weight.grad is not None
        found.append(weight.grad.item())
    assert found[0] < 0 < found[1]


@settings(max_examples=20)
@given(
    st.sampled_from(["directional", "cross_sectional"]),
    st.integers(1, 10),
    st.integers(20, 70),
    st.booleans(),
    st.integers(0, 1000),
)
def test_a_batch_is_stretches_of_decisions_a_horizon_apart(
    task: str, horizon: int, batch: int, sparse: bool, seed: int
) -> None:
    every = horizon if sparse else 1
    one = position_spec(
        task, horizon=horizon, fit={"batch": batch, "sample_every": every, "validation_sessions": 500}
    )
    samples = samples_of(one)
    groups = samples.groups()
    known = np.isfinite(samples.label)
    kept = np.unique(groups[known])[::-1][::every][::-1]
    rows = np.flatnonzero(known & np.isin(groups, kept))
    drawn = Batches(one, samples, rows, seed).draw()
    assert len(np.unique(drawn)) == len(drawn)
    sessions = np.unique(groups[drawn])
    # All instruments of a session, and enough decisions that have another one before them.
    assert len(drawn) == np.isin(groups[rows], sessions).sum()
    followed = np.isin(sessions - horizon, sessions).sum()
    assert followed >= min(batch, len(kept) // 3, STRETCH)
    assert len(SharpeLoss(one, samples).returns(torch.zeros(len(drawn), 1), drawn)) == followed


def test_too_few_decisions_for_a_sharpe_ratio_are_refused() -> None:
    one = position_spec("directional", horizon=10)
    samples = samples_of(one)
    with pytest.raises(TooLittleHistoryError, match=r"strategy small: 25 sessions .* lower horizon or fit"):
        Batches(one, samples, np.arange(25), 0)
