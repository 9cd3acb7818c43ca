"""Checkpoints made again, and compared with what is stored.

What does not belong here: rows of market data (`verify_rows.py`), results (`verify_results.py`).
"""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from lim_pipelines.audit.retrained import TOLERANCE
from lim_pipelines.finetune import store
from lim_pipelines.finetune.features import MissingInputsError
from lim_pipelines.finetune.plan import CODE_VERSION as FIT_VERSION
from lim_pipelines.finetune.plan import plan
from lim_pipelines.finetune.train import fit_cutoff
from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation import train as pretrain
from lim_pipelines.foundation.config import CODE_VERSION as FOUNDATION_VERSION
from lim_pipelines.foundation.data import NoBarsError, read_bars, series_of
from lim_pipelines.foundation.store import digest_of
from lim_pipelines.lake import Lake
from lim_pipelines.places import Places
from lim_pipelines.provenance.compare import Finding
from lim_pipelines.provenance.subject import Models

if TYPE_CHECKING:
    import numpy.typing as npt

_KEPT = shutil.ignore_patterns(checkpoint.EMBEDDINGS)
"""What a past fit left beside a checkpoint: it is made again."""


def verify_models(places: Places, subject: Models, train: bool) -> list[Finding]:
    """Find out whether a checkpoint would come out again.

    Its folder is named by the digest of all that goes in, and training gives the same weights for the same on
    the same machine; so what goes in is compared, and the weights only if asked for.

    Parameters
    ----------
    places
        Where everything lies; nothing in it is written.
    subject
        The checkpoint.
    train
        Train it again, too, in a temporary folder.

    Returns
    -------
    list of Finding
        Rows read, parent, digest, weights.

    Raises
    ------
    CheckpointError
        Its `meta.json` cannot be read.
    """
    lake = places.lake()
    with TemporaryDirectory(prefix="lim-verify-") as folder:
        try:
            meta = store.read_meta(subject.folder)
        except store.ModelError:
            return _foundation(lake, subject, Path(folder), train)
        return _strategy(lake, subject, meta, Path(folder), train)


def _foundation(lake: Lake, subject: Models, aside: Path, train: bool) -> list[Finding]:
    meta = checkpoint.read_meta(subject.folder)
    try:
        bars = read_bars(lake, meta.config, meta.cutoff)
    except NoBarsError as error:
        return [Finding("rows read", "cannot be verified", 0, str(error))]
    series = series_of(bars)
    content = digest_of(series)
    found = [_same("rows read", meta.data.fingerprint, content, sum(map(len, series)))]
    parent, gone = None, []
    if meta.parent is not None and meta.parent_cutoff is not None:
        place = checkpoint.folder_of(
            subject.folder.parents[2], meta.config.name, meta.parent_cutoff, meta.parent
        )
        if (place / checkpoint.META).is_file():
            parent = checkpoint.read_meta(place)
            target = checkpoint.folder_of(aside, meta.config.name, meta.parent_cutoff, meta.parent)
            shutil.copytree(place, target, ignore=_KEPT)
            checkpoint.set_current(aside, meta.config.name, meta.parent_cutoff, meta.parent)
        else:
            gone = [Finding("parent", "cannot be verified", 0, f"{place} is gone")]
    if gone:
        return [*found, *gone]
    digest = pretrain.input_digest(meta.config, meta.cutoff, parent, content)
    found += [_digest(meta.input_digest, digest, meta.code_version, FOUNDATION_VERSION)]
    if not train or digest != meta.input_digest:
        return [*found, *_untrained(subject.folder, meta.weights_sha256)]
    job = pretrain.Job(
        lake=lake.root,
        models=str(aside),
        windows=str(aside / "windows"),
        family=meta.config.name,
        cutoffs=(meta.cutoff,),
        config=meta.config,
    )
    pretrain.train_cutoffs(job, lambda _: None)
    again = checkpoint.folder_of(aside, meta.config.name, meta.cutoff, digest)
    saved = _recorded(subject.folder, meta.weights_sha256)
    return [*found, *saved, _weights(subject.folder, again, meta.torch_version, meta.hardware)]


