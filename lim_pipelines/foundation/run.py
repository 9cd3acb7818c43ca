"""One checkpoint: its model, the data it is drawn from, its training, its folder.

What does not belong here: which cutoffs are trained and from which parent (`train.py`, `continual.py`), the
loop (`pretrain.py`). torch and Lightning are imported only when something is trained.
"""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lim_pipelines import clock
from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.config import CODE_VERSION, FoundationConfig
from lim_pipelines.foundation.continual import Plan
from lim_pipelines.foundation.decided import Selection
from lim_pipelines.foundation.folders import atomic_folder, work_folder
from lim_pipelines.foundation.metrics_file import METRICS
from lim_pipelines.foundation.processes import rank
from lim_pipelines.foundation.selection import drawn_from, select
from lim_pipelines.foundation.store import Shown
from lim_pipelines.foundation.windows import Windows, held_out_from

if TYPE_CHECKING:
    from lim_pipelines.foundation.model import FoundationModel

SELECTION = "selection.json"


def train_one(
    models: str,
    config: FoundationConfig,
    plan: Plan,
    data: Shown,
    digest: str,
    say: Callable[[str], None],
) -> None:
    """Train the checkpoint of a cutoff and put its folder in place.

    All processes of a run call it; the first one writes. A training that was killed goes on where it stopped.

    Parameters
    ----------
    models
        Root of the checkpoints.
    config
        The family's configuration.
    plan
        Parent, steps, rate.
    data
        What the store shows at the cutoff.
    digest
        Input digest of the checkpoint.
    say
        Gets a line where something is chosen, or goes on otherwise than planned.

    Raises
    ------
    NoWindowsError, DivergedError, ValueError
        See `pretrain.fit`.
    BusyError
        Another process trains this.
    """
    import torch

    from lim_pipelines.foundation.pretrain import fit

    cutoff, parent = data.index.cutoff, plan.parent
    folder = checkpoint.folder_of(models, config.name, cutoff, digest)
    start = time.perf_counter()
    if config.shape.threads is not None:
        torch.set_num_threads(config.shape.threads)
    windows = data.windows()
    with work_folder(folder, writes=rank() == 0) as work:
        selection = selected(config, parent, windows, work, say)
        refused = () if selection is None else selection.refused
        model = _begin(models, parent, drawn_from(config, windows, refused))
        found = fit(
            model,
            windows,
            steps=plan.steps,
            learning_rate=plan.start.learning_rate,
            seed=config.seed * 1_000_003 + cutoff.toordinal(),
            label=f"{config.name} {cutoff}",
            folder=work,
            held_out_before=plan.start.recent_from,
            replay=plan.start.replay,
            events=Path(models).parent / "training-logs" / config.name / cutoff.isoformat(),
            say=say,
        )
        meta = checkpoint.Meta(
            config=config,
            cutoff=cutoff,
            input_digest=digest,
            parent=parent.input_digest if parent else None,
            parent_cutoff=parent.cutoff if parent else None,
            code_version=CODE_VERSION,
            seed=config.seed,
            steps=plan.steps,
            data=data.data_read(),
            windows=found.windows,
            metrics=found.metrics,
            loss_curve=found.curve,
            wall_seconds=round(time.perf_counter() - start, 3),
            hardware=_hardware(),
            torch_version=torch.__version__,
            created_at=clock.now().isoformat(timespec="seconds"),
            rollbacks=found.rollbacks,
            cost=found.cost,
            start=plan.start,
            selection=selection,
        )
        if rank() == 0:
            with atomic_folder(folder) as fresh:
                shutil.copy(work / METRICS, fresh)
                checkpoint.save(model, meta, fresh)


def selected(
    config: FoundationConfig,
    parent: checkpoint.Meta | None,
    windows: Windows,
    work: Path,
    say: Callable[[str], None],
) -> Selection | None:
    """Which candidates of the mix are drawn from: the parent's choice, or what is tried now.

    The first process tries them and the others wait for what it found: machines that round otherwise must not
    train on two mixes. A run that was killed keeps its choice.

    Parameters
    ----------
    config
        The family's configuration.
    parent
        Checkpoint that the training goes on from.
    windows
        Everything known at the cutoff, nothing later.
    work
        The training's folder, which all its processes see.
    say
        Gets a line for each trial.
    """
    if parent is not None:
        return parent.selection
    if not config.mix.candidates:
        return None
    path = work / SELECTION
    if rank() == 0 and not path.exists():
        found = select(config, windows, held_out_from(windows), say)
        fresh = path.with_name(f".tmp-{path.name}")
        fresh.write_text(found.model_dump_json())
        fresh.replace(path)
    while not path.exists():
        time.sleep(0.2)
    return Selection.model_validate_json(path.read_text())


def _begin(models: str, parent: checkpoint.Meta | None, config: FoundationConfig) -> FoundationModel:
    """Model to train; `config` is the family's but for the mix that is drawn."""
    import torch

    from lim_pipelines.foundation.model import FoundationModel

    torch.manual_seed(config.seed)
    model = FoundationModel(config)
    if parent is None:
        return model
    folder = checkpoint.folder_of(models, config.name, parent.cutoff, parent.input_digest)
    model.load_state_dict(checkpoint.load(folder)[0].state_dict())
    return model


def _hardware() -> str:
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU only"
    return f"{platform.machine()}, {torch.get_num_threads()} threads, {device}"
