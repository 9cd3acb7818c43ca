"""Short trainings that stand for a long one, where dozens are compared: the plain loop and no more.

What does not belong here: training a checkpoint (`pretrain.py`): snapshots, warnings, processes, metrics.
Loss, optimiser and schedule are the same.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from lim_pipelines.foundation.model import FoundationModel, Inputs
from lim_pipelines.foundation.objective import pretraining_loss
from lim_pipelines.foundation.optimiser import optimiser_of
from lim_pipelines.foundation.sampler import WindowSampler
from lim_pipelines.foundation.schedule import rate_at
from lim_pipelines.foundation.windows import Windows

_CLIP_NORM = 1.0


def teach(
    model: FoundationModel,
    windows: Windows,
    sampler: WindowSampler,
    *,
    steps: int,
    learning_rate: float,
    seed: int,
) -> FoundationModel:
    """Train a model in place, on the CPU or wherever it is; return it, ready to be used.

    Parameters
    ----------
    model
        Model; its configuration gives batch size and schedule.
    windows, sampler
        Where windows come from, and which.
    steps, learning_rate
        Optimiser steps and peak learning rate.
    seed
        Same seed, same windows, same weights.
    """
    config, device = model.config, next(model.parameters()).device
    optimiser = optimiser_of(model, config.shape.d_model, learning_rate)
    model.train()
    for step in range(steps):
        share = rate_at(step, steps, config.training.schedule)
        for group in optimiser.param_groups:
            group["lr"] = group["peak"] * share
        batch = windows.batch(sampler.draw(config.batch_size, seed, step))
        entropy = int(np.random.SeedSequence([seed, step]).generate_state(1)[0])
        masks = torch.Generator().manual_seed(entropy)
        future = torch.from_numpy(batch.future).to(device)
        loss = pretraining_loss(model, Inputs.of(batch, device), future, masks)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(model.parameters(), _CLIP_NORM)
        optimiser.step()
    return model.eval()
