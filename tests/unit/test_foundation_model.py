"""The model: shapes, masks that hide, missing values, windows that do not disturb each other."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
import torch
from foundation_bars import TINY, noise, one_series
from torch import Tensor, nn

from lim_pipelines.foundation.backbone import Backbone
from lim_pipelines.foundation.config import SIZES
from lim_pipelines.foundation.model import FoundationModel, Inputs
from lim_pipelines.foundation.objective import pretraining_loss
from lim_pipelines.foundation.patching import draw_hidden, draw_length, from_patches, to_patches
from lim_pipelines.foundation.scaling import CLIP, fit_scale, scaled, unscaled
from lim_pipelines.foundation.series import VARIABLES
from lim_pipelines.foundation.windows import WindowStore

NAMES = list(VARIABLES)
P = len(VARIABLES)
L, H, PATCH = TINY.context, TINY.horizon, TINY.patch
STOCK, INDEX = one_series(noise(200)), one_series(noise(200, 1), "XNYS:SPX")
OIL = one_series(noise(200, 2), "XNYM:WTI", close_only=True)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def model() -> FoundationModel:
    """A model whose heads say something: trained ones are not zero either."""
    torch.manual_seed(0)
    made = FoundationModel(TINY)
    for head in (made.project_out, made.reconstruct):
        nn.init.normal_(head.weight, std=0.1)
    return made.eval()


def inputs(*picks: tuple[int, int]) -> Inputs:
    return Inputs.of(WindowStore([STOCK, INDEX, OIL], L, H).batch(np.array(picks)))


def close(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5, equal_nan=True)


def test_patches_and_back() -> None:
    grid = torch.randn(3, L, P)
    patches = to_patches(grid, PATCH)
    assert patches.shape == (3, L // PATCH, P, PATCH)
    assert torch.equal(patches[1, 2, 4], grid[1, 2 * PATCH : 3 * PATCH, 4])
    assert torch.equal(from_patches(patches), grid)


def test_every_context_length_is_drawn_and_patches_are_hidden_at_random() -> None:
    dice = torch.Generator().manual_seed(0)
    lengths = np.bincount([draw_length(4, dice) for _ in range(4000)])
    np.testing.assert_allclose(lengths[1:] / 4000, 0.25, atol=0.03)
    hidden = draw_hidden(2000, 4, P, dice).float()
    assert hidden.mean() == pytest.approx(0.25, abs=0.02)
    assert 0.0 <= hidden.mean((1, 2)).min() <= hidden.mean((1, 2)).max() <= 1.0


def test_scaling_by_hand_sees_the_visible_only() -> None:
    values = torch.zeros(1, 4, P)
    values[0, :, 0] = torch.tensor([0.02, -0.02, 5.0, float("nan")])
    values[0, :, 4] = torch.tensor([9.0, 11.0, 99.0, 99.0])
    visible = torch.ones(1, 4, P, dtype=torch.bool)
    visible[0, 2:] = False
    scale = fit_scale(values, visible, NAMES)
    assert scale.location[0, 0, 0] == 0  # returns are not centred
    assert scale.location[0, 0, 4] == 10
    close(scale.spread[0, 0, [0, 4]], torch.tensor([0.02, 1.0]) * (np.pi / 2) ** 0.5)
    assert (scale.spread[0, 0, 1:4] > 0).all()  # a still variable does not divide by zero
    assert scaled(values, scale)[0, 2, 0] == CLIP
    close(unscaled(scaled(values, scale), scale)[:, :2], values[:, :2])
    nothing = fit_scale(values, torch.zeros_like(visible), NAMES)
    assert nothing.spread.isnan().all()


@pytest.mark.parametrize("size", ["tiny", "small"])
def test_shapes(size: str) -> None:
    config = TINY.model_copy(update={"size": size})
    out = FoundationModel(config)(inputs((0, 50), (1, 60), (2, 70)))
    assert out.point.shape == (3, H, P)
    assert out.scale.spread.shape == (3, 1, P)
    assert out.embedding.shape == (3, SIZES[config.size].d_model)
    assert out.reconstruction.shape == (3, L, P)


def test_an_untrained_model_claims_nothing() -> None:
    out = FoundationModel(TINY)(inputs((0, 50)))
    assert (out.point == 0).all()


def test_every_context_length_works_and_says_something_else(model: FoundationModel) -> None:
    whole = inputs((0, 50), (2, 60))
    said = [model(whole.last(n * PATCH)) for n in range(1, L // PATCH + 1)]
    assert all(out.point.isfinite().all() for out in said)
    assert all(not torch.allclose(a.point, b.point) for a, b in pairwise(said))


def test_a_shorter_context_is_one_padded_on_the_left(model: FoundationModel) -> None:
    whole = inputs((0, 50), (1, 90))
    padded = whole.values.clone()
    padded[:, :-PATCH] = torch.nan
    close(model(whole._replace(values=padded)).point, model(whole.last(PATCH)).point)


def test_contexts_that_do_not_fit_are_refused(model: FoundationModel) -> None:
    whole = inputs((0, 50))
    with pytest.raises(ValueError, match="multiple of 8 up to 32"):
        model(whole.last(PATCH + 1))
    with pytest.raises(ValueError, match="a context of 64 bars"):
        model(Inputs.of(WindowStore([STOCK], 64, H).batch(np.array([[0, 99]]))))


def test_what_is_hidden_changes_nothing(model: FoundationModel) -> None:
    given = inputs((0, 50), (1, 90))
    hidden = draw_hidden(2, L // PATCH, P, torch.Generator().manual_seed(4))
    assert 0 < hidden.sum() < hidden.numel()
    steps = from_patches(hidden[..., None].expand(-1, -1, -1, PATCH))
    changed = torch.where(steps, given.values * 100 + 7, given.values)
    before, after = model(given, hidden), model(given._replace(values=changed), hidden)
    for name in ("point", "embedding", "reconstruction"):
        assert torch.equal(getattr(before, name), getattr(after, name))
    assert torch.equal(before.scale.spread, after.scale.spread)
    assert not torch.allclose(model(given).point, before.point)


def test_close_only_quotes_cost_no_tokens_and_forecast_the_close_alone(
    model: FoundationModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths = []
    forward = Backbone.forward

    def spy(self: Backbone, tokens: Tensor, visible: Tensor) -> Tensor:
        lengths.append(tokens.shape[1])
        return forward(self, tokens, visible)

    monkeypatch.setattr(Backbone, "forward", spy)
    out = model(inputs((2, 50), (2, 60)))
    model(inputs((0, 50), (2, 60)))
    assert lengths == [1 + 4 + 1, 1 + 5 * (4 + 1)]  # series, context and horizon tokens
    said = unscaled(out.point, out.scale)
    assert said[..., 0].isfinite().all()
    assert said[..., 1:].isnan().all()


def test_windows_of_a_batch_do_not_disturb_each_other(model: FoundationModel) -> None:
    # Full, short, close only, the last row, short and close only.
    picks = [(0, 50), (1, 12), (2, 60), (0, 199), (2, 9)]
    together = model(inputs(*picks))
    for i, pick in enumerate(picks):
        alone = model(inputs(pick))
        close(alone.point[0], together.point[i])
        close(alone.embedding[0], together.embedding[i])
        close(alone.scale.spread[0], together.scale.spread[i])


def test_nothing_known_gives_nothing_and_does_not_fail(model: FoundationModel) -> None:
    given = inputs((0, 50))
    out = model(given._replace(values=torch.full_like(given.values, torch.nan)))
    assert out.point.shape == (1, H, P)
    assert unscaled(out.point, out.scale).isnan().all()
    assert out.embedding.isfinite().all()


def test_scattered_gaps_leave_everything_finite(model: FoundationModel) -> None:
    given = inputs((0, 50), (1, 90))
    holes = torch.rand(given.values.shape, generator=torch.Generator().manual_seed(1)) < 0.5
    out = model(given._replace(values=given.values.masked_fill(holes, torch.nan)))
    assert out.point.isfinite().all()
    assert unscaled(out.point, out.scale).isfinite().all()


def test_returns_in_other_units_give_the_same_scaled_forecast(model: FoundationModel) -> None:
    given = inputs((0, 50))
    wild = given.values.clone()
    wild[..., :2] *= 20  # returns, which are divided only
    close(model(given).point, model(given._replace(values=wild)).point)


def test_frequency_and_calendar_are_read(model: FoundationModel) -> None:
    given = inputs((0, 50))
    nn.init.normal_(model.series.freq)
    base = model(given).point
    assert not torch.allclose(base, model(given._replace(freq=given.freq + 1)).point)
    assert not torch.allclose(base, model(given._replace(calendar=given.calendar + 1)).point)


def test_an_asset_class_pretraining_never_met_adds_nothing(model: FoundationModel) -> None:
    given = inputs((0, 50))
    close(model(given).point, model(given._replace(asset_class=given.asset_class + 1)).point)


def test_the_loss_trains_every_weight_and_survives_gaps(model: FoundationModel) -> None:
    given = inputs((0, 50), (1, 90), (2, 120), (0, 9))
    future = torch.from_numpy(WindowStore([STOCK], L, H).batch(np.array([[0, 60]] * 4)).future).clone()
    future[0, 3:] = torch.nan
    future[2] = torch.nan
    total = torch.zeros(())
    dice = torch.Generator().manual_seed(0)
    for _ in range(12):
        total = total + pretraining_loss(model, given, future, dice)
    total.backward()
    assert total.isfinite()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_an_embedding_can_be_fine_tuned(model: FoundationModel) -> None:
    model.encode(inputs((0, 50))).sum().backward()
    assert model.project_in.weight.grad is not None
