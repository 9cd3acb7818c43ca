"""Objectives: every layout, objective and head learns a planted law and trains all weights."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
import torch
from foundation_bars import TINY, noise, one_series

from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.heads import HEADS
from lim_pipelines.foundation.model import FoundationModel, Inputs
from lim_pipelines.foundation.objective import MOST_ASKED, draw_asked, pretraining_loss
from lim_pipelines.foundation.windows import WindowStore

CONTEXT, HORIZON = TINY.context, TINY.horizon


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def alternating() -> WindowStore:
    """Returns that change sign with every bar: easy to learn, and nothing of it is in the scale."""
    returns = 0.01 * (-1.0) ** np.arange(400) + noise(400) / 5
    return WindowStore([one_series(returns)], CONTEXT, HORIZON)


def model_of(**how: object) -> FoundationModel:
    torch.manual_seed(0)
    return FoundationModel(FoundationConfig.model_validate(TINY.model_dump() | how))


def losses(model: FoundationModel, store: WindowStore, steps: int, rate: float = 3e-3) -> list[float]:
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    out = []
    for step in range(steps):
        rng = np.random.default_rng(step)
        batch = store.batch(
            np.stack([np.zeros(8, np.int64), rng.integers(CONTEXT, 390 - HORIZON, 8)], axis=1)
        )
        dice = torch.Generator().manual_seed(step)
        optimizer.zero_grad()
        loss = pretraining_loss(model, Inputs.of(batch), torch.from_numpy(batch.future), dice)
        loss.backward()
        optimizer.step()
        out.append(loss.item())
    return out


@pytest.mark.parametrize(
    ("layout", "objective", "head"),
    [
        *product(["patch", "variable", "two_level"], ["horizon", "next_patch", "masked"], ["mixture"]),
        *(("patch", "horizon", head) for head in sorted(HEADS) if head != "mixture"),
    ],
)
def test_every_kind_learns(layout: str, objective: str, head: str, alternating: WindowStore) -> None:
    found = losses(model_of(layout=layout, objective=objective, head=head), alternating, 16)
    assert np.mean(found[-4:]) < np.mean(found[:4]) - 0.02


def test_all_of_a_batch_trains_every_weight_and_gaps_do_no_harm() -> None:
    torch.manual_seed(0)
    model = model_of(hide=0.3)
    stores = [one_series(noise(200)), one_series(noise(200, 2), "XNYM:WTI", close_only=True)]
    batch = WindowStore(stores, CONTEXT, HORIZON).batch(np.array([[0, 50], [0, 9], [1, 60], [1, 9]]))
    future = torch.from_numpy(batch.future).clone()
    future[0, 3:], future[2] = torch.nan, torch.nan
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    touched = set()
    for step in range(24):
        optimizer.zero_grad()
        pretraining_loss(model, Inputs.of(batch), future, torch.Generator().manual_seed(step)).backward()
        optimizer.step()
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            touched |= {name} if parameter.grad.any() else set()
    assert touched == {name for name, _ in model.named_parameters()}


def test_nothing_known_is_no_loss() -> None:
    model = model_of()
    batch = WindowStore([one_series(noise(100))], CONTEXT, HORIZON).batch(np.array([[0, 60]]))
    given = Inputs.of(batch)
    unknown = given._replace(values=torch.full_like(given.values, torch.nan))
    loss = pretraining_loss(model, unknown, torch.full((1, HORIZON, 5), torch.nan), torch.Generator())
    assert loss.item() == 0


@pytest.mark.parametrize(("patches", "first"), [(4, 0), (40, 0), (40, 30), (9, 8)])
def test_the_last_patch_is_always_asked_and_none_of_a_coarser_piece(patches: int, first: int) -> None:
    asked = draw_asked(64, patches, first, torch.Generator().manual_seed(1))
    assert asked.shape == (64, min(MOST_ASKED, patches - first))
    assert (asked[:, -1] == patches - 1).all()
    assert (asked >= first).all()
    assert (asked.diff(dim=1) > 0).all()
    if patches == 40:
        assert set(asked.flatten().tolist()) == set(range(first, patches))


def test_the_same_dice_ask_the_same(alternating: WindowStore) -> None:
    batch = alternating.batch(np.array([[0, 100], [0, 200]]))
    model = model_of(hide=0.5)
    one, same, other = (
        pretraining_loss(
            model, Inputs.of(batch), torch.from_numpy(batch.future), torch.Generator().manual_seed(seed)
        )
        for seed in (1, 1, 2)
    )
    assert one == same != other
