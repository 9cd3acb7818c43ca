"""The pretraining task as Lightning runs it: loss, optimiser, clipping, rates, average of weights.

What does not belong here: the loop and what is held out (`pretrain.py`), what is written (`progress.py`).
"""

from __future__ import annotations

import copy
from typing import Any

import lightning.pytorch as lightning
import numpy as np
import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from lim_pipelines.foundation.ema import Average
from lim_pipelines.foundation.model import FoundationModel, Inputs
from lim_pipelines.foundation.objective import pretraining_loss
from lim_pipelines.foundation.optimiser import optimiser_of
from lim_pipelines.foundation.resume import RunState
from lim_pipelines.foundation.schedule import rate_at

CLIP_NORM = 1.0


class Loss(nn.Module):
    """The loss as a module, whose call FSDP2 gathers the shards for.

    Parameters
    ----------
    model
        Model to train.
    """

    def __init__(self, model: FoundationModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Inputs, future: Tensor, generator: torch.Generator) -> Tensor:
        """Loss of a batch; see `pretraining_loss`."""
        return pretraining_loss(self.model, inputs, future, generator)


class Pretraining(lightning.LightningModule):  # type: ignore[misc]
    """The pretraining task.

    Parameters
    ----------
    model
        Model to train; in place, but for `fsdp2`, which trains a copy in shards.
    steps
        Optimiser steps in all.
    learning_rate
        Peak of the schedule.
    seed
        Seed of masks: those of a step are a function of (seed, step).
    state
        Where the run is; brought up to date with every step.
    """

    def __init__(
        self, model: FoundationModel, steps: int, learning_rate: float, seed: int, state: RunState
    ) -> None:
        super().__init__()
        self.steps, self.learning_rate, self.seed, self.state = steps, learning_rate, seed, state
        self.settings = model.config.training
        self.first = state.step
        sharded = self.settings.strategy == "fsdp2"
        self.loss = Loss(copy.deepcopy(model) if sharded else model)
        if self.settings.compile:
            # A block is compiled once for all; the loss draws random numbers, which would break the graph.
            for block in self.model.backbone.blocks:
                block.compile()
        self.average: Average | None = None
        self.step_loss = self.step_norm = torch.zeros(())
        self._pieces: list[Tensor] = []

    @property
    def model(self) -> FoundationModel:
        """The model in training."""
        return self.loss.model

    def configure_model(self) -> None:
        """Shard the model over all processes: each block, and the rest."""
        if self.settings.strategy != "fsdp2" or isinstance(next(self.model.parameters()), DTensor):
            return
        from torch.distributed.fsdp import fully_shard

        mesh = self.device_mesh["data_parallel"]
        for block in self.model.backbone.blocks:
            fully_shard(block, mesh=mesh)
        fully_shard(self.loss, mesh=mesh)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW, see `optimiser.py`; the average of weights begins here, where the weights lie for good."""
        if self.settings.ema:
            self.average = Average(self.model, self.settings.ema)
        return optimiser_of(self.model, self.model.config.shape.d_model, self.learning_rate)

    def training_step(self, batch: tuple[Inputs, Tensor], index: int) -> Tensor:
        """Loss of one piece of a step."""
        step = self.first + index // self.settings.accumulate + self.state.skipped
        # The same for all pieces and processes, so that a step is the same however it is cut.
        loss: Tensor = self.loss(*batch, _generator(self.seed, step))
        self._pieces.append(loss.detach())
        return loss

    def configure_gradient_clipping(self, optimizer: torch.optim.Optimizer, *_: Any, **__: Any) -> None:
        """Clip the gradient of a step, and remember its norm."""
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), CLIP_NORM)
        self.step_norm = norm.full_tensor() if isinstance(norm, DTensor) else norm

    def optimizer_step(
        self, epoch: int, index: int, optimizer: torch.optim.Optimizer, closure: Any = None
    ) -> None:
        """Take a step at its rate."""
        share = rate_at(self.state.step, self.steps, self.settings.schedule) * self.state.factor
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * share
        optimizer.step(closure=closure)
        self.step_loss = torch.stack(self._pieces).mean()
        self._pieces.clear()
        self.state.step += 1
        if self.average is not None:
            self.average.update(self.model, self.state.step)

    @property
    def rate(self) -> float:
        """Learning rate of the step before."""
        share = rate_at(self.state.step - 1, self.steps, self.settings.schedule)
        return self.learning_rate * share * self.state.factor


def _generator(*entropy: int) -> torch.Generator:
    (seed,) = np.random.SeedSequence(entropy).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(seed) >> 1)
