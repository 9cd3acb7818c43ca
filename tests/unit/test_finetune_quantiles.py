"""Alpha as quantiles: what outputs stand for, and the loss that makes them true."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from small_samples import samples_of
from strategy_world import spec

from lim_pipelines.finetune.base import coverage
from lim_pipelines.finetune.losses import make_loss
from lim_pipelines.finetune.quantiles import LEVELS, mean, quantiles
from lim_pipelines.finetune.samples import demean

torch.set_num_threads(1)
OUTPUTS = arrays(np.float64, (3, len(LEVELS)), elements=st.floats(-3, 3))


@given(OUTPUTS)
def test_quantiles_never_cross_and_the_first_column_is_the_median(outputs: np.ndarray) -> None:
    found = quantiles(outputs)
    assert (np.diff(found, axis=1) > 0).all()
    assert found[:, LEVELS.index(0.5)] == pytest.approx(outputs[:, 0])
    average = mean(outputs)
    assert (average > found[:, 0] - 1e-9).all()
    assert (average < found[:, -1] + 1e-9).all()


@given(OUTPUTS, st.floats(-2, 2))
def test_a_return_that_is_higher_by_something_moves_all_of_it(outputs: np.ndarray, by: float) -> None:
    moved = outputs.copy()
    moved[:, 0] += by
    assert quantiles(moved) == pytest.approx(quantiles(outputs) + by)
    assert mean(moved) == pytest.approx(mean(outputs) + by)


def test_zero_is_a_normal_and_a_point_forecaster_says_its_point() -> None:
    assert quantiles(np.zeros((1, len(LEVELS))))[0, -1] == pytest.approx(1.6448536)
    assert mean(np.zeros((1, len(LEVELS)))) == pytest.approx([0.0])
    point = np.array([[0.3], [-0.1]])
    assert mean(point).tolist() == [0.3, -0.1]
    assert quantiles(point) == pytest.approx(quantiles(np.pad(point, ((0, 0), (0, len(LEVELS) - 1)))))


def test_a_long_upper_tail_raises_the_mean_above_the_median() -> None:
    outputs = np.zeros((1, len(LEVELS)))
    outputs[0, -1] = 1.0
    assert mean(outputs)[0] > 0.04


@pytest.mark.parametrize("task", ["directional", "cross_sectional"])
def test_the_loss_is_the_pinball_loss_of_the_quantiles(task: str) -> None:
    one = spec(task, features=[])
    samples = samples_of(one)
    rows = np.flatnonzero(np.isfinite(samples.label))[-30:]
    outputs = np.random.default_rng(1).standard_normal((30, len(LEVELS))) / 2
    part, said = samples.at(rows), outputs.copy()
    scale, groups = part.scale(5), part.groups()
    label = part.label
    if task == "cross_sectional":
        label, said[:, 0] = demean(label, groups), demean(outputs[:, 0] * scale, groups) / scale
    error = (label / scale)[:, None] - quantiles(said)
    levels = np.array(LEVELS)
    expected = 2 * np.maximum(levels * error, (levels - 1) * error).mean()
    loss = make_loss(one, samples)(torch.from_numpy(outputs).float(), rows)
    assert float(loss) == pytest.approx(expected, rel=1e-4)


def test_the_loss_is_least_at_the_true_quantiles() -> None:
    """Fitted by the loss, constants become the label's own quantiles."""
    one = spec("directional", features=[])
    samples = samples_of(one)
    rows = np.flatnonzero(np.isfinite(samples.label))
    said = torch.zeros(1, len(LEVELS), requires_grad=True)
    loss = make_loss(one, samples)
    optimiser = torch.optim.Adam([said], lr=0.05)
    for _ in range(150):
        optimiser.zero_grad()
        loss(said.expand(len(rows), -1), rows).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    fitted = said.detach().double().numpy().repeat(len(rows), axis=0)
    assert coverage(one, fitted, samples.at(rows)) == pytest.approx(0.9, abs=0.02)
    fitted[:, 1:] -= 1.0
    assert coverage(one, fitted, samples.at(rows)) < 0.6
    label = samples.label[rows] / samples.scale(5)[rows]
    assert quantiles(said.detach().double().numpy())[0] == pytest.approx(np.quantile(label, LEVELS), abs=0.1)
