"""Checkpoints and strategies' models: what they read was known at the cutoff, and it gives these weights.

Two strengths. Quick: the rows that a past of the cutoff shows have the recorded fingerprint, and the windows
hold (`windows.py`). Complete: the rows known by the cutoff are copied into a lake of their own, where nothing
else exists, training runs again there, and the weights are compared.

What does not belong here: decisions (`targets.py`), contexts and labels (`samples.py`).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

from lim_pipelines.audit.reads import audit_reads
from lim_pipelines.audit.samples import leaks_of_contexts, leaks_of_samples, leaks_of_selection, sample_of
from lim_pipelines.audit.verdict import Verdict
from lim_pipelines.audit.windows import foundation_windows, model_windows
from lim_pipelines.finetune import store
from lim_pipelines.finetune.modalities import hidden_columns
from lim_pipelines.finetune.split import split
from lim_pipelines.finetune.train import read_inputs
from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.data import read_bars, series_of, with_resampled
from lim_pipelines.foundation.store import digest_of
from lim_pipelines.inputs.registry import OWNER
from lim_pipelines.lake import Lake, fingerprint, midnight
from lim_pipelines.lake.past import Past
from lim_pipelines.schemas import INPUT_SCALES, MODEL_INPUTS, VALIDATED_BARS, Table
from lim_pipelines.strategies.registry import TASKS

TOLERANCE = 1e-5
"""Largest difference of a weight that counts as the same. A choice, not a measurement: no weight of the
demo's newest cutoffs, trained again on the same machine with as many threads and the same torch, differed,
and one of ridge by 1.7e-17 with another number of threads. Other machines and versions were not measured:
their last bits may differ, and grow over the steps of a long training beyond this."""

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


def retrain_checkpoint(lake: Lake, models: Path, config: FoundationConfig, cutoff: date) -> Verdict:
    """Train a checkpoint again where nothing exists that came after its cutoff, and compare the weights.

    Parameters
    ----------
    lake, models, config, cutoff
        As for `audit_checkpoint`; there must be a checkpoint.
    """
    from lim_pipelines.foundation.train import Job, train_cutoffs

    folder = _there(models, config.name, cutoff)
    meta = checkpoint.read_meta(folder)
    past = Past(lake, midnight(cutoff))
    with TemporaryDirectory(prefix="lim-audit-") as temporary, _threads_kept():
        root = Path(temporary)
        here = pl.col("exchange").is_in(meta.config.exchanges)
        _copy_rows(past, Lake(root / "lake"), [(VALIDATED_BARS, here)])
        if meta.parent is not None and meta.parent_cutoff is not None:
            _copy_checkpoint(models, root / "models", config.name, meta.parent_cutoff, meta.parent)
        job = Job(
            lake=str(root / "lake"),
            models=str(root / "models"),
            windows=str(root / "windows"),
            family=config.name,
            cutoffs=(cutoff,),
            config=meta.config,
        )
        (result,) = train_cutoffs(job, lambda _: None)
        return _weights(config.name, cutoff, folder, Path(result.folder), meta.hardware)


def retrain_model(lake: Lake, models: Path, strategy: str, cutoff: date) -> Verdict:
    """Fit a strategy's models again where nothing exists that came after the cutoff, and compare the weights.

    Parameters
    ----------
    lake, models, strategy, cutoff
        As for `audit_model`; there must be models.
    """
    from lim_pipelines.finetune.train import train

    folder = _there(models, strategy, cutoff)
    meta = store.read_meta(folder)
    past, spec = Past(lake, midnight(cutoff)), meta.spec
    blocks = pl.col("block").is_in(sorted({OWNER[name].name for name in spec.features}))
    rows = [
        (VALIDATED_BARS, spec.universe.rows()),
        (MODEL_INPUTS, spec.universe.named() & blocks),
        (INPUT_SCALES, pl.col("exchange").is_in(spec.universe.mics()) & blocks),
    ]
    with TemporaryDirectory(prefix="lim-audit-") as temporary, _threads_kept():
        root = Path(temporary)
        _copy_rows(past, Lake(root / "lake"), rows)
        _copy_checkpoint(models, root / "models", meta.parent_family, cutoff, meta.parent)
        (result,) = train(
            {
                "lake": str(root / "lake"),
                "models": str(root / "models"),
                "strategy": spec.model_dump(mode="json"),
                "cutoffs": [cutoff.isoformat()],
            }
        )
        again = checkpoint.folder_of(root / "models", strategy, cutoff, result["digest"])
        return _weights(f"{strategy}_model", cutoff, folder, again, meta.hardware)


def _there(models: Path, name: str, cutoff: date) -> Path:
    folder = checkpoint.resolve(models, name, cutoff)
    if folder is None:
        raise checkpoint.CheckpointError(f"{models}/{name}/{cutoff}: nothing there; materialise it first")
    return folder


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


def _weights(asset: str, cutoff: date, stored: Path, again: Path, hardware: str) -> Verdict:
    """Compare two folders' weights and names."""
    from safetensors.numpy import load_file

    one, other = (load_file(folder / checkpoint.WEIGHTS) for folder in (stored, again))
    wrong = [] if stored.name == again.name else [f"its digest is {stored.name}, done again {again.name}"]
    if one.keys() != other.keys():
        wrong.append(f"weights {sorted(one.keys() ^ other.keys())} are in one of both only")
    far = {
        name: float(np.abs(one[name].astype(np.float64) - other[name]).max(initial=0.0))
        for name in one.keys() & other.keys()
    }
    different = sum(
        int((np.abs(one[name].astype(np.float64) - other[name]) > TOLERANCE).sum()) for name in far
    )
    if different:
        worst = max(far, key=lambda name: far[name])
        wrong.append(f"{different} weights differ, most {worst} by {far[worst]:.3g}")
    finding = (
        f"{stored}: trained again on what was known at the cutoff, {'; '.join(wrong)}. The training saw"
        f" something else, or another machine or code trained it ({hardware}): materialise it again here; if"
        " it stays, correct the training"
        if wrong
        else ""
    )
    compared = sum(weights.size for weights in one.values())
    return Verdict(
        asset, cutoff.isoformat(), "recompute", midnight(cutoff), compared, different or len(wrong), finding
    )


def _copy_rows(past: Past, lake: Lake, tables: Sequence[tuple[Table, pl.Expr]]) -> None:
    for table, where in tables:
        rows = past.revisions(table, where).collect()
        lake.write(table, rows, rows.select(table.partition_key).unique())


def _copy_checkpoint(models: Path, to: Path, family: str, cutoff: date, digest: str) -> None:
    source = checkpoint.folder_of(models, family, cutoff, digest)
    # Embeddings that a past fit left are made again, too.
    aside = shutil.ignore_patterns(checkpoint.EMBEDDINGS)
    shutil.copytree(source, checkpoint.folder_of(to, family, cutoff, digest), ignore=aside)
    checkpoint.set_current(to, family, cutoff, digest)


@contextmanager
def _threads_kept() -> Iterator[None]:
    """Give torch its threads back after a training that took one."""
    import torch

    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)
