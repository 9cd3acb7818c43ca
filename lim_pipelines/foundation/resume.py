"""Snapshots of a training, from which a killed run goes on to the same bits.

What does not belong here: finished checkpoints (`checkpoint.py`), when a snapshot is taken (`progress.py`).

A snapshot is one safetensors file: weights, both moments of AdamW, the moving average of weights, and in its
header the run's state as JSON. One file, so it is there wholly or not at all. Data, masks and augmentations
of a step are functions of (seed, step); there is no random state to keep.
"""

from __future__ import annotations

from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from lim_pipelines.foundation.divergence import Rollback, Watch
from lim_pipelines.foundation.ema import Average
from lim_pipelines.foundation.folders import sync

KEPT = 2
"""Snapshots that are kept: the newest may have been taken while the run already diverged."""

_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


class RunState(BaseModel):
    """Where a run is; with the tensors of a snapshot, all that it needs to go on.

    Parameters
    ----------
    step
        Steps done.
    skipped
        Steps' worth of data that were left out: step k reads the data of k + skipped.
    factor
        Of the learning rate; halved by every rollback.
    rollbacks
        What was rolled back, and why.
    last_target
        Last bar that a window forecast, microseconds, UTC.
    seconds
        Wall time of training so far.
    watch
        What the early warning remembers.
    """

    model_config = ConfigDict(extra="forbid")

    step: int = 0
    skipped: int = 0
    factor: float = 1.0
    rollbacks: tuple[Rollback, ...] = ()
    last_target: int = -(2**62)
    seconds: float = 0.0
    watch: Watch = Watch()


class Snapshots:
    """The snapshots of a folder. Every process of a run keeps the same list; only the first one writes.

    Parameters
    ----------
    folder
        The training's folder.
    writes
        Whether this process writes.
    """

    def __init__(self, folder: Path, writes: bool) -> None:
        self._folder, self._writes = folder, writes
        self.steps = sorted(int(path.stem.split("-")[1]) for path in folder.glob("snapshot-*.safetensors"))

    def path(self, step: int) -> Path:
        """Where the snapshot of a step lies."""
        return self._folder / f"snapshot-{step:09d}.safetensors"

    def save(self, state: RunState, tensors: dict[str, Tensor]) -> None:
        """Keep a snapshot, and drop what is too old."""
        self._write(state, tensors)
        self.steps = sorted({*self.steps, state.step})
        while len(self.steps) > KEPT:
            self._drop(self.steps.pop(0))

    def state(self, step: int) -> RunState:
        """State of the run in a snapshot."""
        with safe_open(self.path(step), framework="pt") as file:
            return RunState.model_validate_json(file.metadata()["state"])

    def tensors(self, step: int) -> dict[str, Tensor]:
        """Tensors of a snapshot, by the names of `tensors_of`."""
        with safe_open(self.path(step), framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no dict)

    def back_to(self, state: RunState) -> None:
        """Make the snapshot of `state.step` the newest, and let it say `state`."""
        while self.steps[-1] > state.step:
            self._drop(self.steps.pop())
        if self._writes:
            self._write(state, self.tensors(state.step))

    def _write(self, state: RunState, tensors: dict[str, Tensor]) -> None:
        if not self._writes:
            return
        path = self.path(state.step)
        fresh = path.with_name(f".tmp-{path.name}")
        save_file(tensors, fresh, metadata={"state": state.model_dump_json()})
        sync(fresh)
        fresh.replace(path)
        sync(self._folder)

    def _drop(self, step: int) -> None:
        if self._writes:
            self.path(step).unlink(missing_ok=True)


def tensors_of(
    model: nn.Module, optimiser: torch.optim.Optimizer, average: Average | None
) -> dict[str, Tensor]:
    """Copy what a snapshot holds to the CPU. All processes must call it: shards are gathered.

    Parameters
    ----------
    model
        The model.
    optimiser, average
        Its AdamW; its average of weights, if there is one.
    """
    out = {}
    for name, parameter in model.named_parameters():
        out[f"weights.{name}"] = whole(parameter)
        for key, value in optimiser.state.get(parameter, {}).items():
            out[f"{key}.{name}"] = whole(value)
        if average is not None:
            out[f"average.{name}"] = whole(average.weights[name])
    return out


@torch.no_grad()
def restore(
    tensors: dict[str, Tensor],
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    average: Average | None,
) -> None:
    """Put a snapshot's tensors back in place.

    Parameters
    ----------
    tensors
        From `Snapshots.tensors`.
    model, optimiser, average
        As they were saved.
    """
    for name, parameter in model.named_parameters():
        parameter.copy_(_like(parameter, tensors[f"weights.{name}"]))
        # A parameter that never had a gradient has no moments.
        keys = [key for key in _MOMENTS if f"{key}.{name}" in tensors]
        optimiser.state[parameter] = {key: _like(parameter, tensors[f"{key}.{name}"]) for key in keys}
        if average is not None:
            average.weights[name].copy_(_like(parameter, tensors[f"average.{name}"]))


def whole(tensor: Tensor) -> Tensor:
    """Copy of a tensor on the CPU; of all its shards, if it is sharded."""
    full = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return full.detach().to("cpu", copy=True).contiguous()


def _like(place: Tensor, value: Tensor) -> Tensor:
    """Lay a whole tensor out as another is; AdamW's count of steps is never sharded."""
    value = value.to(place.device)
    if isinstance(place, DTensor) and value.ndim:
        return distribute_tensor(value, place.device_mesh, place.placements)
    return value
