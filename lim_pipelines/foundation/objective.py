"""The self-supervised objectives (paper, eq. 2, section 4.2).

What does not belong here: what L of equation 2 is (`heads.py`), the optimiser and the loop (`pretrain.py`).

    horizon      the L_Y bars behind every patch of the window: X-window to Y-window at every context length
    next_patch   the patch behind every patch; longer horizons are rolled out
    masked       hidden patches and the hidden horizon, from both sides

Which of them wins at equal compute: docs/lab.md, `benchmarks/objectives.py`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lim_pipelines.foundation.layouts import SLOTS, into_slots
from lim_pipelines.foundation.model import FoundationModel, Inputs, with_unknown_future
from lim_pipelines.foundation.patching import draw_hidden, horizons, packed_horizons
from lim_pipelines.foundation.scaling import scaled
from lim_pipelines.foundation.series import VARIABLES

MOST_ASKED = 16
"""Most patches of a window that are asked for their horizon in one step; drawn at random beyond that."""

SPARE_SHARE = 0.1
"""Share of batches in which one variable is shown in a spare slot: how unseen variables are learned."""

_MASKED_SHARE = 0.5  # most that `masked` hides, if the configuration names nothing


def pretraining_loss(
    model: FoundationModel, inputs: Inputs, future: Tensor, generator: torch.Generator
) -> Tensor:
    """Loss of a batch.

    Parameters
    ----------
    model
        Model to train.
    inputs
        B full contexts.
    future
        (B, L_Y, p) horizon in original units, NaN where missing; of packed rows (B, W, L_Y, p), that of each
        window.
    generator
        Draws what is hidden, asked and moved to a spare slot.

    Returns
    -------
    Tensor
        Scalar.
    """
    values, future = _spare(into_slots(inputs.values), into_slots(future), generator)
    inputs = inputs._replace(values=values)
    loss = _masked if model.masked else _causal
    return loss(model, inputs, future, generator)


def _causal(model: FoundationModel, inputs: Inputs, future: Tensor, generator: torch.Generator) -> Tensor:
    """Ask patches for the bars behind them."""
    config = model.config
    batch, length, p = inputs.values.shape
    n = length // config.patch
    hidden = None
    if config.hide:
        hidden = draw_hidden(batch, n, p, config.hide, generator).to(future.device)
    states = model.states(inputs, hidden)
    asked = draw_asked(batch, n, config.coarse // config.patch, generator).to(future.device)
    said = model.ask(states, asked)
    if inputs.window is None:
        rows = torch.arange(batch, device=future.device)[:, None]
        behind = horizons(inputs.values, future, config.patch, model.reach)[rows, asked]
    else:
        behind = packed_horizons(inputs.values, future, inputs.window, asked, config.patch, model.reach)
    truth = scaled(behind, states.scale.at(asked))
    return model.head.loss(said, truth)


def _masked(model: FoundationModel, inputs: Inputs, future: Tensor, generator: torch.Generator) -> Tensor:
    """Ask hidden patches and the horizon for themselves."""
    config = model.config
    batch, length, p = inputs.values.shape
    whole = with_unknown_future(inputs, config.horizon)
    hidden = draw_hidden(batch, length // config.patch, p, config.hide or _MASKED_SHARE, generator)
    hidden = torch.cat([hidden, hidden.new_ones(batch, config.horizon // config.patch, p)], dim=1)
    hidden = hidden.to(future.device)
    states = model.states(whole, hidden)
    n = hidden.shape[1]
    said = model.ask(states, torch.arange(n, device=future.device).expand(batch, -1))
    truth = torch.cat([inputs.values, future], dim=1).view(batch, n, config.patch, p)
    truth = scaled(truth, states.scale)
    return model.head.loss(said, torch.where(hidden[:, :, None], truth, float("nan")))


def draw_asked(batch: int, patches: int, first: int, generator: torch.Generator) -> Tensor:
    """Patches of each window that are asked, in order, the last one always: (B, R), R <= `MOST_ASKED`.

    Parameters
    ----------
    batch, patches
        Windows; patches of each.
    first
        First patch that may be asked; those before are of a coarser frequency.
    generator
        Draws them.
    """
    count = min(MOST_ASKED, patches - first)
    order = torch.rand((batch, patches - first), generator=generator)
    order[:, -1] = 2.0
    return order.topk(count).indices.sort().values + first


def _spare(values: Tensor, future: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Move one variable to a spare slot, now and then."""
    moved, variable, slot = torch.rand(3, generator=generator).tolist()
    if moved >= SPARE_SHARE:
        return values, future
    order = list(range(len(SLOTS)))
    one = int(variable * len(VARIABLES))
    other = len(VARIABLES) + int(slot * (len(SLOTS) - len(VARIABLES)))
    order[one], order[other] = other, one
    return values[..., order], future[..., order]
