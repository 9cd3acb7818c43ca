"""A checkpoint as a training leaves it, but for the weights, for tests of who is due for the next one."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.config import REAL
from lim_pipelines.foundation.decided import Start
from lim_pipelines.foundation.folders import atomic_folder
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import VALIDATED_BARS


def train(
    lake: Lake, models: Path, cutoff: date, seconds: float = 0, start: Start | None = None, when: str = ""
) -> None:
    """Leave behind what a training leaves, but for the weights: nobody here reads them.

    It took `seconds`, began as `start` says, and ended at the moment `when`.
    """
    digest = f"{cutoff.toordinal():064x}"
    read = checkpoint.DataRead(
        table=VALIDATED_BARS.name,
        lake_version=lake.version(VALIDATED_BARS),
        as_of=cutoff.isoformat(),
        fingerprint="",
        rows=1,
        groups=(),
    )
    meta = checkpoint.Meta(
        config=REAL,
        cutoff=cutoff,
        input_digest=digest,
        parent=None,
        parent_cutoff=None,
        code_version="",
        seed=0,
        steps=1,
        data=read,
        windows={},
        metrics={},
        loss_curve=(),
        wall_seconds=seconds,
        hardware="",
        torch_version="",
        created_at=when,
        start=start,
    )
    with atomic_folder(checkpoint.folder_of(models, REAL.name, cutoff, digest)) as folder:
        (folder / checkpoint.META).write_text(meta.model_dump_json())
    checkpoint.set_current(models, REAL.name, cutoff, digest)
