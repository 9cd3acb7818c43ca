"""Skill: against the forecast that says "as the context was", every window with the same weight."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from foundation_bars import TINY, noise, one_series

from lim_pipelines.foundation.model import FoundationModel
from lim_pipelines.foundation.skill import skill, window_scores
from lim_pipelines.foundation.windows import store_of

# Twenty times wilder at its end: what comes is far from "as the context was".
RETURNS = noise(700) * np.where(np.arange(700) >= 660, 20.0, 1.0)
STORE = store_of([one_series(RETURNS), one_series(noise(700, 1), close_only=True)], TINY)
ROWS = np.arange(100, 690)  # more than are read at a time; the last ones are wild
PICKS = np.stack([np.zeros_like(ROWS), ROWS], axis=1)


@pytest.fixture(scope="module")
def model() -> FoundationModel:
    torch.manual_seed(0)
    return FoundationModel(TINY).eval()


def test_every_window_has_the_same_weight(model: FoundationModel) -> None:
    _, trivial = window_scores(model, STORE.batch(PICKS))
    found = skill(model, STORE, {("XNYS", "1d"): PICKS})
    assert found["val_loss_trivial"] == pytest.approx(float(trivial.nanmean(0).nanmean()), rel=1e-4)


def test_every_group_has_the_same_weight_and_what_nobody_shows_is_left_out(model: FoundationModel) -> None:
    groups = {("XNYS", "1d"): PICKS[:200], ("XNYM", "1d"): PICKS[:20] + np.array([1, 0])}
    found = skill(model, STORE, groups)
    each = [skill(model, STORE, {name: part})["val_loss_trivial"] for name, part in groups.items()]
    assert found["val_loss_trivial"] != pytest.approx(each[0], rel=1e-3)
    assert {"skill", "skill_close", "skill_volume", "skill_XNYS_1d", "skill_XNYM_1d"} <= set(found)
    alone = skill(model, STORE, {("XNYM", "1d"): groups["XNYM", "1d"]})
    assert "skill_volume" not in alone
    # Untrained, the model says about what the trivial forecast says.
    assert abs(found["skill"]) < 0.1
