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
    before = continual.previous(models, REAL.name, cutoff)
    plan = continual.plan(REAL, before)
    version = lake.version(VALIDATED_BARS)
    digest = input_digest(REAL, cutoff, plan.parent, f"rows of version {version}")
    read = checkpoint.DataRead(
        table=VALIDATED_BARS.name,
        lake_version=version,
        as_of=cutoff.isoformat(),
        fingerprint=f"rows of version {version}",
        rows=1,
        groups=(),
    )
    meta = checkpoint.Meta(
        config=REAL,
        cutoff=cutoff,
        input_digest=digest,
        parent=plan.parent.input_digest if plan.parent else None,
        parent_cutoff=plan.parent.cutoff if plan.parent else None,
        code_version=CODE_VERSION,
        seed=0,
        steps=1,
        data=read,
        windows={"held_out_from": cutoff.isoformat()},
        metrics={},
        loss_curve=(),
        wall_seconds=seconds,
        hardware="",
        torch_version="",
        created_at=when,
        start=start or plan.start,
    )
    with atomic_folder(checkpoint.folder_of(models, REAL.name, cutoff, digest)) as folder:
        (folder / checkpoint.META).write_text(meta.model_dump_json())
    checkpoint.set_current(models, REAL.name, cutoff, digest)