def _strategy(lake: Lake, subject: Models, meta: store.ModelMeta, aside: Path, train: bool) -> list[Finding]:
    place = store.parent_folder(subject.folder, meta)
    if not (place / checkpoint.META).is_file():
        return [Finding("parent", "cannot be verified", 0, f"{place} is gone")]
    target = checkpoint.folder_of(aside, meta.parent_family, meta.cutoff, meta.parent)
    shutil.copytree(place, target, ignore=_KEPT)
    checkpoint.set_current(aside, meta.parent_family, meta.cutoff, meta.parent)
    try:
        todo = plan(lake.root, str(aside), meta.spec, meta.cutoff)
    except MissingInputsError as error:
        return [Finding("rows read", "cannot be verified", 0, str(error))]
    found = [
        _same(f"rows of {then.table} read", then.fingerprint, now.fingerprint, now.rows)
        for then, now in zip(meta.data, todo.data, strict=True)
    ]
    found += [_digest(meta.input_digest, todo.digest, meta.code_version, FIT_VERSION)]
    if not train or todo.digest != meta.input_digest:
        return [*found, *_untrained(subject.folder, meta.weights_sha256)]
    fit_cutoff(todo)
    saved = _recorded(subject.folder, meta.weights_sha256)
    return [*found, *saved, _weights(subject.folder, todo.folder, meta.torch_version, meta.hardware)]


def _same(what: str, then: str, now: str, rows: int) -> Finding:
    if then == now:
        return Finding(what, "equal", rows, f"fingerprint {now}")
    return Finding(what, "differs", rows, f"fingerprint {then} when it was trained, {now} in the lake today")


def _digest(then: str, now: str, code: str, today: str) -> Finding:
    if then == now:
        return Finding("digest of all that goes in", "equal", 1, now)
    if code != today:
        why = f"made by code version {code}, today's is {today}: check that version out to verify it"
        return Finding("digest of all that goes in", "cannot be verified", 1, why)
    return Finding("digest of all that goes in", "differs", 1, f"{then} is stored, {now} comes out")


def _recorded(folder: Path, recorded: str | None) -> list[Finding]:
    """Compare the weights with those that training saved, by their hash; nothing if it recorded none."""
    try:
        count = len(_tensors(folder))
    except (OSError, ValueError) as error:
        return [Finding("weights", "differs", 0, f"{folder / checkpoint.WEIGHTS} cannot be read: {error}")]
    if recorded is None:
        return []
    if changed := checkpoint.altered(folder, recorded):
        return [Finding("weights as saved", "differs", count, changed)]
    return [Finding("weights as saved", "equal", count, f"sha256 {recorded}")]


def _untrained(folder: Path, recorded: str | None) -> list[Finding]:
    """Say what is known of weights that are not trained again."""
    found = _recorded(folder, recorded)
    why = "their hash was not kept when they were saved: --train trains them again, or materialise the cutoff"
    return found or [Finding("weights as saved", "cannot be verified", 0, why)]


def _weights(stored: Path, again: Path, torch_version: str, hardware: str) -> Finding:
    """Compare two checkpoints' weights to the bit; where they differ, say by how much.

    Sums of other machines, or of another number of threads, may differ in their last bits.
    """
    try:
        ours, other = _tensors(stored), _tensors(again)
    except (OSError, ValueError) as error:
        return Finding("weights", "differs", 0, f"{stored / checkpoint.WEIGHTS} cannot be read: {error}")
    numbers = sum(tensor.size for tensor in ours.values())
    if set(ours) != set(other):
        return Finding("weights", "differs", numbers, f"other tensors: {sorted(set(ours) ^ set(other))}")
    gaps = {
        name: float(abs(tensor.astype(float) - other[name].astype(float)).max(initial=0.0))
        for name, tensor in ours.items()
        if tensor.tobytes() != other[name].tobytes()
    }
    if not gaps:
        return Finding("weights", "equal", numbers, "trained again, the same to the bit")
    worst = max(gaps, key=lambda name: gaps[name])
    said = f"{len(gaps)} of {len(ours)} tensors differ, most {worst} by {gaps[worst]:.3g}"
    # Written so that a weight that is no number is a difference.
    if all(gap <= TOLERANCE for gap in gaps.values()):
        return Finding(
            "weights", "equal", numbers, f"trained again; {said}, within the tolerance {TOLERANCE}"
        )
    made = f"it was trained with torch {torch_version} on {hardware}"
    return Finding("weights", "differs", numbers, f"{said}; {made}")


def _tensors(folder: Path) -> dict[str, npt.NDArray[Any]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return dict(load_file(folder / checkpoint.WEIGHTS))
    except SafetensorError as error:
        raise ValueError(str(error)) from error
