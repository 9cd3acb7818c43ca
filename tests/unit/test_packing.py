"""Packing: every window lies somewhere whole, and the step learns what it would learn from padded rows."""

import numpy as np
import pytest
import torch
from foundation_bars import TINY, noise, one_series
from hypothesis import given
from hypothesis import strategies as st

from lim_pipelines.foundation.config import Layout, Objective
from lim_pipelines.foundation.model import FoundationModel, Inputs
from lim_pipelines.foundation.objective import pretraining_loss
from lim_pipelines.foundation.packing import first_fit, inputs_of, patches_of
from lim_pipelines.foundation.windows import WindowStore

CONFIG = TINY.model_copy(update={"horizon": 16})
STORE = WindowStore([one_series(noise(60, seed)) for seed in range(2)], CONFIG.context, CONFIG.horizon)
ENDS = (8, 11, 40, 16, 25, 9, 33, 17, 8, 20)
RAGGED = STORE.batch(np.array([[i % 2, end] for i, end in enumerate(ENDS)]))


def _gradient(model: FoundationModel) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


@given(st.lists(st.integers(1, 12), min_size=1, max_size=60))
def test_no_two_windows_share_a_patch_and_rows_are_well_filled(sizes: list[int]) -> None:
    row, start = first_fit(np.array(sizes), 12)
    taken = [
        (r, s + j)
        for r, s, size in zip(row.tolist(), start.tolist(), sizes, strict=True)
        for j in range(size)
    ]
    assert len(set(taken)) == len(taken)
    assert max(at for _, at in taken) < 12
    filled = np.bincount(row, weights=sizes)
    assert (filled <= 6).sum() <= 1  # two such rows would have been one
    assert sorted(set(row.tolist())) == list(range(row.max() + 1))


def test_sizes_count_from_the_first_value() -> None:
    # Row 0 has no return but a range and a volume.
    assert patches_of(RAGGED.values, 8).tolist() == [2, 2, 4, 3, 4, 2, 4, 3, 2, 3]
    assert patches_of(np.full((2, 32, 5), np.nan, np.float32), 8).tolist() == [1, 1]


@pytest.mark.parametrize("layout", ["patch", "variable", "two_level"])
@pytest.mark.parametrize("objective", ["horizon", "next_patch"])
def test_a_packed_step_learns_what_a_padded_one_learns(layout: Layout, objective: Objective) -> None:
    config = CONFIG.model_copy(update={"layout": layout, "objective": objective})
    torch.manual_seed(0)
    model = FoundationModel(config)
    with torch.no_grad():
        for parameter in model.parameters():  # blocks begin as the identity: then nothing could be mixed up
            parameter.add_(0.05 * torch.randn_like(parameter))
    losses, gradients = [], []
    packed = inputs_of(RAGGED, config)
    assert len(packed[0].values) == 8 < len(RAGGED.values)
    for inputs, future in ((Inputs.of(RAGGED), torch.from_numpy(RAGGED.future)), packed):
        model.zero_grad()
        loss = pretraining_loss(model, inputs, future, torch.Generator().manual_seed(3))
        torch.autograd.backward(loss)
        losses.append(loss.item())
        gradients.append(_gradient(model))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-3, atol=1e-5)


def test_full_windows_are_not_packed() -> None:
    full = STORE.batch(np.array([[0, 40], [1, 41], [0, 39]]))
    inputs, future = inputs_of(full, CONFIG)
    assert inputs.window is None
    np.testing.assert_array_equal(future.numpy(), full.future)


def test_what_reads_both_sides_is_not_packed() -> None:
    assert inputs_of(RAGGED, CONFIG.model_copy(update={"objective": "masked"}))[0].window is None
