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

from lim_pipelines.audit.backtests import audit_backtest
from lim_pipelines.audit.checkpoints import audit_checkpoint, audit_model, retrain_checkpoint, retrain_model
from lim_pipelines.audit.samples import leaks_of_inference, sample_of
from lim_pipelines.audit.targets import audit_targets
from lim_pipelines.audit.verdict import Verdict
from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.data import read_bars
from lim_pipelines.lake import Lake
from lim_pipelines.strategies.spec import StrategySpec

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


_Task = tuple[str, Callable[[], list[Verdict]]]


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
        Seconds; no audit begins after them. What is left out is said.

    Raises
    ------
    MissingModelError, MissingInputsError
        What decisions were taken with is gone.
    """
    end = time.monotonic() + budget
    verdicts: list[Verdict] = []
    left = []
    for name, audit in _tasks(lake, models, families, specs):
        if time.monotonic() < end:
            verdicts += audit()
        else:
            left.append(name)
    return Audited(verdicts, left)


def _tasks(
    lake: Lake, models: Path, families: Sequence[FoundationConfig], specs: Sequence[StrategySpec]
) -> Iterator[_Task]:
    trained = {name: checkpoint.cutoffs(models, name)[::-1] for name in _names(families, specs)}
    for family in families:
        for cutoff in trained[family.name]:
            yield f"{family.name} {cutoff}", partial(audit_checkpoint, lake, models, family, cutoff)
    for spec in specs:
        for cutoff in trained[spec.name]:
            yield f"{spec.name}_model {cutoff}", partial(audit_model, lake, models, spec.name, cutoff)
            again = partial(audit_targets, lake, models, spec, cutoff, _DECISIONS)
            yield f"{spec.name}_targets {cutoff}", again
        yield f"{spec.name}_backtest", partial(audit_backtest, lake, spec, _SESSIONS)
    for place in range(max(map(len, trained.values()), default=0)):
        for family in families:
            for cutoff in trained[family.name][place : place + 1]:
                yield f"training {family.name} {cutoff} again", partial(_train, lake, models, family, cutoff)
        for spec in specs:
            for cutoff in trained[spec.name][place : place + 1]:
                yield f"training {spec.name} {cutoff} again", partial(_fit, lake, models, spec, cutoff)


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
