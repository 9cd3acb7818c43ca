"""The model: no look-ahead at any patch, every context length, gaps, windows that keep to themselves."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
import torch
from foundation_bars import TINY, noise, one_series
from torch import Tensor, nn

from lim_pipelines.foundation.config import FoundationConfig, Layout
from lim_pipelines.foundation.layouts import SLOTS, into_slots
from lim_pipelines.foundation.model import FoundationModel, Inputs, States
from lim_pipelines.foundation.patching import draw_hidden, from_patches, horizons, to_patches
from lim_pipelines.foundation.scaling import unscaled
from lim_pipelines.foundation.series import VARIABLES
from lim_pipelines.foundation.windows import WindowStore

P = len(VARIABLES)
L, H, PATCH = TINY.context, TINY.horizon, TINY.patch
N = L // PATCH
STOCK, INDEX = one_series(noise(200)), one_series(noise(200, 1), "XNYS:SPX")
OIL = one_series(noise(200, 2), "XNYM:WTI", close_only=True)
LAYOUTS: tuple[Layout, ...] = ("patch", "variable", "two_level")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def awake(**how: object) -> FoundationModel:
    """A model that says something: what training finds is not zero either."""
    torch.manual_seed(0)
    made = FoundationModel(FoundationConfig.model_validate(TINY.model_dump() | how))
    for name, parameter in made.named_parameters():
        if parameter.ndim == 2 and not parameter.any() and "series" not in name:
            nn.init.normal_(parameter, std=0.1)
    return made.eval()


def inputs(*picks: tuple[int, int]) -> Inputs:
    return Inputs.of(WindowStore([STOCK, INDEX, OIL], L, H).batch(np.array(picks)))


def close(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-4, atol=2e-5, equal_nan=True)


def same(a: States, b: States, at: slice) -> None:
    close(a.tokens[:, at], b.tokens[:, at])
    close(a.pooled[:, at], b.pooled[:, at])
    close(a.scale.spread[:, at], b.scale.spread[:, at])


def test_patches_and_back() -> None:
    grid = torch.randn(3, L, P)
    patches = to_patches(grid, PATCH)
    assert torch.equal(patches[1, 2, 4], grid[1, 2 * PATCH : 3 * PATCH, 4])
    assert torch.equal(from_patches(patches), grid)


def test_horizons_are_the_bars_behind_each_patch() -> None:
    bars = torch.arange(L + 2 * PATCH, dtype=torch.float32).view(1, -1, 1)
    behind = horizons(bars[:, :L], bars[:, L:], PATCH, 2 * PATCH)
    assert behind.shape == (1, N, 2 * PATCH, 1)
    for i in range(N):
        assert torch.equal(behind[0, i, :, 0], bars[0, (i + 1) * PATCH : (i + 3) * PATCH, 0])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_nothing_behind_a_patch_changes_anything_at_it(layout: Layout) -> None:
    model, given = awake(layout=layout), inputs((0, 50), (1, 90), (2, 60))
    known = model.states(given)
    for first in range(1, N):
        later = given.values.clone()
        later[:, first * PATCH :] = torch.tensor([1e4, torch.nan]).repeat(L // 2)[first * PATCH :, None]
        calendar = given.calendar.clone()
        calendar[:, first * PATCH :] = 9
        changed = model.states(given._replace(values=later, calendar=calendar))
        same(known, changed, slice(0, first))
        assert not torch.allclose(known.pooled[:, first], changed.pooled[:, first])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_shorter_context_says_what_the_longer_one_said_there(layout: Layout) -> None:
    model, given = awake(layout=layout), inputs((0, 50), (2, 60))
    states = model.states(given)
    for n in range(1, N + 1):
        bars = n * PATCH
        short = model(given._replace(values=given.values[:, :bars], calendar=given.calendar[:, :bars]))
        close(short.embedding, states.pooled[:, n - 1])
        close(short.said.raw, model.ask(states, torch.full((2, 1), n - 1)).raw)
        assert short.said.raw.isfinite().all()


@pytest.mark.parametrize("objective", ["horizon", "masked"])
def test_history_that_is_not_there_is_a_shorter_context(objective: str) -> None:
    model, whole = awake(objective=objective), inputs((0, 50), (1, 90))
    padded = whole.values.clone()
    padded[:, :-PATCH] = torch.nan
    before, after = model(whole._replace(values=padded)), model(whole.last(PATCH))
    close(before.said.raw, after.said.raw)
    close(before.embedding, after.embedding)


def test_contexts_that_do_not_fit_are_refused() -> None:
    model, whole = awake(), inputs((0, 50))
    with pytest.raises(ValueError, match="multiple of 8 bars"):
        model(whole.last(PATCH + 1))
    with pytest.raises(ValueError, match="at most 7 variables"):
        model(whole._replace(values=whole.values.repeat(1, 1, 2)))


@pytest.mark.parametrize(("layout", "objective"), product(LAYOUTS, ["horizon", "masked"]))
def test_what_is_hidden_changes_nothing(layout: Layout, objective: str) -> None:
    model, given = awake(layout=layout, objective=objective), inputs((0, 50), (1, 90))
    given = given._replace(values=into_slots(given.values))
    hidden = draw_hidden(2, N, len(SLOTS), 0.9, torch.Generator().manual_seed(4))
    assert 0 < hidden.sum() < hidden.numel()
    bars = from_patches(hidden[..., None].expand(-1, -1, -1, PATCH))
    changed = torch.where(bars, given.values * 100 + 7, given.values)
    same(model.states(given, hidden), model.states(given._replace(values=changed), hidden), slice(None))
    assert not torch.allclose(model.states(given, hidden).pooled, model.states(given).pooled)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_windows_of_a_batch_do_not_disturb_each_other(layout: Layout) -> None:
    # Full, short, close only, the last row, short and close only.
    model, picks = awake(layout=layout), [(0, 50), (1, 12), (2, 60), (0, 199), (2, 9)]
    together = model(inputs(*picks))
    for i, pick in enumerate(picks):
        alone = model(inputs(pick))
        close(alone.said.raw[0], together.said.raw[i])
        close(alone.embedding[0], together.embedding[i])
        close(alone.scale.spread[0], together.scale.spread[i])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_packed_windows_are_read_as_if_each_had_a_row(layout: Layout) -> None:
    model, apart = awake(layout=layout), inputs((0, 50), (2, 90), (1, 120))
    packed = Inputs(
        values=apart.values.flatten(0, 1)[None],
        calendar=apart.calendar.flatten(0, 1)[None],
        freq=apart.freq.repeat_interleave(N)[None],
        asset_class=apart.asset_class.repeat_interleave(N)[None],
        piece=torch.arange(3).repeat_interleave(N)[None],
        window=torch.arange(3).repeat_interleave(N)[None],
    )
    one, many = model.states(packed), model.states(apart)
    close(one.pooled[0], many.pooled.flatten(0, 1))
    close(one.tokens[0], many.tokens.flatten(0, 1))
    close(one.scale.spread[0], many.scale.spread.flatten(0, 1))


def test_a_coarser_piece_has_a_scale_of_its_own_and_is_read() -> None:
    model, given = awake(), inputs((0, 100))
    before = inputs((1, 60))
    both = given._replace(
        values=torch.cat([before.values * 30, given.values], dim=1),
        calendar=torch.cat([before.calendar, given.calendar], dim=1),
        piece=torch.tensor([[0] * N + [1] * N]),
    )
    states = model.states(both)
    close(states.scale.spread[:, N:], model.states(given).scale.spread)
    assert not torch.allclose(states.pooled[:, N:], model.states(given).pooled)
    unknown = both._replace(
        values=torch.cat([torch.full_like(before.values, torch.nan), given.values], dim=1)
    )
    close(model.states(unknown).pooled[:, N:], model.states(given).pooled)


@pytest.mark.parametrize("objective", ["horizon", "masked", "next_patch"])
def test_nothing_known_gives_nothing_and_does_not_fail(objective: str) -> None:
    model, given = awake(objective=objective), inputs((0, 50))
    out = model(given._replace(values=torch.full_like(given.values, torch.nan)))
    assert unscaled(model.head.point(out.said).flatten(1, 2), out.scale).isnan().all()
    assert out.embedding.isfinite().all()


def test_close_only_quotes_forecast_the_close_alone() -> None:
    model = awake()
    out = model(inputs((2, 50), (2, 60)))
    said = unscaled(model.head.point(out.said).flatten(1, 2), out.scale)
    assert said[..., 0].isfinite().all()
    assert said[..., 1:].isnan().all()


def test_scattered_gaps_leave_everything_finite() -> None:
    model, given = awake(), inputs((0, 50), (1, 90))
    holes = torch.rand(given.values.shape, generator=torch.Generator().manual_seed(1)) < 0.5
    out = model(given._replace(values=given.values.masked_fill(holes, torch.nan)))
    assert out.said.raw.isfinite().all()
    assert out.scale.spread[..., :P].isfinite().all()


def test_a_variable_it_cannot_name_is_forecast_in_a_spare_slot() -> None:
    model, given = awake(), inputs((0, 50))
    strange = torch.full((1, L, len(SLOTS)), torch.nan)
    strange[..., P] = given.values[..., 0]
    out = model(given._replace(values=strange))
    assert model.head.point(out.said)[..., P].isfinite().all()
    assert out.scale.spread[0, 0].isfinite().tolist() == [False] * P + [True, False]


def test_frequency_and_calendar_are_read_and_an_unmet_asset_class_adds_nothing() -> None:
    model, given = awake(), inputs((0, 50))
    base = model(given).embedding
    close(base, model(given._replace(asset_class=given.asset_class + 1)).embedding)
    nn.init.normal_(model.series.freq)
    base = model(given).embedding
    assert not torch.allclose(base, model(given._replace(freq=given.freq + 1)).embedding)
    assert not torch.allclose(base, model(given._replace(calendar=given.calendar + 1)).embedding)


def test_an_embedding_can_be_fine_tuned() -> None:
    model = awake()
    model.encode(inputs((0, 50))).sum().backward()
    assert model.embed.project.weight.grad is not None


def test_half_precision_products_say_nearly_the_same() -> None:
    model, given = awake(), inputs((0, 50), (1, 90), (2, 60))
    exact = model(given)
    with torch.autocast("cpu", torch.bfloat16):
        rough = model(given)
    assert torch.equal(exact.scale.spread.nan_to_num(), rough.scale.spread.nan_to_num())
    error = (rough.embedding - exact.embedding).pow(2).mean().sqrt() / exact.embedding.pow(2).mean().sqrt()
    assert error < 0.03
    assert (model.head.point(rough.said) - model.head.point(exact.said)).abs().mean() < 0.05
