"""The fitting loop that all neural arms share: same steps, same samples, best step on the purged tail.

What does not belong here: which weights are trained and where they start (`full.py`, `head.py`,
`scratch.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from lim_pipelines.finetune.base import targets
from lim_pipelines.finetune.samples import Samples
from lim_pipelines.finetune.spec import FitSettings, ModelSpec
from lim_pipelines.finetune.split import Split

WARMUP_SHARE = 0.1
EVALUATIONS = 5
HUBER_DELTA = 1.0
GRADIENT_LIMIT = 1.0

Rows = npt.NDArray[np.int64]
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


class Loss:
    """Huber loss of returns in units of each sample's scale.

    In a cross-section both forecast and label are relative to the session's mean.

    Parameters
    ----------
    spec
        Task and horizon.
    samples
        All samples; rows refer to these.
    """

    def __init__(self, spec: ModelSpec, samples: Samples) -> None:
        # Labels that nobody knows are NaN; no row of a split refers to one.
        self._cross = spec.task == "cross_sectional"
        self._scale = torch.from_numpy(samples.scale(spec.horizon)).float()
        known = np.flatnonzero(np.isfinite(samples.label))
        label = np.full(len(samples), np.nan)
        label[known] = targets(spec.task, samples.at(known))
        self._target = torch.from_numpy(label).float() / self._scale
        self._groups = samples.groups()

    def __call__(self, outputs: Tensor, rows: Rows) -> Tensor:
        """Mean loss of outputs (B,) of some rows (B,); of a cross-section all of a session's rows."""
        index = torch.from_numpy(rows)
        if self._cross:
            scale = self._scale[index]
            group = torch.from_numpy(np.unique(self._groups[rows], return_inverse=True)[1])
            returns = outputs * scale
            total = torch.zeros(int(group.max()) + 1).index_add(0, group, returns)
            outputs = (returns - (total / torch.bincount(group))[group]) / scale
        return nn.functional.huber_loss(outputs, self._target[index], delta=HUBER_DELTA)


class Batches:
    """Draws the rows of each step: windows, or whole cross-sections.

    Parameters
    ----------
    spec
        Task and batch size.
    samples
        All samples.
    rows
        Rows that are fitted on.
    seed
        Seed of the draw.
    """

    def __init__(self, spec: ModelSpec, samples: Samples, rows: Rows, seed: int) -> None:
        self._rng = np.random.default_rng([seed, 0xBA7C])
        groups = samples.groups()[rows] if spec.task == "cross_sectional" else np.arange(len(rows))
        order = np.argsort(groups, kind="stable")
        self._units = np.split(rows[order], np.flatnonzero(np.diff(groups[order])) + 1)
        self._size = min(spec.fit.batch, len(self._units))

    def draw(self) -> Rows:
        """Rows of one step; windows or sessions are drawn without replacement within a step."""
        chosen = self._rng.choice(len(self._units), self._size, replace=False)
        return np.concatenate([self._units[i] for i in chosen])


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
        Rows to the module's outputs (B,), in units of `Samples.scale`.
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
    loss, batches = Loss(spec, samples), Batches(spec, samples, split.fit, seed)
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
    zero = float(loss(torch.zeros(len(split.validation)), split.validation))
    return Fitted(best["step"], best["loss"], zero, sum(p.numel() for p in parameters))
