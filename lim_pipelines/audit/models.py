"""All audits of models, decisions and backtests in one go, as long as there is time.

What does not belong here: the audits (a file each), audits of data.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import NamedTuple

import polars as pl

from lim_pipelines.audit.backtests import audit_backtest
from lim_pipelines.audit.checkpoints import audit_checkpoint, audit_model
from lim_pipelines.audit.decisions import audit_decision
from lim_pipelines.audit.retrained import retrain_checkpoint, retrain_model
from lim_pipelines.audit.samples import leaks_of_inference, sample_of
from lim_pipelines.audit.targets import audit_targets
from lim_pipelines.audit.verdict import Audit, Verdict
from lim_pipelines.finetune.features import MissingInputsError
from lim_pipelines.finetune.plan import MissingCheckpointError
from lim_pipelines.finetune.store import ModelError
from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.data import NoBarsError, read_bars
from lim_pipelines.lake import LATEST, Lake, midnight
from lim_pipelines.schemas import TARGETS
from lim_pipelines.strategies.spec import StrategySpec
from lim_pipelines.walkforward import MissingModelError

_DECISIONS, _SESSIONS = 3, 3
"""Decisions of a cutoff that are taken again, sessions after which a backtest is cut off."""


@dataclass(frozen=True)
class Audited:
    """What audits found.

    Parameters
    ----------
    verdicts
        One each.
    left
        Audits that there was no time for, in words.
    """

    verdicts: list[Verdict]
    left: list[str]


_GONE = (
    *(checkpoint.CheckpointError, ModelError, MissingCheckpointError, MissingModelError),
    *(MissingInputsError, NoBarsError, FileNotFoundError),
)
"""What audits raise where something that they need is gone, or cannot be read."""


class _Task(NamedTuple):
    """One audit: its name in words, what it is about, and how it is done."""

    name: str
    asset: str
    cutoff: date | None
    kind: Audit
    run: Callable[[], list[Verdict]]


def audit_models(
    lake: Lake,
    models: Path,
    families: Sequence[FoundationConfig],
    specs: Sequence[StrategySpec],
    budget: float,
) -> Audited:
    """Audit everything that was trained, decided and earned, the newest first, the dearest last.

    Parameters
    ----------
    lake, models
        Where everything lies.
    families
        Families of foundation checkpoints.
    specs
        Strategies.
    budget
        Seconds; no audit begins after them. What is left out is said. What an audit needs and is gone is a
        finding: the other audits go on.
    """
    end = time.monotonic() + budget
    verdicts: list[Verdict] = []
    left = []
    for task in _tasks(lake, models, families, specs):
        if time.monotonic() >= end:
            left.append(task.name)
            continue
        try:
            verdicts += task.run()
        except _GONE as error:
            verdicts.append(_gone(task, error))
    return Audited(verdicts, left)


def _tasks(
    lake: Lake, models: Path, families: Sequence[FoundationConfig], specs: Sequence[StrategySpec]
) -> Iterator[_Task]:
    trained = {name: checkpoint.cutoffs(models, name)[::-1] for name in _names(families, specs)}
    for family in families:
        for cutoff in trained[family.name]:
            run = partial(audit_checkpoint, lake, models, family, cutoff)
            yield _Task(f"{family.name} {cutoff}", family.name, cutoff, "reads", run)
    for spec in specs:
        for cutoff in trained[spec.name]:
            asset, run = f"{spec.name}_model", partial(audit_model, lake, models, spec.name, cutoff)
            yield _Task(f"{asset} {cutoff}", asset, cutoff, "reads", run)
            run = partial(audit_decision, lake, models, spec.name, cutoff)
            yield _Task(f"judgement of {asset} {cutoff}", asset, cutoff, "recompute", run)
        # Months that train nothing are decided, too.
        for cutoff in _decided(lake, spec.name):
            asset, run = (
                f"{spec.name}_targets",
                partial(audit_targets, lake, models, spec, cutoff, _DECISIONS),
            )
            yield _Task(f"{asset} {cutoff}", asset, cutoff, "recompute", run)
        asset = f"{spec.name}_backtest"
        yield _Task(asset, asset, None, "recompute", partial(audit_backtest, lake, spec, _SESSIONS))
    for place in range(max(map(len, trained.values()), default=0)):
        for family in families:
            for cutoff in trained[family.name][place : place + 1]:
                run = partial(_train, lake, models, family, cutoff)
                yield _Task(f"training {family.name} {cutoff} again", family.name, cutoff, "recompute", run)
        for spec in specs:
            for cutoff in trained[spec.name][place : place + 1]:
                asset, run = f"{spec.name}_model", partial(_fit, lake, models, spec, cutoff)
                yield _Task(f"training {spec.name} {cutoff} again", asset, cutoff, "recompute", run)


def _decided(lake: Lake, strategy: str) -> list[date]:
    """Cutoffs that a strategy has targets of, newest first."""
    rows = lake.read(TARGETS, as_of=LATEST, where=pl.col("strategy") == strategy)
    return rows.select(pl.col("cutoff").unique().sort(descending=True)).collect()["cutoff"].to_list()


def _gone(task: _Task, error: Exception) -> Verdict:
    """Say that an audit could not be done: nothing is proved, so it does not pass."""
    partition = "" if task.cutoff is None else task.cutoff.isoformat()
    moment = midnight(task.cutoff or date(1970, 1, 1))
    return Verdict(task.asset, partition, task.kind, moment, 0, 0, f"{task.name} cannot be audited: {error}")


def _names(families: Sequence[FoundationConfig], specs: Sequence[StrategySpec]) -> list[str]:
    return [*(family.name for family in families), *(spec.name for spec in specs)]


def _fit(lake: Lake, models: Path, spec: StrategySpec, cutoff: date) -> list[Verdict]:
    return [retrain_model(lake, models, spec.name, cutoff)]


def _train(lake: Lake, models: Path, family: FoundationConfig, cutoff: date) -> list[Verdict]:
    """Train a checkpoint again, and change what lies behind contexts that it is asked about."""
    from lim_pipelines.foundation.inference import LIM

    again = retrain_checkpoint(lake, models, family, cutoff)
    folder = checkpoint.resolve(models, family.name, cutoff)
    if not again.passed or folder is None:
        return [again]
    lim = LIM.load(folder)
    bars = sample_of(read_bars(lake, lim.meta.config, cutoff))
    leaks = leaks_of_inference(lim, bars)
    finding = f"{folder}: {'; '.join(leaks)}; correct the model or its scaling" if leaks else ""
    return [replace(again, different=len(leaks), finding=finding)]
