"""Self-supervised training of one checkpoint: what is held out, and going on after kills and divergences.

What does not belong here: which rows are read and which checkpoint is the parent (`train.py`), a step
(`task.py`), the loss (`objective.py`), what is written down (`progress.py`, `resume.py`), files
(`checkpoint.py`).

Lightning takes seconds to import: only training processes import this module.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from lim_pipelines.foundation.batches import Batches
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.cost import cost_of, work_of
from lim_pipelines.foundation.dedup import twins
from lim_pipelines.foundation.divergence import FAST, DivergedError, Rollback
from lim_pipelines.foundation.events import Events
from lim_pipelines.foundation.metrics_file import MetricsFile
from lim_pipelines.foundation.model import FoundationModel
from lim_pipelines.foundation.processes import rank, trainer_of, world
from lim_pipelines.foundation.progress import Progress, Weights, weights_of
from lim_pipelines.foundation.resume import RunState, Snapshots
from lim_pipelines.foundation.sampler import WindowSampler
from lim_pipelines.foundation.series import Ints, iso, microseconds
from lim_pipelines.foundation.skill import Group, skill
from lim_pipelines.foundation.task import Pretraining
from lim_pipelines.foundation.windows import Span, Windows, held_out_from, target_span

MOST_ROLLBACKS = 3

_CURVE_POINTS = 60
_VALIDATION_WINDOWS = 128  # of each exchange and frequency
_BEGINNING, _END = -(2**62), 2**62


class NoWindowsError(ValueError):
    """No series is long enough for a training window."""


@dataclass(frozen=True)
class Fit:
    """What a training run found.

    Parameters
    ----------
    metrics
        Name to value: training loss, validation skill overall and by exchange and frequency.
    curve
        (step, training loss), averaged between points.
    windows
        Numbers of windows, purge in bars, the first moment whose targets were held out, and what the windows
        that were really drawn forecast: the last bar in training, the first and the last in validation;
        series that were not drawn from, and which they are nearly.
    rollbacks
        Where it diverged and went back.
    cost
        `Meta.cost`.
    """

    metrics: dict[str, float]
    curve: tuple[tuple[int, float], ...]
    windows: dict[str, Any]
    rollbacks: tuple[Rollback, ...]
    cost: dict[str, float]


def fit(
    model: FoundationModel,
    windows: Windows,
    *,
    steps: int,
    learning_rate: float,
    seed: int,
    label: str,
    folder: Path,
    held_out_before: str | None = None,
    replay: float = 1.0,
    events: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Fit:
    """Train a model in place, or go on where a killed training of the same folder stopped.

    The latest bars are held out. A training window's horizon ends before the first held-out bar (purged), a
    validation window's context ends at or behind it, so no target is shared.

    Parameters
    ----------
    model
        Model to train; its configuration gives context, horizon, patch, batch size and `Training`.
    windows
        Series to train on: everything known at the cutoff, nothing later.
    steps, learning_rate
        Optimiser steps and peak learning rate.
    seed
        Seed of windows and masks. Same seed, same series, same machine and threads: same weights, killed on
        the way or not.
    label
        What the progress bar says.
    folder
        Gets `metrics.jsonl` and snapshots; of this training alone.
    held_out_before
        First moment the parent held out, ISO 8601; None without a parent. What the parent was trained on is
        never validated on.
    replay
        Share of windows that forecast what the parent could train on.
    events
        Folder for TensorBoard; None writes none.
    say
        Gets a line where something goes on otherwise than planned.

    Raises
    ------
    NoWindowsError
        The series are too short.
    DivergedError
        It diverged more than `MOST_ROLLBACKS` times, at ever smaller rates.
    ValueError
        The batch does not divide into pieces and processes.
    """
    config = model.config
    _check_batch(config)
    split = held_out_from(windows)
    recent = None if held_out_before is None else microseconds(held_out_before)
    split = max(split, recent or split)
    same = twins(windows, split, config.mix)
    training = _sampler(
        windows,
        config,
        Span(_BEGINNING, split),
        mix=config.mix,
        left_out=same,
        recent_from=recent,
        replay=replay,
    )
    validation = _sampler(windows, config, Span(split, _END))
    if not len(training):
        need = config.patch + config.horizon + 1
        raise NoWindowsError(
            f"{label}: no training window; a series needs {need} bars before {iso(split)}, from which on"
            f" targets are held out, the longest has {windows.length.max()} in all; load more history"
        )
    judge = _Judge(model, windows, validation.spread(_VALIDATION_WINDOWS) if len(validation) else {})
    snapshots = Snapshots(folder, writes=rank() == 0)
    state = snapshots.state(snapshots.steps[-1]) if snapshots.steps else RunState()
    if state.step:
        say(f"{label}: goes on from step {state.step} of {steps}")
    followed = Events(events if rank() == 0 else None, say)
    while True:
        metrics = MetricsFile(folder, state.step, writes=rank() == 0)
        progress = Progress(label, metrics, snapshots, followed, work_of(model), judge)
        task = Pretraining(model, steps, learning_rate, seed, state)
        trainer = trainer_of(config.training, steps - state.step, progress)
        batches = Batches(windows, training, config, seed, steps, state)
        trainer.fit(task, DataLoader(batches, batch_size=None))
        if progress.alarm is None:
            break
        state = _back(snapshots, state, progress.alarm, config, label)
        say(f"{label}: {_told(state.rollbacks[-1])}")
    followed.close()
    if state.step != steps:
        raise RuntimeError(f"{label}: training stopped after {state.step} of {steps} steps; start it again")
    model.load_state_dict(model.state_dict() | weights_of(task))
    model.eval()
    curve = _curve([line["loss"] for line in metrics.lines])
    judged = metrics.lines[-1].get("validation", {})
    seen = {}
    if judge.picks:
        span = target_span(windows, np.concatenate(list(judge.picks.values())), config.horizon)
        seen = dict(zip(("validated_from", "validated_until"), map(iso, span), strict=True))
    return Fit(
        metrics={"loss": round(curve[-1][1], 6), **judged},
        curve=curve,
        windows={
            "train": len(training),
            "twins": {_name(windows, one): _name(windows, other) for one, other in same.items()},
            "validation": len(validation),
            "purge_bars": config.horizon,
            "held_out_from": iso(split),
            "trained_until": iso(state.last_target),
            **seen,
        },
        rollbacks=state.rollbacks,
        cost=cost_of(work_of(model), steps, state.seconds),
    )


class _Judge:
    """Judges weights on the validation windows, in a model of its own."""

    def __init__(self, model: FoundationModel, windows: Windows, picks: dict[Group, Ints]) -> None:
        self.picks, self._windows = picks, windows
        self._model = copy.deepcopy(model).eval()

    def __call__(self, weights: Weights) -> dict[str, float]:
        if not self.picks:
            return {}
        self._model.load_state_dict(self._model.state_dict() | weights)
        self._model.to("cuda" if torch.cuda.is_available() else "cpu")
        return skill(self._model, self._windows, self.picks)


def _name(windows: Windows, at: int) -> str:
    return f"{windows.instrument_id[at]} {windows.freq[at]}"


def _sampler(windows: Windows, config: FoundationConfig, span: Span, **how: Any) -> WindowSampler:
    return WindowSampler(windows, horizon=config.horizon, patch=config.patch, span=span, **how)


def _check_batch(config: FoundationConfig) -> None:
    pieces, processes = config.training.accumulate, world(config.training)
    if config.batch_size % (pieces * processes):
        raise ValueError(
            f"{config.name}: a batch of {config.batch_size} windows does not divide into {pieces} pieces for"
            f" each of {processes} processes; change batch_size, training.accumulate or training.devices"
        )


def _back(
    snapshots: Snapshots, state: RunState, alarm: str, config: FoundationConfig, label: str
) -> RunState:
    """State to go on with after an alarm: earlier weights, half the rate, other data.

    Raises
    ------
    DivergedError
        That was tried often enough.
    """
    if len(state.rollbacks) == MOST_ROLLBACKS:
        tried = "; ".join(map(_told, state.rollbacks))
        raise DivergedError(
            f"{label}: {alarm} at step {state.step}, though training went back {MOST_ROLLBACKS} times"
            f" ({tried}); lower learning_rate of {config.name}"
        )
    # What is noticed now began before: a snapshot of the last few steps may be of a diverging run.
    good = [step for step in snapshots.steps if step <= state.step - FAST] or snapshots.steps[:1]
    back = snapshots.state(good[-1])
    factor = state.factor / 2
    told = Rollback(step=state.step, back_to=back.step, why=alarm, factor=factor)
    back = back.model_copy(
        update={
            "factor": factor,
            # The data of the steps that are lost are not met again.
            "skipped": state.skipped + state.step - back.step,
            "rollbacks": (*state.rollbacks, told),
            "seconds": state.seconds,
        }
    )
    snapshots.back_to(back)
    return back


def _told(one: Rollback) -> str:
    return f"{one.why} at step {one.step}: back to step {one.back_to}, learning rate times {one.factor:g}"


def _curve(losses: Sequence[float]) -> tuple[tuple[int, float], ...]:
    """Losses averaged over even stretches, at most `_CURVE_POINTS`: (last step of the stretch, mean)."""
    width = -(-len(losses) // _CURVE_POINTS)
    stretches = [losses[i : i + width] for i in range(0, len(losses), width)]
    return tuple((i * width + len(s), sum(s) / len(s)) for i, s in enumerate(stretches))
