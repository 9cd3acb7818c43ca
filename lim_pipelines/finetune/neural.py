"""The fitting loop that all neural arms share: same steps, same samples, best step on the purged tail.

What does not belong here: which weights are trained and where they start (`methods/`), what is made small
(`losses.py`) and on which rows (`batches.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lim_pipelines.finetune.batches import Batches, Rows
from lim_pipelines.finetune.losses import make_loss
from lim_pipelines.finetune.samples import Samples
from lim_pipelines.finetune.spec import FitSettings, ModelSpec
from lim_pipelines.finetune.split import Split

WARMUP_SHARE = 0.1
EVALUATIONS = 5
GRADIENT_LIMIT = 1.0

Outputs = Callable[[Rows], Tensor]


@dataclass(frozen=True)
class Fitted:
    """What a fit reports beside the weights.

    Parameters
    ----------
    best_step
        Step whose weights were kept.
    validation_loss
        Loss on the purged tail at that step.
    zero_loss
        Loss of forecasting nothing on the same tail: what the validation loss has to beat.
    trainable
        Number of trained parameters.
    """

    best_step: int
    validation_loss: float
    zero_loss: float
    trainable: int


def rate(step: int, settings: FitSettings) -> float:
    """Learning rate of a step (from 0): linear warm-up, then a cosine to zero."""
    warmup = max(1, round(settings.steps * WARMUP_SHARE))
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    return (
        settings.learning_rate
        * 0.5
        * (1 + math.cos(math.pi * (step - warmup) / max(settings.steps - warmup, 1)))
    )


def fit(
    module: nn.Module, outputs: Outputs, spec: ModelSpec, samples: Samples, split: Split, seed: int
) -> Fitted:
    """Fit a module and leave it with the weights of its best step on the validation tail.

    Parameters
    ----------
    module
        What is trained: its parameters that require a gradient.
    outputs
        Rows (B,) to the module's outputs (B, Q).
    spec
        Task, horizon and fit settings.
    samples
        Samples known at the cutoff.
    split
        Rows to fit on and to validate on.
    seed
        Seed of the batches and of dropout.
    """
    torch.manual_seed(seed)
    loss, batches = make_loss(spec, samples), Batches(spec, samples, split.fit, seed)
    parameters = [p for p in module.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, weight_decay=spec.fit.weight_decay, fused=True)
    every = max(1, spec.fit.steps // EVALUATIONS)
    best: dict[str, Any] = {"loss": math.inf}
    for step in range(spec.fit.steps):
        module.train()
        for group in optimiser.param_groups:
            group["lr"] = rate(step, spec.fit)
        rows = batches.draw()
        value = loss(outputs(rows), rows)
        optimiser.zero_grad(set_to_none=True)
        value.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, GRADIENT_LIMIT)
        optimiser.step()
        if (step + 1) % every == 0 or step + 1 == spec.fit.steps:
            module.eval()
            with torch.no_grad():
                held_out = float(loss(outputs(split.validation), split.validation))
            if held_out < best["loss"]:
                state = {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
                best = {"loss": held_out, "step": step + 1, "state": state}
    if "state" not in best:
        raise FloatingPointError(
            f"strategy {spec.name}: the validation loss was never finite; lower fit.learning_rate"
            f" ({spec.fit.learning_rate})"
        )
    module.load_state_dict(best["state"])
    module.eval()
    zero = float(loss(torch.zeros(len(split.validation), spec.outputs), split.validation))
    return Fitted(best["step"], best["loss"], zero, sum(p.numel() for p in parameters))
