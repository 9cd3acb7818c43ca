"""What a training tells while it runs: its progress bar, its metrics, its snapshots, and whether it diverges.

What does not belong here: the task (`task.py`), what is done about a divergence (`pretrain.py`).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import lightning.pytorch as lightning
import torch
from torch import Tensor
from tqdm import tqdm

from lim_pipelines.foundation.cost import Work
from lim_pipelines.foundation.events import Events
from lim_pipelines.foundation.metrics_file import Line, MetricsFile
from lim_pipelines.foundation.resume import Snapshots, restore, tensors_of, whole
from lim_pipelines.foundation.task import Pretraining

LOOK_EVERY = 10
"""Steps between looks at the loss: a look waits for the device."""

VALIDATE_EVERY = 500
"""Steps between validations while training runs; the last step is validated, too."""

Weights = dict[str, Tensor]
Judge = Callable[[Weights], dict[str, float]]


class Progress(lightning.Callback):  # type: ignore[misc]
    """Follows a training.

    Parameters
    ----------
    label
        What the progress bar says.
    metrics
        Gets a line a step.
    snapshots
        Are read at the start and written every `save_every` steps.
    events
        Gets the metrics of some steps, for TensorBoard.
    work
        What a step takes.
    judge
        Judges weights on the validation windows.

    Attributes
    ----------
    alarm : str or None
        Why training was stopped.
    """

    def __init__(
        self,
        label: str,
        metrics: MetricsFile,
        snapshots: Snapshots,
        events: Events,
        work: Work,
        judge: Judge,
    ) -> None:
        self._label, self._metrics, self._snapshots, self._events = label, metrics, snapshots, events
        self._work, self._judge = work, judge
        self.alarm: str | None = None
        self._pending: list[tuple[Tensor, Tensor, float, float]] = []

    def on_train_start(self, trainer: Any, task: Pretraining) -> None:
        """Take the run up where its newest snapshot left it."""
        if self._snapshots.steps:
            tensors = self._snapshots.tensors(self._snapshots.steps[-1])
            restore(tensors, task.model, trainer.optimizers[0], task.average)
        else:
            self._snapshot(trainer, task)
        # A log file gets a line every few seconds, if it takes that long; a terminal a moving bar.
        wait = 0.2 if sys.stderr.isatty() else 5.0
        self._bar = tqdm(
            total=task.steps,
            initial=task.state.step,
            desc=self._label,
            file=sys.stderr,
            leave=False,
            mininterval=wait,
            delay=wait,
            disable=not trainer.is_global_zero,
        )
        self._began = time.perf_counter() - task.state.seconds
        self._looked, self._cpu = self._began + task.state.seconds, time.process_time()

    def on_train_batch_end(self, trainer: Any, task: Pretraining, out: Any, batch: Any, index: int) -> None:
        """Look at the loss, validate, keep a snapshot: each every so many steps."""
        if (index + 1) % task.settings.accumulate:
            return
        step = task.state.step
        task.state.seconds = time.perf_counter() - self._began
        self._pending.append((task.step_loss, task.step_norm, task.rate, task.state.seconds))
        self._bar.update()
        keep = step % task.settings.save_every == 0
        if step % LOOK_EVERY and not keep and step < task.steps:
            return
        self._look(trainer, task)
        if self.alarm is None and keep and step < task.steps:
            self._snapshot(trainer, task)

    def on_train_end(self, trainer: Any, task: Pretraining) -> None:
        """Close the bar."""
        self._bar.close()

    def _snapshot(self, trainer: Any, task: Pretraining) -> None:
        self._snapshots.save(task.state, tensors_of(task.model, trainer.optimizers[0], task.average))
        trainer.strategy.barrier()

    def _look(self, trainer: Any, task: Pretraining) -> None:
        """Write down the steps since the last look, and judge whether they are healthy."""
        first = task.state.step - len(self._pending) + 1
        # The gradient is that of all processes together already, the loss is each one's own.
        losses = trainer.strategy.reduce(
            torch.stack([p[0] for p in self._pending]), reduce_op="mean"
        ).tolist()
        norms = torch.stack([p[1] for p in self._pending]).tolist()
        speed = self._speed(len(self._pending))
        lines: list[Line] = []
        for i, (loss, norm, (_, _, rate, seconds)) in enumerate(
            zip(losses, norms, self._pending, strict=True)
        ):
            self.alarm = self.alarm or task.state.watch.see(loss, norm)
            lines.append(
                {
                    "step": first + i,
                    "loss": round(loss, 6),
                    "rate": rate,
                    "gradient_norm": round(norm, 6),
                    "seconds": round(seconds, 3),
                    **speed,
                }
            )
        self._pending.clear()
        self._bar.set_postfix(loss=f"{losses[-1]:.3f}", refresh=False)
        if self.alarm is not None:
            trainer.should_stop = True
            return
        if task.state.step % VALIDATE_EVERY == 0 or task.state.step == task.steps:
            weights = weights_of(task)
            if trainer.is_global_zero:
                lines[-1]["validation"] = self._judge(weights)
        self._metrics.add(lines)
        self._events.add(lines[-1])

    def _speed(self, steps: int) -> Line:
        now, cpu = time.perf_counter(), time.process_time()
        seconds, busy = now - self._looked, cpu - self._cpu
        self._looked, self._cpu = now, cpu
        if self._work.peak is None:
            used = busy / (seconds * torch.get_num_threads())
        else:
            used = self._work.flops * steps / seconds / self._work.peak
        return {
            "windows_per_s": round(self._work.windows * steps / seconds, 1),
            "tokens_per_s": round(self._work.tokens * steps / seconds, 1),
            "utilisation": round(used, 4),
        }


def weights_of(task: Pretraining) -> Weights:
    """Weights that a checkpoint of now would have: their average if there is one. All processes must call."""
    if task.average is not None:
        return {name: whole(weight) for name, weight in task.average.weights.items()}
    return {name: whole(parameter) for name, parameter in task.model.named_parameters()}
