"""What trainings took, and what the next ones will take: read from what each of them left behind.

What does not belong here: which of them the budget allows (`budget.py`), trainings that failed and left
nothing (`assets/spent.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from statistics import median

from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.foundation import checkpoint, continual
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.lake import next_cutoff
from lim_pipelines.retraining.budget import WEEK
from lim_pipelines.retraining.standing import Standing

NEWEST = 3
"""Trainings of a kind whose median is expected: machines and settings change, one alone may be odd."""


@dataclass(frozen=True)
class Training:
    """What one training took.

    Parameters
    ----------
    moment
        When it ended, UTC.
    seconds
        Wall time.
    full
        Whether it started from scratch; of a strategy's models always true.
    """

    moment: datetime
    seconds: float
    full: bool


def trainings(models: Path, name: str) -> list[Training]:
    """All trainings of a family or strategy that ended well, the oldest first.

    Also those that are not current any more: their time was spent.
    """
    return sorted(_read(models / name), key=lambda one: one.moment)


def _read(folder: Path) -> Iterator[Training]:
    # Not as a whole meta: that of every model there ever was is read at each look. Hidden folders are being
    # filled, or were when a training was killed.
    for path in folder.glob(f"*/[!.]*/{checkpoint.META}"):
        content = json.loads(path.read_bytes())
        if content["created_at"]:
            start = content.get("start")
            yield Training(
                datetime.fromisoformat(content["created_at"]),
                content["wall_seconds"],
                start is None or start["continued"] == 0,
            )


def spent(done: Sequence[Training], now: datetime) -> float:
    """Seconds that trainings took in the last seven days."""
    return sum(one.seconds for one in done if now - WEEK < one.moment <= now)


def of_family(models: Path, config: FoundationConfig, standing: Standing) -> float | None:
    """Seconds that the checkpoints which are due will take; None if nobody knows.

    Each is expected to take what the newest of its kind took, from scratch or continued. Of a kind that has
    not been trained yet: what the other took, by their numbers of steps.

    Parameters
    ----------
    models
        Root of all models.
    config
        The family.
    standing
        How far it is; `first` to `cutoff` are due.
    """
    done = trainings(models, config.name)
    steps = {True: config.steps_first, False: config.steps_continual}
    total = 0.0
    for full in _kinds(models, config, standing.first, standing.cutoff):
        same = [one.seconds for one in done if one.full == full][-NEWEST:]
        other = [one.seconds * steps[full] / steps[not full] for one in done if one.full != full][-NEWEST:]
        if not same and not other:
            return None
        total += median(same or other)
    return total


def _kinds(models: Path, config: FoundationConfig, first: date, last: date) -> Iterator[bool]:
    """Say of each cutoff that is due whether it starts from scratch, as `continual.plan` will decide."""
    start = continual.plan(config, continual.previous(models, config.name, first)).start
    every = config.continual.full_every
    continued, cutoff = start.continued, first
    while cutoff <= last:
        yield continued == 0
        continued = 0 if every and continued + 1 >= every else continued + 1
        cutoff = next_cutoff(cutoff)


def of_strategy(models: Path, spec: ModelSpec, first: date, last: date) -> float | None:
    """Seconds that a strategy's models will take from one cutoff to another; None if nobody knows."""
    due, cutoff = set(), first
    while cutoff <= last:
        if spec.cadence.begun(cutoff):
            due.add(spec.cadence.trained_at(cutoff))
        cutoff = next_cutoff(cutoff)
    newest = [one.seconds for one in trainings(models, spec.name)][-NEWEST:]
    return len(due) * median(newest) if newest else (None if due else 0.0)
