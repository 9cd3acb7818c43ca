"""All arms and seeds of one cutoff, fitted on the same samples and the same split.

What does not belong here: how one arm is fitted (a file each), files and processes (`store.py`, `train.py`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import torch

from lim_pipelines.finetune import full, head, neural, ridge, scratch
from lim_pipelines.finetune.base import Forecaster, skill, to_returns
from lim_pipelines.finetune.persistence import Persistence
from lim_pipelines.finetune.samples import Samples, build_samples
from lim_pipelines.finetune.spec import ModelSpec
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
    spec: ModelSpec, backbone: FoundationModel, bars: pl.DataFrame, inputs: pl.DataFrame, cutoff: date
) -> Arms:
    """Fit everything that a spec asks for.

    Parameters
    ----------
    spec
        Arms, seeds, task, horizon and fit settings.
    backbone
        The foundation checkpoint of the cutoff.
    bars, inputs
        Rows known at the cutoff, see `samples.build_samples`.
    cutoff
        The cutoff, for messages.
    """
    everything = build_samples(spec, bars, inputs)
    parts = split(spec, everything, cutoff)
    # Only what the split uses: embeddings of other rows would be thrown away.
    used = np.union1d(parts.fit, parts.validation)
    samples = everything.at(used)
    parts = Split(
        np.searchsorted(used, parts.fit), np.searchsorted(used, parts.validation), parts.purged_sessions
    )
    frozen = head.Frozen(backbone)

    forecasters: dict[Book, Forecaster] = {}
    arms = []
    for arm, seed in spec.books():
        started = time.monotonic()
        forecaster, said = _fit(spec, arm, seed, frozen, samples, parts)
        forecasters[arm, seed] = forecaster
        arms.append(_described(spec, arm, seed, forecaster, said, samples, parts, started))
    return Arms(forecasters, arms, windows_of(samples, parts))


def _fit(
    spec: ModelSpec,
    arm: str,
    seed: int,
    frozen: head.Frozen,
    samples: Samples,
    parts: Split,
) -> tuple[Forecaster, dict[str, float | None]]:
    backbone = frozen.backbone
    network: Forecaster
    if arm == "persistence":
        return Persistence(spec.horizon), {}
    if arm == "ridge":
        line = ridge.fit(spec, samples, parts, backbone.config.context)
        return line, {"penalty": line.penalty}
    if arm == "head":
        network, fitted = head.fit(spec, frozen, samples, parts, seed)
    elif arm == "full":
        network, fitted = full.fit(spec, backbone, samples, parts, seed)
    else:
        network, fitted = scratch.fit(spec, backbone.config, samples, parts, seed)
    return network, {
        "best_step": float(fitted.best_step),
        "trainable_parameters": float(fitted.trainable),
        "validation_loss": fitted.validation_loss,
        "validation_loss_of_zero": fitted.zero_loss,
    }


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
        if isinstance(forecaster, head.FrozenNetwork):
            embeddings = forecaster.frozen.embed(samples)[torch.from_numpy(rows)]  # the fit's own, not again
            outputs = forecaster.head.outputs(embeddings, part.features)
        else:
            outputs = forecaster.outputs(part)
        forecasts = to_returns(spec.task, outputs, part, spec.horizon)
        spread[name] = float(forecasts.std())
        figures = skill(spec, forecasts, part)
        metrics |= {f"{name}_{key}": value if np.isfinite(value) else None for key, value in figures.items()}
    seconds = time.monotonic() - started
    return ArmMeta(arm=arm, seed=seed, forecast_scale=spread["fit"], metrics=metrics, seconds=seconds)


def _spread(spec: ModelSpec, samples: Samples, rows: neural.Rows) -> neural.Rows:
    """At most about `SCALE_SAMPLES` of some rows, evenly spread; of a cross-section whole sessions."""
    days = samples.groups()[rows]
    sessions = np.unique(days)
    wanted = max(1, SCALE_SAMPLES * len(sessions) // len(rows))
    kept = sessions[np.unique(np.linspace(0, len(sessions) - 1, min(wanted, len(sessions))).astype(np.int64))]
    return np.asarray(rows[np.isin(days, kept)])
