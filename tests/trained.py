"""A checkpoint as a training leaves it, but for the weights, for tests of who is due for the next one."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from lim_pipelines.foundation import checkpoint, continual
from lim_pipelines.foundation.config import CODE_VERSION, REAL
from lim_pipelines.foundation.decided import Start
from lim_pipelines.foundation.folders import atomic_folder
from lim_pipelines.foundation.train import input_digest
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import VALIDATED_BARS


def train(
    lake: Lake, models: Path, cutoff: date, seconds: float = 0, start: Start | None = None, when: str = ""
) -> None:
    """Leave behind what a training leaves, but for the weights: nobody here reads them.

    It took `seconds`, began as `start` says, and ended at the moment `when`.
    """
    version = lake.version(VALIDATED_BARS)
    told = {"windows": {"held_out_from": cutoff.isoformat()}, "wall_seconds": seconds, "created_at": when}
    meta = meta_of(lake, models, cutoff, f"rows of version {version}")
    meta = meta.model_copy(update=told | ({"start": start} if start else {}))
    digest = meta.input_digest
    with atomic_folder(checkpoint.folder_of(models, REAL.name, cutoff, digest)) as folder:
        (folder / checkpoint.META).write_text(meta.model_dump_json())
    checkpoint.set_current(models, REAL.name, cutoff, digest)


def meta_of(lake: Lake, models: Path, cutoff: date, rows: str) -> checkpoint.Meta:
    """Say what a training from rows of a fingerprint would say of itself, after what is there."""
    plan = continual.plan(REAL, continual.previous(models, REAL.name, cutoff))
    read = checkpoint.DataRead(
        table=VALIDATED_BARS.name,
        lake_version=lake.version(VALIDATED_BARS),
        as_of=cutoff.isoformat(),
        fingerprint=rows,
        rows=1,
        groups=(),
    )
    return checkpoint.Meta(
        config=REAL,
        cutoff=cutoff,
        input_digest=input_digest(REAL, cutoff, plan.parent, rows),
        parent=plan.parent.input_digest if plan.parent else None,
        parent_cutoff=plan.parent.cutoff if plan.parent else None,
        code_version=CODE_VERSION,
        seed=0,
        steps=1,
        data=read,
        windows={"held_out_from": None},
        metrics={},
        loss_curve=(),
        wall_seconds=0.0,
        hardware="",
        torch_version="",
        created_at="",
        start=plan.start,
    )
