"""The fitting loop that all neural arms share: same steps, same samples, best step on the purged tail.

What does not belong here: which weights are trained and where they start (`methods/`), what is made small
(`losses.py`) and on which rows (`batches.py`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lim_pipelines.finetune.batches import Batches, Rows
from lim_pipelines.finetune.losses import Loss, make_loss
from lim_pipelines.finetune.memory import Held
from lim_pipelines.finetune.samples import Samples
from lim_pipelines.finetune.settings import FitSettings
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.finetune.split import Split

WARMUP_SHARE = 0.1
GRADIENT_LIMIT = 1.0

Outputs = Callable[[Rows], Tensor]


@dataclass(frozen=True)
class Group:
    """Weights that move alike.

    Parameters
    ----------
    weights
        Which.
    rate
        Factor of the learning rate.
    starts
        Share of the steps after which they begin to move; until then they stay to the bit, and cost nothing.
    """

    weights: tuple[nn.Parameter, ...]
    rate: float = 1.0
    starts: float = 0.0


@dataclass(frozen=True)
class Fitted:
    """What a fit reports beside the weights.

    Parameters
    ----------
    best_step
        Step whose weights were kept.
    steps
        Steps taken; fewer than asked for if patience ended.
    validation_loss
        Loss on the purged tail at the best step.
    zero_loss
        Loss of forecasting nothing on the same tail: what the validation loss has to beat.
    trainable
        Number of weights that move.
    seconds
        Wall time of the loop.
    memory_mb
        Weights, gradients, moments and activations that a step holds at once, in 2**20 bytes; `memory.py`.
    """

    best_step: int
    steps: int
    validation_loss: float
    zero_loss: float
    trainable: int
    seconds: float
    memory_mb: float

    def metrics(self) -> dict[str, float | None]:
        """Say it as `store.ArmMeta.metrics` keeps it."""
        return {
            "best_step": float(self.best_step),
            "steps": float(self.steps),
            "trainable_parameters": float(self.trainable),
            "validation_loss": self.validation_loss,
            "validation_loss_of_zero": self.zero_loss,
            "fit_seconds": self.seconds,
            "memory_mb": self.memory_mb,
        }


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
    module: nn.Module,
    outputs: Outputs,
    spec: ModelSpec,
    samples: Samples,
    split: Split,
    seed: int,
    groups: Sequence[Group] = (),
    taught: Loss | None = None,
) -> Fitted:
    """Fit a module and leave it with the weights of its best step on the validation tail.

    It ends early when the validation loss was no better for `fit.patience` evaluations in a row.

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
    groups
        All weights that move, by how; empty: all alike.
    taught
        What steps make small instead of the loss of the labels, which the validation always goes by.

    Raises
    ------
    FloatingPointError
        The validation loss was never finite.
    """
    torch.manual_seed(seed)
    began = time.monotonic()
    loss, batches = make_loss(spec, samples), Batches(spec, samples, split.fit, seed)
    moving = [p for p in module.parameters() if p.requires_grad]
    groups = groups or (Group(tuple(moving)),)
    optimiser = torch.optim.AdamW(
        [{"params": list(group.weights)} for group in groups], weight_decay=spec.fit.weight_decay, fused=True
    )
    starts = [math.ceil(group.starts * spec.fit.steps) for group in groups]
    held = Held(module, moving)
    every, patience = max(1, spec.fit.steps // spec.fit.evaluations), spec.fit.patience
    best: tuple[float, int, list[Tensor]] = (math.inf, 0, [])
    step = worse = 0
    while step < spec.fit.steps and worse < patience:
        module.train()
        for group, start, settings in zip(groups, starts, optimiser.param_groups, strict=True):
            settings["lr"] = rate(step, spec.fit) * group.rate
            if step in (0, start):
                for weights in group.weights:
                    weights.requires_grad_(step >= start)
        rows = batches.draw()
        with held.step() if step in (0, *starts) else nullcontext():
            value = (taught or loss)(outputs(rows), rows)
        optimiser.zero_grad(set_to_none=True)
        value.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(moving, GRADIENT_LIMIT)
        optimiser.step()
        step += 1
        if step % every == 0 or step == spec.fit.steps:
            module.eval()
            with torch.no_grad():
                held_out = float(loss(outputs(split.validation), split.validation))
            worse += 1
            if held_out < best[0]:
                best, worse = (held_out, step, [weights.detach().clone() for weights in moving]), 0
    if not best[2]:
        raise FloatingPointError(
            f"strategy {spec.name}: the validation loss was never finite; lower fit.learning_rate"
            f" ({spec.fit.learning_rate})"
        )
    with torch.no_grad():
        for weights, kept in zip(moving, best[2], strict=True):
            weights.requires_grad_(True).copy_(kept)
    module.eval()
    return Fitted(
        best_step=best[1],
        steps=step,
        validation_loss=best[0],
        zero_loss=float(loss(torch.zeros(len(split.validation), spec.outputs), split.validation)),
        trainable=sum(weights.numel() for weights in moving),
        seconds=time.monotonic() - began,
        memory_mb=held.megabytes,
    )
