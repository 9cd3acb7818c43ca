"""A strategy's models of one cutoff on disk: all arms and seeds in one `model.safetensors`, and `meta.json`.

What does not belong here: fitting (`train.py`), how folders become current (`foundation/checkpoint.py`,
which this leans on). torch is imported where weights are touched only, so assets may read the meta without
it.

Weights are named `<arm>.<seed>.<parameter>`. Only what a fit moved is stored (a head alone, deltas of LoRA
and a head, ...); the rest is the parent checkpoint's, found by its digest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from lim_pipelines.finetune.base import Forecaster
from lim_pipelines.finetune.modalities import Without, fitted_as, hidden_columns
from lim_pipelines.finetune.selection import Selection
from lim_pipelines.finetune.spec import FoundationFamily, ModelSpec
from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.config import FoundationConfig

if TYPE_CHECKING:
    from torch import Tensor

    from lim_pipelines.finetune.embedding import Frozen

Book = tuple[str, int]
"""Arm and seed."""


class ModelError(ValueError):
    """A strategy's model folder cannot be read; the message says which and what to do."""


class ArmMeta(BaseModel):
    """One fitted arm and seed.

    Parameters
    ----------
    arm, seed
        Which.
    forecast_scale
        Standard deviation of its forecasts on rows it was fitted on, log return over the horizon.
    metrics
        `fit_` and `validation_` figures of `base.skill` and `base.coverage`, and what the arm says of its fit
        (best step, trainable parameters, penalty).
    seconds
        Wall time of the fit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    arm: str
    seed: int
    forecast_scale: float
    metrics: dict[str, float | None]
    seconds: float


class ModelMeta(BaseModel):
    """`meta.json` of a strategy's models.

    Parameters
    ----------
    spec
        What they were fitted for.
    cutoff
        Nothing known after this midnight UTC was used.
    input_digest
        SHA-256 of everything the weights depend on.
    parent_family, parent
        Foundation checkpoint of the same cutoff that they start from: family and input digest.
    backbone
        Architecture of the backbone.
    code_version
        Version of the fitting code.
    data
        Rows read.
    windows
        What was fitted on and validated on, see `split.windows_of`.
    selection
        What the task chose at the cutoff; empty for most tasks.
    arms
        Every arm and seed.
    wall_seconds, hardware, torch_version, created_at
        How it came about. Not part of the digest.
    weights_sha256
        Content hash of the weights as they were saved, which `save` enters; None in folders of before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    spec: ModelSpec
    cutoff: date
    input_digest: str
    parent_family: FoundationFamily
    parent: str
    backbone: FoundationConfig
    code_version: str
    data: tuple[checkpoint.TableRead, ...]
    windows: dict[str, Any]
    selection: Selection = Selection()
    arms: tuple[ArmMeta, ...]
    wall_seconds: float
    hardware: str
    torch_version: str
    created_at: str
    weights_sha256: str | None = None

    def scales(self) -> dict[Book, float]:
        """Return the standard deviation of the fitted forecasts, by book."""
        return {(arm.arm, arm.seed): arm.forecast_scale for arm in self.arms}


def read_meta(folder: str | Path) -> ModelMeta:
    """Read the `meta.json` of a strategy's models, without torch.

    Raises
    ------
    ModelError
        The folder holds no readable `meta.json`.
    """
    path = Path(folder) / checkpoint.META
    try:
        return ModelMeta.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{path}: not a strategy's models ({error}); materialise this cutoff's model again"
        ) from error


def tensors_of(forecasters: Mapping[Book, Forecaster]) -> dict[str, Tensor]:
    """Weights of all arms under their names in the file."""
    import torch

    from lim_pipelines.finetune.controls.registry import CONTROLS
    from lim_pipelines.finetune.network import FrozenNetwork, Network

    out: dict[str, Tensor] = {}
    for (arm, seed), fitted in forecasters.items():
        forecaster = fitted.inner if isinstance(fitted, Without) else fitted
        if isinstance(forecaster, Network | FrozenNetwork):
            parts = {name: tensor.detach().contiguous() for name, tensor in forecaster.moved().items()}
        else:
            arrays = CONTROLS[arm].arrays(forecaster)
            parts = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
        out |= {f"{arm}.{seed}.{name}": tensor for name, tensor in parts.items()}
    return out


def save(forecasters: Mapping[Book, Forecaster], meta: ModelMeta, folder: Path) -> None:
    """Write all arms and the meta into a folder, which `atomic_folder` then moves into place."""
    from safetensors.torch import save_file

    save_file(tensors_of(forecasters), folder / checkpoint.WEIGHTS)
    meta = meta.model_copy(update={"weights_sha256": checkpoint.sha256_of_weights(folder)})
    (folder / checkpoint.META).write_text(meta.model_dump_json(indent=2) + "\n")


def parent_folder(folder: Path, meta: ModelMeta) -> Path:
    """Folder of the foundation checkpoint that the models start from."""
    return checkpoint.folder_of(folder.parents[2], meta.parent_family, meta.cutoff, meta.parent)


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread inside the block, as in training.

    Small networks are faster so, and the last bits of a forecast do not depend on the machine's cores.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def load(folder: str | Path) -> tuple[dict[Book, Forecaster], ModelMeta]:
    """Read all arms of a cutoff.

    Parameters
    ----------
    folder
        Folder of the models, `<models>/<strategy>/<cutoff>/<digest>`.

    Returns
    -------
    tuple
        Forecasters by (arm, seed), in the spec's order; the meta.

    Raises
    ------
    ModelError
        The folder is no model, its weights are damaged, or its parent checkpoint is gone.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from lim_pipelines.finetune.embedding import Frozen
    from lim_pipelines.finetune.methods.registry import METHODS

    folder = Path(folder)
    meta = read_meta(folder)
    path = folder / checkpoint.WEIGHTS
    frozen = None
    if any(fitted_as(meta.spec, arm) in METHODS for arm in meta.spec.arms):
        try:
            frozen = Frozen(checkpoint.load(parent_folder(folder, meta))[0])
        except checkpoint.CheckpointError as error:
            raise ModelError(f"{folder}: what it starts from cannot be read ({error})") from error
    try:
        tensors = load_file(path)
        return {book: _forecaster(meta, book, tensors, frozen) for book in meta.spec.books()}, meta
    except (OSError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelError(
            f"{path}: weights do not fit code version {meta.code_version} ({error}); materialise it again"
        ) from error


def _forecaster(meta: ModelMeta, book: Book, tensors: dict[str, Tensor], frozen: Frozen | None) -> Forecaster:
    from lim_pipelines.finetune.controls.registry import CONTROLS
    from lim_pipelines.finetune.methods.registry import unfitted

    arm, seed = book
    prefix = f"{arm}.{seed}."
    parts = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    if arm in CONTROLS:
        arrays = {name: tensor.numpy() for name, tensor in parts.items()}
        return CONTROLS[arm].load(meta.spec, meta.backbone.context, arrays)
    if frozen is None:
        raise KeyError(f"{arm} is neither a method nor a control")
    network = unfitted(meta.spec, fitted_as(meta.spec, arm), frozen).restore(parts)
    columns = hidden_columns(meta.spec, arm)
    return Without(network, columns) if columns else network
