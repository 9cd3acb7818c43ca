"""All that the answer of what is stale depends on, so that it is looked for once.

What does not belong here: looking (`judge.py`).
"""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path

from lim_pipelines.finetune import champions
from lim_pipelines.foundation import checkpoint
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import RESULT_READS
from lim_pipelines.stale.recorded import versions

_FILES = (f"*/*/{checkpoint.CURRENT}", f"*/*/{champions.FILE}", f"*/*/[!.]*/{checkpoint.META}")
"""Not of hidden folders: a training fills them, and they are gone before one has looked."""


def state(lake: Lake, models: Path) -> Hashable:
    """Name what lies there: tables by their versions, models by the times of their small files.

    Parameters
    ----------
    lake, models
        Where data, records and models lie.
    """
    files = sorted(path for pattern in _FILES for path in models.glob(pattern))
    return (
        lake.root,
        # A lake that was removed and made again begins with the same versions.
        lake.identity(RESULT_READS),
        lake.version(RESULT_READS),
        tuple(versions(lake).items()),
        tuple((str(path), path.stat().st_mtime_ns) for path in files),
    )
