"""Checkpoints on disk: a folder of weights and JSON, named by what went into it, there wholly or not at all.

What does not belong here: training (`train.py`), what the weights mean (`model.py`). torch is imported by
`save` and `load` only, so assets may read a checkpoint's `meta.json` without it. No pickle is ever read.

    <root>/<name>/<cutoff>/<digest[:16]>/   model.safetensors, meta.json, and what else training left there
    <root>/<name>/<cutoff>/current.json     which of them is current
"""

from __future__ import annotations

import hashlib
import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.decided import Selection, Start
from lim_pipelines.foundation.divergence import Rollback
from lim_pipelines.foundation.folders import replace_text

if TYPE_CHECKING:
    from lim_pipelines.foundation.model import FoundationModel

WEIGHTS = "model.safetensors"
META = "meta.json"
CURRENT = "current.json"
EMBEDDINGS = "embeddings"
"""Folder in a checkpoint's: what strategies keep there, see `finetune/shared.py`. Nothing depends on it."""


class CheckpointError(ValueError):
    """A checkpoint folder cannot be read."""


class Group(BaseModel):
    """Rows of one exchange and frequency that a checkpoint was trained from.

    Parameters
    ----------
    exchange, freq
        Which rows.
    instruments, rows
        How many.
    first_ts, last_ts
        ISO 8601, UTC.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    exchange: str
    freq: str
    instruments: int
    rows: int
    first_ts: str
    last_ts: str


class TableRead(BaseModel):
    """What a model read from a table of the lake.

    Parameters
    ----------
    table, lake_version
        Table, and its version before it was read.
    as_of
        Moment of the point-in-time read, ISO 8601, UTC.
    fingerprint
        Content hash of the rows.
    rows
        Number of rows read; of a checkpoint, of its series.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    lake_version: int
    as_of: str
    fingerprint: str
    rows: int


class DataRead(TableRead):
    """What a checkpoint read from the lake.

    Parameters
    ----------
    groups
        The series made of the rows, by exchange and frequency.
    """

    groups: tuple[Group, ...]


class Meta(BaseModel):
    """`meta.json` of a foundation checkpoint.

    Parameters
    ----------
    config
        The family's configuration.
    cutoff
        Nothing known after this midnight UTC was used.
    input_digest
        SHA-256 of everything the weights depend on.
    parent
        Input digest of the checkpoint it went on from; None for the first.
    parent_cutoff
        Cutoff of that checkpoint.
    code_version, seed, steps
        Version of the training code, seed, optimiser steps.
    data
        Rows read.
    windows
        `train`, `validation`: number of windows; `purge_bars`; `held_out_from`: first moment whose targets
        were held out; `trained_until`, `validated_from`, `validated_until`: last bar that a drawn training
        window forecasts, first and last bar that the validation windows forecast; `twins`: series that were
        not drawn from to the one that each is nearly.
    metrics
        Name to value; `skill` is 1 - loss / loss of the trivial forecast on the purged, later validation
        windows.
    loss_curve
        (step, training loss) pairs, averaged between.
    rollbacks
        Where training diverged and went back.
    cost
        `tokens` and `flops` of all steps, `train_seconds`, `windows_per_s`, `peak_memory_mb`, counted as
        docs/training.md says.
    wall_seconds, hardware, torch_version, created_at
        How it came about. Not part of the digest.
    weights_sha256
        Content hash of the weights as they were saved, which `save` enters; None in folders of before.
    start
        What it went on from, and why; None in folders of before.
    selection
        Which candidates of the data mix it is drawn from, of the training from scratch that it comes of; None
        without candidates.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: FoundationConfig
    cutoff: date
    input_digest: str
    parent: str | None
    parent_cutoff: date | None
    code_version: str
    seed: int
    steps: int
    data: DataRead
    windows: dict[str, Any]
    metrics: dict[str, float]
    loss_curve: tuple[tuple[int, float], ...]
    wall_seconds: float
    hardware: str
    torch_version: str
    created_at: str
    weights_sha256: str | None = None
    start: Start | None = None
    selection: Selection | None = None
    rollbacks: tuple[Rollback, ...] = ()
    cost: dict[str, float] = Field(default_factory=dict)


def folder_of(root: str | Path, name: str, cutoff: date, digest: str) -> Path:
    """Where the checkpoint of an input digest lies, whether or not it exists."""
    return Path(root) / name / cutoff.isoformat() / digest[:16]


def resolve(root: str | Path, name: str, cutoff: date) -> Path | None:
    """Folder of a cutoff's current checkpoint; None if there is none."""
    pointer = Path(root) / name / cutoff.isoformat() / CURRENT
    if not pointer.exists():
        return None
    folder = folder_of(root, name, cutoff, json.loads(pointer.read_text())["digest"])
    return folder if (folder / META).exists() else None


def cutoffs(root: str | Path, name: str) -> list[date]:
    """Cutoffs of a family that have a current checkpoint, earliest first."""
    found = (date.fromisoformat(path.parent.name) for path in (Path(root) / name).glob(f"*/{CURRENT}"))
    return sorted(cutoff for cutoff in found if resolve(root, name, cutoff) is not None)


def set_current(root: str | Path, name: str, cutoff: date, digest: str) -> None:
    """Make the checkpoint of an input digest the current one of its cutoff, atomically."""
    pointer = Path(root) / name / cutoff.isoformat() / CURRENT
    text = json.dumps({"digest": digest}) + "\n"
    if pointer.exists() and pointer.read_text() == text:
        return
    replace_text(pointer, text)


def read_meta(folder: str | Path) -> Meta:
    """Read the `meta.json` of a foundation checkpoint, without torch.

    Raises
    ------
    CheckpointError
        The folder holds no readable `meta.json`.
    """
    path = Path(folder) / META
    try:
        return Meta.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{path}: not a foundation checkpoint ({error}); materialise its cutoff again"
        ) from error


def save(model: FoundationModel, meta: Meta, folder: Path) -> None:
    """Write weights and meta into a folder, which `folders.atomic_folder` then moves into place."""
    from safetensors.torch import save_file

    save_file(
        {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()},
        folder / WEIGHTS,
    )
    meta = meta.model_copy(update={"weights_sha256": sha256_of_weights(folder)})
    (folder / META).write_text(meta.model_dump_json(indent=2) + "\n")


def sha256_of_weights(folder: Path) -> str:
    """Content hash of a folder's weights."""
    with (folder / WEIGHTS).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def altered(folder: Path, recorded: str | None) -> str:
    """Say in words that a folder's weights are not those that were saved; empty if they are, or nobody knows.

    Parameters
    ----------
    folder
        The folder.
    recorded
        `weights_sha256` of its meta.
    """
    found = sha256_of_weights(folder)
    if recorded in (None, found):
        return ""
    return f"{folder / WEIGHTS} was changed since it was saved: sha256 {found}, not {recorded}"


def load(folder: str | Path) -> tuple[FoundationModel, Meta]:
    """Read a checkpoint.

    Parameters
    ----------
    folder
        Checkpoint folder.

    Returns
    -------
    tuple
        The model in evaluation mode, on the CPU; its meta.

    Raises
    ------
    CheckpointError
        The folder is no checkpoint, its weights are damaged or do not fit this code's model.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from lim_pipelines.foundation.model import FoundationModel

    meta = read_meta(folder)
    model = FoundationModel(meta.config)
    path = Path(folder) / WEIGHTS
    try:
        model.load_state_dict(load_file(path))
    except (OSError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(
            f"{path}: damaged or of another model ({error}); materialise its cutoff again"
        ) from error
    return model.eval(), meta
