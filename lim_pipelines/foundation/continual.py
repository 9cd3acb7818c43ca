"""Whether a cutoff's training starts from scratch or goes on from its parent, and how (paper, section 6.2).

What does not belong here: training (`pretrain.py`), which windows are drawn (`windows.py`: the sampler takes
the share of replay and the moment from which bars are recent), what the choice costs (`forgetting.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.config import CODE_VERSION, FoundationConfig
from lim_pipelines.foundation.decided import Start

RATE = 0.3
"""Peak learning rate of a continued training over that of a first one: it refines, it does not start over."""


@dataclass(frozen=True)
class Plan:
    """How a cutoff is trained.

    Parameters
    ----------
    parent
        Meta of the checkpoint that it goes on from; None: from scratch.
    steps
        Optimiser steps.
    start
        The rest, as the checkpoint records it.
    """

    parent: checkpoint.Meta | None
    steps: int
    start: Start


def previous(models: str | Path, family: str, cutoff: date) -> checkpoint.Meta | None:
    """Meta of the current checkpoint of the latest earlier cutoff of a family; None if there is none.

    Never that of the champion: the champion may be of a later cutoff, and would carry the future.
    """
    for earlier in reversed(checkpoint.cutoffs(models, family)):
        if earlier < cutoff:
            folder = checkpoint.resolve(models, family, earlier)
            assert folder is not None
            return checkpoint.read_meta(folder)
    return None


def plan(config: FoundationConfig, before: checkpoint.Meta | None) -> Plan:
    """Decide how a cutoff is trained.

    From scratch: without an earlier checkpoint; after one of another architecture, universe (exchanges, asset
    classes, frequencies), code version or list of candidates for the data mix; and every `full_every`-th
    cutoff, counted from the last one from scratch. Else on from the checkpoint before. If that one does not
    fit, no older one is looked for. Steps, rates and seed may differ.

    Parameters
    ----------
    config
        The family's configuration.
    before
        What `previous` found.
    """
    reason = _from_scratch(config, before)
    if reason or before is None:
        start = Start(
            reason=reason, continued=0, learning_rate=config.learning_rate, replay=1.0, recent_from=None
        )
        return Plan(None, config.steps_first, start)
    start = Start(
        reason=f"goes on from {before.cutoff}",
        continued=_continued(before) + 1,
        learning_rate=config.learning_rate * RATE,
        replay=config.continual.replay,
        recent_from=before.windows["held_out_from"],
    )
    return Plan(before, config.steps_continual, start)


def _from_scratch(config: FoundationConfig, before: checkpoint.Meta | None) -> str:
    """Why a training starts from scratch; empty if it goes on."""
    every, tried = config.continual.full_every, set(config.mix.candidates)
    if before is None:
        return "no earlier checkpoint"
    for name, same in (
        ("architecture", before.config.architecture == config.architecture),
        ("universe", before.config.universe == config.universe),
        ("code version", before.code_version == CODE_VERSION),
        ("list of candidates for the data mix", set(before.config.mix.candidates) == tried),
    ):
        if not same:
            return f"{before.cutoff} is of another {name}"
    if every and _continued(before) + 1 >= every:
        return f"every {every} cutoffs from scratch"
    return ""


def _continued(meta: checkpoint.Meta) -> int:
    """Trainings since the last one from scratch."""
    return 0 if meta.start is None else meta.start.continued
