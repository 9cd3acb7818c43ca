"""Checkpoints and strategies' models: what they read was known at the cutoff, and their windows hold.

This is the quick strength: the rows that a past of the cutoff shows have the recorded fingerprint, and the
windows hold (`windows.py`).

What does not belong here: training again (`retrained.py`), decisions (`targets.py`), contexts and labels
(`samples.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from lim_pipelines.audit.reads import audit_reads
from lim_pipelines.audit.samples import leaks_of_contexts, leaks_of_samples, leaks_of_selection, sample_of
from lim_pipelines.audit.verdict import Verdict
from lim_pipelines.audit.windows import foundation_windows, model_windows
from lim_pipelines.finetune import store
from lim_pipelines.finetune.modalities import hidden_columns
from lim_pipelines.finetune.plan import read_inputs
from lim_pipelines.finetune.split import split
from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.data import read_bars, series_of, with_resampled
from lim_pipelines.foundation.store import digest_of
from lim_pipelines.lake import Lake, fingerprint, midnight
from lim_pipelines.lake.past import Past
from lim_pipelines.strategies.registry import TASKS

STALE = (
    "either it read rows that were not known, or rows dated back came since: materialise the partition again;"
    " if it stays, correct the reader"
)


def audit_checkpoint(lake: Lake, models: Path, config: FoundationConfig, cutoff: date) -> list[Verdict]:
    """Audit the current checkpoint of a cutoff: what it read, and its windows.

    Parameters
    ----------
    lake, models
        Where bars and checkpoints lie.
    config
        The family.
    cutoff
        The cutoff; without a checkpoint there is nothing to audit.
    """
    folder = checkpoint.resolve(models, config.name, cutoff)
    if folder is None:
        return []
    meta = checkpoint.read_meta(folder)
    past = Past(lake, midnight(cutoff))
    bars = read_bars(past, meta.config, cutoff)
    # The store, too, is made of the lake: what it showed has to come out of the lake again, read in one go.
    series = series_of(bars)
    rows = sum(map(len, series))
    broken = foundation_windows(models, meta, with_resampled(bars))
    broken += leaks_of_contexts(sample_of(bars))
    windows = int(meta.windows.get("train", 0)) + int(meta.windows.get("validation", 0))
    return [
        _reads(config.name, folder, past, cutoff, [(meta.data, rows, digest_of(series))]),
        _windows(config.name, folder, cutoff, windows, broken),
    ]


def audit_model(lake: Lake, models: Path, strategy: str, cutoff: date) -> list[Verdict]:
    """Audit the current models of a strategy's cutoff: what they read, their windows, labels and scaling.

    Parameters
    ----------
    lake, models
        Where rows and models lie.
    strategy
        Its name.
    cutoff
        The cutoff; without models there is nothing to audit.

    Raises
    ------
    MissingInputsError
        Sessions with bars have no model inputs any more.
    """
    folder = checkpoint.resolve(models, strategy, cutoff)
    if folder is None:
        return []
    meta = store.read_meta(folder)
    past = Past(lake, midnight(cutoff))
    bars, inputs = read_inputs(past, meta.spec, cutoff)
    broken = model_windows(models, meta, bars)
    broken += leaks_of_samples(meta.spec, bars, inputs, meta.backbone.context, meta.selection)
    broken += leaks_of_selection(meta.spec, bars, meta.selection)
    broken += _scalings(folder, meta, bars, inputs)
    known = [
        (read, rows.height, fingerprint(rows)) for read, rows in zip(meta.data, (bars, inputs), strict=True)
    ]
    asset = f"{strategy}_model"
    samples = int(meta.windows.get("fit_rows", 0)) + int(meta.windows.get("validation_rows", 0))
    return [
        _reads(asset, folder, past, cutoff, known),
        _windows(asset, folder, cutoff, samples, broken),
    ]


def _reads(
    asset: str,
    folder: Path,
    past: Past,
    cutoff: date,
    reads: Sequence[tuple[checkpoint.TableRead, int, str]],
) -> Verdict:
    """Compare recorded fingerprints with those of what a past of the cutoff shows; judge reads."""
    wrong = [
        f"{read.table}: {read.rows:,} rows of fingerprint {read.fingerprint[:16]} were read,"
        f" {rows:,} of {found[:16]} were known"
        for read, rows, found in reads
        if read.fingerprint != found
    ]
    wrong += [asked.finding for asked in [audit_reads(past, asset, cutoff.isoformat())] if not asked.passed]
    finding = f"{folder}: {'; '.join(wrong)}; {STALE}" if wrong else ""
    compared = sum(rows for _, rows, _ in reads)
    return Verdict(asset, cutoff.isoformat(), "reads", midnight(cutoff), compared, len(wrong), finding)


def _windows(asset: str, folder: Path, cutoff: date, compared: int, broken: list[str]) -> Verdict:
    finding = (
        f"{folder}: {'; '.join(broken)}; remove the folder and materialise the partition again; if it"
        " stays, correct the training"
        if broken
        else ""
    )
    return Verdict(asset, cutoff.isoformat(), "windows", midnight(cutoff), compared, len(broken), finding)


def _scalings(folder: Path, meta: store.ModelMeta, bars: pl.DataFrame, inputs: pl.DataFrame) -> list[str]:
    """Compare the stored scaling of inputs with that of the rows that were to be fitted on."""
    from safetensors.numpy import load_file

    if not meta.spec.inputs_width:
        return []
    samples = TASKS[meta.spec.task].samples(meta.spec, bars, inputs, meta.selection)
    features = samples.features[split(meta.spec, samples, meta.cutoff).fit]
    known = [column[np.isfinite(column)] for column in features.T]
    mean = np.array([column.mean() if len(column) else 0.0 for column in known])
    weights = load_file(folder / checkpoint.WEIGHTS)
    broken = []
    for name in sorted(name for name in weights if name.endswith("feature_mean")):
        wanted = mean.copy()
        # What was hidden from an arm was never known to it.
        wanted[list(hidden_columns(meta.spec, name.partition(".")[0]))] = 0.0
        if not np.allclose(weights[name], wanted, rtol=1e-5, atol=1e-8):
            broken.append(
                f"{name} is {np.round(weights[name], 6).tolist()}, of the rows that it was to be fitted on"
                f" {np.round(wanted, 6).tolist()}"
            )
    return broken
