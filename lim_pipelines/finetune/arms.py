"""All arms and seeds of one cutoff, fitted on the same samples and the same split.

What does not belong here: how one arm is fitted (a file each), files and processes (`store.py`, `train.py`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from lim_pipelines.finetune.base import Forecaster, coverage, skill, to_positions, to_returns
from lim_pipelines.finetune.batches import Rows
from lim_pipelines.finetune.controls.registry import CONTROLS
from lim_pipelines.finetune.embedding import Frozen
from lim_pipelines.finetune.methods.job import Job
from lim_pipelines.finetune.methods.registry import METHODS
from lim_pipelines.finetune.modalities import Without, fitted_as, hidden, hidden_columns
from lim_pipelines.finetune.network import FrozenNetwork
from lim_pipelines.finetune.samples import Samples
from lim_pipelines.finetune.shared import Shared
from lim_pipelines.finetune.spec import DETERMINISTIC_ARMS, ModelSpec
from lim_pipelines.finetune.split import Split, split, windows_of
from lim_pipelines.finetune.store import ArmMeta, Book
from lim_pipelines.foundation.model import FoundationModel

SCALE_SAMPLES = 512
"""Fitted rows, evenly spread, that a forecast's scale and in-sample skill are measured on."""


@dataclass(frozen=True)
class Arms:
    """Fitted arms.

    Parameters
    ----------
    forecasters
        By (arm, seed).
    arms
        What is said of each in `meta.json`.
    windows
        The split in words.
    """

    forecasters: dict[Book, Forecaster]
    arms: list[ArmMeta]
    windows: dict[str, Any]


def fit_arms(
    spec: ModelSpec,
    backbone: FoundationModel,
    everything: Samples,
    cutoff: date,
    folder: Path | None = None,
) -> Arms:
    """Fit everything that a spec asks for.

    Parameters
    ----------
    spec
        Arms, seeds, task, horizon and fit settings.
    backbone
        The foundation checkpoint of the cutoff.
    everything
        All samples known at the cutoff, as the task makes them (`strategies/registry.py`).
    cutoff
        The cutoff, for messages.
    folder
        The checkpoint's folder, where embeddings are shared; None keeps none.
    """
    parts = split(spec, everything, cutoff)
    # Only what the split uses: embeddings of other rows would be thrown away.
    used = np.union1d(parts.fit, parts.validation)
    samples = everything.at(used)
    parts = replace(
        parts, fit=np.searchsorted(used, parts.fit), validation=np.searchsorted(used, parts.validation)
    )
    frozen = Shared(backbone, folder)

    forecasters: dict[Book, Forecaster] = {}
    arms = []
    for arm, seed in spec.books():
        started = time.monotonic()
        columns = hidden_columns(spec, arm)
        seen = hidden(samples, columns) if columns else samples
        forecaster, said = _fit(spec, fitted_as(spec, arm), seed, frozen, seen, parts)
        forecasters[arm, seed] = Without(forecaster, columns) if columns else forecaster
        arms.append(_described(spec, arm, seed, forecaster, said, seen, parts, started))
    return Arms(forecasters, arms, windows_of(samples, parts))


def _fit(
    spec: ModelSpec,
    arm: str,
    seed: int,
    frozen: Frozen,
    samples: Samples,
    parts: Split,
) -> tuple[Forecaster, dict[str, float | None]]:
    if arm in CONTROLS:
        return CONTROLS[arm].fit(spec, samples, parts, frozen.backbone.config.context)
    network, fitted = METHODS[arm](Job(spec, frozen, samples, parts, seed))
    return network, fitted.metrics()


def _described(
    spec: ModelSpec,
    arm: str,
    seed: int,
    forecaster: Forecaster,
    said: dict[str, float | None],
    samples: Samples,
    parts: Split,
    started: float,
) -> ArmMeta:
    metrics = dict(said)
    spread = {}
    for name, rows in (("fit", _spread(spec, samples, parts.fit)), ("validation", parts.validation)):
        part = samples.at(rows)
        if isinstance(forecaster, FrozenNetwork):
            outputs = forecaster.outputs_at(samples, rows)  # from the fit's embeddings, not from new ones
        else:
            outputs = forecaster.outputs(part)
        if spec.output == "position":
            # Scores of networks that were fitted as positions are none of a return.
            spread[name] = float(outputs[:, 0].std()) if arm in DETERMINISTIC_ARMS else 1.0
            held = to_positions(spec, outputs, part, spread["fit"])
            figures = skill(spec, held, part)
        else:
            forecasts = to_returns(spec.task, outputs, part, spec.horizon)
            spread[name] = float(forecasts.std())
            figures = skill(spec, forecasts, part) | {"coverage": coverage(spec, outputs, part)}
        metrics |= {f"{name}_{key}": value if np.isfinite(value) else None for key, value in figures.items()}
    seconds = time.monotonic() - started
    return ArmMeta(arm=arm, seed=seed, forecast_scale=spread["fit"], metrics=metrics, seconds=seconds)


def _spread(spec: ModelSpec, samples: Samples, rows: Rows) -> Rows:
    """At most about `SCALE_SAMPLES` of some rows, evenly spread; of a cross-section whole sessions."""
    days = samples.groups()[rows]
    sessions = np.unique(days)
    wanted = max(1, SCALE_SAMPLES * len(sessions) // len(rows))
    kept = sessions[np.unique(np.linspace(0, len(sessions) - 1, min(wanted, len(sessions))).astype(np.int64))]
    return np.asarray(rows[np.isin(days, kept)])
