"""Scales run with time: a patch is measured by what lies before its end, in its own piece, weighed by age."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.foundation.scaling import HALF_LIFE, running_scale, scaled, starts, unscaled
from lim_pipelines.foundation.series import VARIABLES

P, PATCH = len(VARIABLES), 4


def grid(bars: int, seed: int = 0) -> torch.Tensor:
    return torch.randn((1, bars, P), generator=torch.Generator().manual_seed(seed)) * 0.01


def test_by_hand() -> None:
    values = torch.zeros(1, 4, P)
    values[0, :, 0] = torch.tensor([0.02, -0.02, torch.nan, 0.06])
    values[0, :, 4] = torch.tensor([9.0, 11.0, torch.nan, torch.nan])
    scale = running_scale(values, values.isfinite(), VARIABLES, PATCH)
    age = 0.5 ** (np.array([3, 2, 0]) / HALF_LIFE)
    normal = (np.pi / 2) ** 0.5
    spread = (age * [0.02, 0.02, 0.06]).sum() / age.sum() * normal
    np.testing.assert_allclose(scale.spread[0, 0, 0], spread, rtol=1e-5)
    assert scale.location[0, 0, 0] == 0  # Returns are not centred.
    older = age[:2]
    middle = (older * [9, 11]).sum() / older.sum()
    np.testing.assert_allclose(scale.location[0, 0, 4], middle, rtol=1e-6)
    np.testing.assert_allclose(scale.weight[0, 0, 0], age.sum(), rtol=1e-5)
    assert (scale.spread[0, 0, 1:4] > 0).all()  # A still variable does not divide by zero.
    nothing = running_scale(values, torch.zeros_like(values, dtype=torch.bool), VARIABLES, PATCH)
    assert nothing.spread.isnan().all()


@settings(max_examples=25)
@given(st.integers(1, 40), st.integers(0, 9), st.integers(0, 10))
def test_a_patch_is_measured_by_what_lies_before_its_end(patches: int, at: int, seed: int) -> None:
    at = min(at, patches - 1)
    values = grid(patches * PATCH, seed)
    values[torch.rand(values.shape, generator=torch.Generator().manual_seed(seed)) < 0.2] = torch.nan
    whole = running_scale(values, values.isfinite(), VARIABLES, PATCH)
    short = values[:, : (at + 1) * PATCH]
    then = running_scale(short, short.isfinite(), VARIABLES, PATCH)
    for one, other in zip(whole, then, strict=True):
        torch.testing.assert_close(one[:, at], other[:, at], rtol=1e-4, atol=1e-6, equal_nan=True)


def test_pieces_have_scales_of_their_own_though_one_is_a_thousand_times_wilder() -> None:
    wild, calm = grid(512) * 1000, grid(64, 1)
    piece = torch.tensor([[0] * (512 // PATCH) + [1] * (64 // PATCH)])
    row = torch.cat([wild, calm], dim=1)
    packed = running_scale(row, row.isfinite(), VARIABLES, PATCH, piece)
    alone = running_scale(calm, calm.isfinite(), VARIABLES, PATCH)
    for one, other in zip(packed, alone, strict=True):
        torch.testing.assert_close(one[:, 512 // PATCH :], other, rtol=2e-3, atol=1e-5)
    assert starts(torch.tensor([[3, 3, 5, 5, 5, 6]])).tolist() == [[0, 0, 2, 2, 2, 5]]


def test_a_long_context_neither_overflows_nor_underflows() -> None:
    values = grid(8000)
    scale = running_scale(values, values.isfinite(), VARIABLES, PATCH)
    assert scale.spread.isfinite().all()
    np.testing.assert_allclose(scale.spread[0, :, 0].mean(), 0.01, rtol=0.1)
    np.testing.assert_allclose(scale.weight[0, -1], HALF_LIFE / np.log(2), rtol=0.02)


def test_there_and_back() -> None:
    values = grid(64) + 3
    scale = running_scale(values, values.isfinite(), VARIABLES, PATCH).last()
    torch.testing.assert_close(unscaled(scaled(values, scale), scale), values)
    horizons = values.view(1, 4, 16, P)
    each = running_scale(values, values.isfinite(), VARIABLES, 16)
    by_hand = (horizons[0, 2] - each.location[0, 2]) / each.spread[0, 2]
    torch.testing.assert_close(scaled(horizons, each)[0, 2], by_hand)
