"""A few shots: a copy of a checkpoint takes a few steps on the last windows of a market before the cutoff.

What does not belong here: continual training of a family (`foundation/pretrain.py`): it writes checkpoints.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from lim_pipelines.foundation.continual import RATE
from lim_pipelines.foundation.model import FoundationModel
from lim_pipelines.foundation.objective import pretraining_loss
from lim_pipelines.foundation.optimiser import optimiser_of
from lim_pipelines.foundation.packing import inputs_of
from lim_pipelines.foundation.series import Ints, Series
from lim_pipelines.foundation.windows import store_of

BATCH = 16
"""Windows of a step; one pass over all of them, at the rate of continual training. Chosen for its time."""

_CLIP_NORM = 1.0


def last_windows(past: Sequence[Series], context: int, horizon: int, count: int) -> Ints:
    """Take the last windows of some series, horizons included: (n, 2) picks, n at most `count`.

    Parameters
    ----------
    past
        Series as they were known at the cutoff.
    context, horizon
        In bars; a context is at least half full.
    count
        How many, of all series together. Neighbouring windows overlap.
    """
    found = [
        (int(one.ts[row]), at, row)
        for at, one in enumerate(past)
        for row in range(max(context // 2, len(one) - horizon - count), len(one) - horizon)
    ]
    newest = sorted(found, reverse=True)[:count]
    return np.array(sorted((at, row) for _, at, row in newest), dtype=np.int64).reshape(-1, 2)


def adapted(model: FoundationModel, past: Sequence[Series], count: int, seed: int) -> FoundationModel | None:
    """Return a copy that has learned from the last windows of a market; None where there is none.

    Parameters
    ----------
    model
        The checkpoint; it stays as it is.
    past
        The market's series as they were known at the cutoff.
    count
        Windows.
    seed
        Seed of the order of windows, and of masks.
    """
    config = model.config
    picks = last_windows(past, config.context, config.horizon, count)
    if not len(picks):
        return None
    tuned = copy.deepcopy(model).train()
    optimiser = optimiser_of(tuned, config.shape.d_model, config.learning_rate * RATE)
    store, generator = store_of(past, config), torch.Generator().manual_seed(seed)
    order = np.random.default_rng(seed).permutation(len(picks))
    for start in range(0, len(picks), BATCH):
        inputs, future = inputs_of(store.batch(picks[order[start : start + BATCH]]), config)
        optimiser.zero_grad()
        pretraining_loss(tuned, inputs, future, generator).backward()  # type: ignore[no-untyped-call]  # torch does not type it
        nn.utils.clip_grad_norm_(tuned.parameters(), _CLIP_NORM)
        optimiser.step()
    return tuned.eval()
