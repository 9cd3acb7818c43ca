"""Self-supervised training of one checkpoint with Lightning: the optimiser, the loop, what is held out.

What does not belong here: which rows are read and which checkpoint is the parent (`train.py`), the loss
(`objective.py`), files (`checkpoint.py`).

Lightning takes seconds to import: only training processes import this module.
"""

from __future__ import annotations

import json
import logging
import math
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

import lightning.pytorch as lightning
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset
from tqdm import tqdm

from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.model import FoundationModel, Inputs
from lim_pipelines.foundation.objective import pretraining_loss
from lim_pipelines.foundation.series import Series, iso, microseconds
from lim_pipelines.foundation.skill import skill
from lim_pipelines.foundation.windows import Span, WindowSampler, WindowStore, split_time, target_span

VALIDATION_SHARE = 0.04
"""Share of the time that the series cover, the latest, whose targets are held out."""

_WARMUP_SHARE = 0.1
_LAST_RATE = 0.05
_WEIGHT_DECAY = 0.01
_CLIP_NORM = 1.0
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
        that were really drawn forecast: the last bar in training, the first and the last in validation.
    """

    metrics: dict[str, float]
    curve: tuple[tuple[int, float], ...]
    windows: dict[str, Any]


class _Batches(IterableDataset[tuple[Inputs, Tensor]]):
    """Random windows, one batch a step; batch k depends on the seed and k alone."""

    def __init__(
        self,
        series: Sequence[Series],
        sampler: WindowSampler,
        config: FoundationConfig,
        seed: int,
        steps: int,
    ) -> None:
        self.store = WindowStore(series, config.context, config.horizon)
        self.last_target = _BEGINNING
        self._series, self._sampler, self._config = series, sampler, config
        self._seed, self._steps = seed, steps

    def __iter__(self) -> Iterator[tuple[Inputs, Tensor]]:
        for step in range(self._steps):
            picks = self._sampler.draw(self._config.batch_size, self._seed, step)
            last = target_span(self._series, picks, self._config.horizon)[1]
            self.last_target = max(self.last_target, last)
            batch = self.store.batch(picks)
            yield Inputs.of(batch), torch.from_numpy(batch.future)


class Pretraining(lightning.LightningModule):  # type: ignore[misc]
    """The pretraining task as Lightning runs it.

    Parameters
    ----------
    model
        Model to train, in place.
    steps
        Optimiser steps.
    learning_rate
        Peak of a schedule that warms up and falls as a cosine.
    seed
        Seed of context lengths and hidden patches.
    """

    def __init__(self, model: FoundationModel, steps: int, learning_rate: float, seed: int) -> None:
        super().__init__()
        self.model = model
        self.steps = steps
        self.learning_rate = learning_rate
        self.seed = seed
        self.masks = torch.Generator().manual_seed(seed)

    def training_step(self, batch: tuple[Inputs, Tensor], index: int) -> Tensor:
        """Loss of one batch."""
        return pretraining_loss(self.model, *batch, self.masks)

    def configure_optimizers(self) -> dict[str, Any]:
        """AdamW; matrices decay, norms, biases and encodings do not."""
        named = list(self.model.named_parameters())
        groups = [
            {"params": [p for n, p in named if _decays(n, p)], "weight_decay": _WEIGHT_DECAY},
            {"params": [p for n, p in named if not _decays(n, p)], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=self.learning_rate, betas=(0.9, 0.98), fused=True)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _rate(self, step: int) -> float:
        warmup = max(1, round(_WARMUP_SHARE * self.steps))
        if step < warmup:
            return (step + 1) / warmup
        progress = min(1.0, (step - warmup) / max(1, self.steps - warmup))
        return _LAST_RATE + (1 - _LAST_RATE) * 0.5 * (1 + math.cos(math.pi * progress))


def _decays(name: str, parameter: Tensor) -> bool:
    return name.endswith("weight") and parameter.ndim == 2


class _Progress(lightning.Callback):  # type: ignore[misc]
    """A progress bar on stderr, and the loss of every step as a line of JSON."""

    def __init__(self, label: str, log: IO[str]) -> None:
        self._label, self._log = label, log
        self.losses: list[float] = []

    def on_train_start(self, trainer: Any, module: Pretraining) -> None:
        # A log file gets a line every few seconds, if it takes that long; a terminal a moving bar.
        wait = 0.2 if sys.stderr.isatty() else 5.0
        self._bar = tqdm(
            total=module.steps, desc=self._label, file=sys.stderr, leave=False, mininterval=wait, delay=wait
        )
        self._start = time.perf_counter()

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, index: int) -> None:
        loss = float(outputs["loss"])
        self.losses.append(loss)
        line = {
            "step": len(self.losses),
            "loss": round(loss, 6),
            "rate": trainer.optimizers[0].param_groups[0]["lr"],
            "seconds": round(time.perf_counter() - self._start, 3),
        }
        self._log.write(json.dumps(line) + "\n")
        self._bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
        self._bar.update()

    def on_train_end(self, trainer: Any, module: Any) -> None:
        self._bar.close()


def fit(
    model: FoundationModel,
    series: Sequence[Series],
    *,
    steps: int,
    learning_rate: float,
    seed: int,
    held_out_before: str | None,
    label: str,
    log: IO[str],
) -> Fit:
    """Train a model in place.

    The latest bars are held out. A training window's horizon ends before the first held-out bar (purged), a
    validation window's context ends at or behind it, so no target is shared.

    Parameters
    ----------
    model
        Model to train; its configuration gives context, horizon, patch and batch size.
    series
        Series to train on: everything known at the cutoff, nothing later.
    steps, learning_rate
        Optimiser steps and peak learning rate.
    seed
        Seed of windows and masks. Same seed, same series, same machine and threads: same weights.
    held_out_before
        First moment the parent held out, ISO 8601; None without a parent. What the parent was trained on is
        never validated on.
    label
        What the progress bar says.
    log
        Gets one line of JSON a step.

    Raises
    ------
    NoWindowsError
        The series are too short.
    FloatingPointError
        The loss is no longer a number.
    """
    config = model.config
    split = split_time(series, VALIDATION_SHARE)
    if held_out_before is not None:
        split = max(split, microseconds(held_out_before))
    training = _sampler(series, config, Span(_BEGINNING, split))
    validation = _sampler(series, config, Span(split, _END))
    if not len(training):
        need = config.patch + config.horizon + 1
        raise NoWindowsError(
            f"{label}: no training window; a series needs {need} bars before the held-out"
            f" latest {VALIDATION_SHARE:.0%} of the time, the longest has {max(map(len, series))} in all;"
            " load more history"
        )
    progress = _Progress(label, log)
    batches = _Batches(series, training, config, seed, steps)
    _train(Pretraining(model, steps, learning_rate, seed), batches, progress)
    if not math.isfinite(progress.losses[-1]):
        raise FloatingPointError(
            f"{label}: the loss is {progress.losses[-1]}; lower learning_rate of {config.name}"
        )
    model.eval()
    curve = _curve(progress.losses)
    judged, seen = {}, {}
    if len(validation):
        picks = validation.spread(_VALIDATION_WINDOWS)
        judged = skill(model, batches.store, picks)
        span = target_span(series, np.concatenate(list(picks.values())), config.horizon)
        seen = dict(zip(("validated_from", "validated_until"), map(iso, span), strict=True))
    return Fit(
        metrics={"loss": round(curve[-1][1], 6), **judged},
        curve=curve,
        windows={
            "train": len(training),
            "validation": len(validation),
            "purge_bars": config.horizon,
            "held_out_from": iso(split),
            "trained_until": iso(batches.last_target),
            **seen,
        },
    )


def _sampler(series: Sequence[Series], config: FoundationConfig, span: Span) -> WindowSampler:
    return WindowSampler(series, horizon=config.horizon, patch=config.patch, span=span)


def _train(task: Pretraining, batches: _Batches, progress: _Progress) -> None:
    # It would announce the hardware and recommend loader workers at every cutoff.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", module="lightning.pytorch.utilities._pytree")
    trainer = lightning.Trainer(
        max_steps=task.steps,
        max_epochs=1,
        accelerator="auto",
        devices=1,
        gradient_clip_val=_CLIP_NORM,
        callbacks=[progress],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
    )
    trainer.fit(task, DataLoader(batches, batch_size=None))
    if trainer.global_step != task.steps:
        raise RuntimeError(
            f"training stopped after {trainer.global_step} of {task.steps} steps; start it again"
        )


def _curve(losses: Sequence[float]) -> tuple[tuple[int, float], ...]:
    """Losses averaged over even stretches, at most `_CURVE_POINTS`: (last step of the stretch, mean)."""
    width = -(-len(losses) // _CURVE_POINTS)
    stretches = [losses[i : i + width] for i in range(0, len(losses), width)]
    return tuple((i * width + len(s), sum(s) / len(s)) for i, s in enumerate(stretches))
