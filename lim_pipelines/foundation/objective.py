"""The self-supervised objective: forecast the horizon, fill in hidden patches (paper, eq. 2, section 4.2).

What does not belong here: the optimiser and the loop (`pretrain.py`).

L of equation 2 is the Huber distance on each window's own scale: quadratic where most bars are, linear in the
tails.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from lim_pipelines.foundation.model import FoundationModel, Inputs
from lim_pipelines.foundation.patching import draw_hidden, draw_length, from_patches
from lim_pipelines.foundation.scaling import scaled

RECONSTRUCTION_WEIGHT = 0.5
"""Weight of hidden patches beside the horizon, which is what the model is for."""

_HUBER_DELTA = 2.0


def distances(forecast: Tensor, truth: Tensor) -> Tensor:
    """Huber distance, elementwise; NaN where the truth is missing.

    Parameters
    ----------
    forecast, truth
        (B, L, p) on the window's scale.
    """
    return functional.huber_loss(forecast, truth, reduction="none", delta=_HUBER_DELTA)


def _mean_over(mask: Tensor, forecast: Tensor, truth: Tensor) -> Tensor:
    # NaN must not reach the forecast's gradient, not even times zero.
    distance = distances(forecast, torch.where(mask, truth, forecast.detach()))
    return distance.sum() / mask.sum().clamp(min=1)


def pretraining_loss(
    model: FoundationModel, inputs: Inputs, future: Tensor, generator: torch.Generator
) -> Tensor:
    """Loss of a batch under a random context length and random hidden patches.

    Parameters
    ----------
    model
        Model to train.
    inputs
        B full contexts.
    future
        (B, L_Y, p) horizon in original units, NaN where missing.
    generator
        Draws the context length and the hidden patches.

    Returns
    -------
    Tensor
        Scalar.
    """
    patch = model.config.patch
    length = draw_length(inputs.values.shape[1] // patch, generator)
    inputs = inputs.last(length * patch)
    hidden = draw_hidden(len(future), length, future.shape[2], generator).to(future.device)
    out = model(inputs, hidden)
    truth = scaled(future, out.scale)
    loss = _mean_over(truth.isfinite(), out.point, truth)
    context = scaled(inputs.values, out.scale)
    asked = from_patches(hidden[..., None].expand(-1, -1, -1, patch)) & context.isfinite()
    return loss + RECONSTRUCTION_WEIGHT * _mean_over(asked, out.reconstruction, context)
