"""Checkpoints and strategies' models trained again where nothing exists that came after their cutoff.

The complete strength: the rows known by the cutoff are copied into a lake of their own, training runs again
there, and the weights are compared.

What does not belong here: what was read, and windows (`checkpoints.py`).
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

from lim_pipelines.audit.verdict import Verdict
from lim_pipelines.finetune import store
from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.inputs.registry import OWNER
from lim_pipelines.lake import Lake, midnight
from lim_pipelines.lake.past import Past
from lim_pipelines.schemas import INPUT_SCALES, MODEL_INPUTS, VALIDATED_BARS, Table

TOLERANCE = 1e-5
"""Largest difference of a weight that counts as the same. A choice, not a measurement: no weight of the
demo's newest cutoffs, trained again on the same machine with as many threads and the same torch, differed,
and one of ridge by 1.7e-17 with another number of threads. Other machines and versions were not measured:
their last bits may differ, and grow over the steps of a long training beyond this."""


def retrain_checkpoint(lake: Lake, models: Path, config: FoundationConfig, cutoff: date) -> Verdict:
    """Train a checkpoint again where nothing exists that came after its cutoff, and compare the weights.

    Parameters
    ----------
    lake, models, config, cutoff
        As for `checkpoints.audit_checkpoint`; there must be a checkpoint.
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
        As for `checkpoints.audit_model`; there must be models.
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
