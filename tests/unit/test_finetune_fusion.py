"""Joining modalities with the embedding: what is missing says nothing, and says it on purpose."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategy_world import spec

from lim_pipelines.finetune.fusion import FUSIONS, MODALITY_DROPOUT, Fusion
from lim_pipelines.finetune.modalities import Modality, modalities_of

torch.set_num_threads(1)
WIDTH = 8
TOLD = (
    Modality("macro", (0, 3), optional=False),
    Modality("text", (1, 2, 4), optional=True),
    Modality("graph", (5,), optional=True),
)
FEATURES = 6


def batch(seed: int, rows: int = 5) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    known = torch.rand(rows, FEATURES, generator=rng) < 0.6
    return torch.randn(rows, WIDTH, generator=rng), torch.randn(rows, FEATURES, generator=rng), known


def made(name: str, seed: int = 0) -> Fusion:
    """A fusion with weights as after a fit: no vector for nothing known is zero."""
    torch.manual_seed(seed)
    fusion = FUSIONS[name](WIDTH, TOLD)
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape))
    return fusion.eval()


@pytest.mark.parametrize("name", FUSIONS)
@settings(max_examples=20)
@given(seed=st.integers(0, 10_000), training=st.booleans())
def test_numbers_that_are_not_known_change_no_output(name: str, seed: int, training: bool) -> None:
    fusion, (embedding, features, known) = made(name), batch(seed)
    fusion.train(training)
    other = torch.where(known, features, torch.full_like(features, 1e6))
    outs = []
    for numbers in (features, other):
        torch.manual_seed(seed)
        outs.append(fusion(embedding, numbers, known))
    assert torch.equal(*outs)
    assert outs[0].shape == (5, fusion.width)


@pytest.mark.parametrize("name", FUSIONS)
def test_numbers_that_are_known_do_and_nothing_known_is_not_the_mean(name: str) -> None:
    fusion, (embedding, features, _) = made(name), batch(1)
    known = torch.ones_like(features, dtype=torch.bool)
    out = fusion(embedding, features, known)
    text = list(TOLD[1].columns)
    moved, hidden = features.clone(), known.clone()
    moved[:, text] = 0.0  # the mean
    hidden[:, text] = False
    assert not torch.allclose(out, fusion(embedding, moved, known))
    assert not torch.allclose(fusion(embedding, moved, known), fusion(embedding, moved, hidden))


@pytest.mark.parametrize("name", FUSIONS)
@given(seed=st.integers(0, 10_000))
@settings(max_examples=10)
def test_a_row_is_joined_by_itself(name: str, seed: int) -> None:
    fusion, rows = made(name), batch(seed)
    order = torch.randperm(5, generator=torch.Generator().manual_seed(seed))
    assert torch.allclose(fusion(*rows)[order], fusion(*(part[order] for part in rows)), atol=1e-6)


@pytest.mark.parametrize("name", FUSIONS)
def test_a_fit_hides_each_optional_modality_in_a_share_of_the_rows(name: str) -> None:
    fusion, known = made(name), torch.ones(20_000, FEATURES, dtype=torch.bool)
    fusion.train()
    torch.manual_seed(0)
    absent = fusion._absent(known).float().mean(0)
    assert absent[0] == 0.0
    assert np.allclose(absent[1:], MODALITY_DROPOUT, atol=0.01)
    assert not fusion.eval()._absent(known).any()


@pytest.mark.parametrize("name", FUSIONS)
def test_the_vector_for_nothing_known_is_learned(name: str) -> None:
    fusion, (embedding, features, known) = made(name), batch(2, 64)
    fusion.train()
    torch.manual_seed(0)
    fusion(embedding, features, known).square().sum().backward()
    nothing = next(p for key, p in fusion.named_parameters() if key.endswith("nothing"))
    assert nothing.grad is not None
    assert (nothing.grad != 0).any()


def test_macro_alone_stands_beside_the_embedding_and_draws_nothing() -> None:
    """What strategies with session-wide features gave before, to the bit: no draw, no further parameter."""
    plain = FUSIONS["concatenation"](WIDTH, (Modality("macro", (0, 1), optional=False),)).train()
    embedding, features, known = batch(3)
    torch.manual_seed(0)
    out = plain(embedding, features[:, :2], known[:, :2])
    assert torch.equal(torch.rand(1), torch.rand(1, generator=torch.Generator().manual_seed(0)))
    beside = torch.where(known[:, :2], features[:, :2], 0.0)
    assert torch.equal(out, torch.cat([torch.nn.functional.layer_norm(embedding, (WIDTH,)), beside], dim=1))
    assert {name for name, _ in plain.named_parameters()} == {"norm.weight", "norm.bias"}


def test_without_features_the_embedding_is_normalised_and_nothing_else() -> None:
    bare, embedding = FUSIONS["concatenation"](WIDTH, ()), torch.randn(4, WIDTH)
    none = torch.zeros(4, 0)
    assert torch.equal(bare(embedding, none, none.bool()), bare.norm(embedding))


def test_modalities_are_blocks_in_the_order_of_the_features() -> None:
    features = ["text_sentiment", "vix_level", "text_embedding", "earnings_yield"]
    found = modalities_of(spec("directional", features=features))
    assert [m.name for m in found] == ["text", "macro", "fundamentals"]
    assert found[0].columns == (0, *range(2, 386))
    assert found[1].columns == (1,)
    assert [m.optional for m in found] == [True, False, True]
