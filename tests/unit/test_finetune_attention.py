"""The head over a cross-section: order means nothing, sessions know nothing of each other."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategy_world import CUTOFF, config, inputs, market, spec

from lim_pipelines.finetune.arms import fit_arms
from lim_pipelines.finetune.attention import Attention, places
from lim_pipelines.finetune.batch import Batch
from lim_pipelines.finetune.fusion import make_fusion
from lim_pipelines.finetune.heads import make_head
from lim_pipelines.finetune.selection import Selection
from lim_pipelines.finetune.trend import HALF_LIVES
from lim_pipelines.foundation.model import FoundationModel
from lim_pipelines.schemas import VALIDATED_MACRO
from lim_pipelines.strategies.registry import TASKS

torch.set_num_threads(1)
WIDTH = 16
SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=6)


def head() -> Attention:
    """An attention head whose last layer is not zero."""
    torch.manual_seed(0)
    asked = spec(head="attention")
    made = Attention(make_fusion(asked, WIDTH), 0, 3)
    torch.nn.init.normal_(made.out.weight)
    return made.eval()


def batch(sizes: list[int], seed: int) -> Batch:
    """Sessions of the given numbers of instruments, their rows mixed."""
    dice = torch.Generator().manual_seed(seed)
    group = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    group = group[torch.randperm(len(group), generator=dice)]
    rows = len(group)
    nothing = torch.zeros(rows, 0)
    return Batch(
        torch.randn(rows, WIDTH, generator=dice),
        nothing,
        nothing.bool(),
        group,
        torch.zeros(rows, 0, WIDTH),
        nothing.bool(),
        torch.randn(rows, len(HALF_LIVES), generator=dice),
    )


def at(one: Batch, rows: torch.Tensor) -> Batch:
    """Some rows, their sessions numbered anew."""
    picked = Batch(*(part[rows] for part in one))
    return picked._replace(group=torch.unique(picked.group, return_inverse=True)[1])


@settings(max_examples=40)
@given(SIZES, st.integers(0, 99))
def test_rows_that_are_permuted_are_answered_in_the_same_permutation(sizes: list[int], seed: int) -> None:
    one, model = batch(sizes, seed), head()
    order = torch.randperm(len(one.group), generator=torch.Generator().manual_seed(seed + 1))
    with torch.no_grad():
        assert torch.allclose(model(at(one, order)), model(one)[order], atol=1e-5)


@settings(max_examples=40)
@given(SIZES, st.integers(0, 99))
def test_a_session_is_answered_the_same_whatever_stands_beside_it(sizes: list[int], seed: int) -> None:
    one, model = batch(sizes, seed), head()
    with torch.no_grad():
        together = model(one)
        for session in range(len(sizes)):
            rows = torch.nonzero(one.group == session)[:, 0]
            assert torch.allclose(model(at(one, rows)), together[rows], atol=1e-5)


def test_what_is_said_of_one_instrument_depends_on_the_others() -> None:
    one, model = batch([5, 3], 0), head()
    first = torch.nonzero(one.group == 0)[:, 0]
    changed = one.embedding.clone()
    changed[first[1]] += torch.randn(WIDTH, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        before, after = model(one), model(one._replace(embedding=changed))
    assert not torch.allclose(before[first[0]], after[first[0]], atol=1e-3)
    other = one.group == 1
    assert torch.equal(before[other], after[other])


@settings(max_examples=40)
@given(SIZES, st.integers(0, 99))
def test_places_number_the_rows_of_each_group(sizes: list[int], seed: int) -> None:
    group = batch(sizes, seed).group
    place, counts = places(group)
    assert counts.tolist() == sizes
    for session, size in enumerate(sizes):
        assert place[group == session].tolist() == list(range(size))


def test_it_is_chosen_in_yaml_and_says_nothing_before_it_is_fitted() -> None:
    made = make_head(spec(head="attention"), WIDTH)
    assert isinstance(made, Attention)
    rows = torch.zeros(7, 0)
    others = torch.zeros(7, 0, WIDTH)
    group = torch.tensor([0, 0, 1, 1, 1, 0, 1])
    trend = torch.randn(7, len(HALF_LIVES))
    said = made.outputs(Batch(torch.randn(7, WIDTH), rows, rows.bool(), group, others, rows.bool(), trend))
    assert said.shape == (7, spec().outputs)
    assert not said.any()
    with pytest.raises(ValueError, match="head: attention reads a whole cross-section"):
        spec("directional", head="attention")


def test_it_learns_the_planted_momentum_of_a_cross_section() -> None:
    one = spec(head="attention", seeds=[1], controls=[], fit={"steps": 40, "validation_sessions": 60})
    bars = market(end=CUTOFF)
    known = inputs(one, bars, VALIDATED_MACRO.empty(), CUTOFF)
    samples = TASKS[one.task].samples(one, bars, known, Selection())
    torch.manual_seed(0)
    backbone = FoundationModel(config("xsim_foundation_checkpoint")).eval()
    [arm] = fit_arms(one, backbone, samples, CUTOFF).arms
    loss, zero = arm.metrics["validation_loss"], arm.metrics["validation_loss_of_zero"]
    assert loss is not None
    assert zero is not None
    assert loss < zero
