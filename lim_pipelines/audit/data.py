"""The audits of an asset of data: a few partitions and moments in its run, more of them on demand.

What does not belong here: the audits (a file each), those of models (`models.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import polars as pl

import lim_pipelines
from lim_pipelines.audit.inputs import VECTORS, audit_vectors, inputs_step
from lim_pipelines.audit.models import Audited
from lim_pipelines.audit.published import audit_arrivals, audit_corrections, audit_published
from lim_pipelines.audit.reads import ROOMS, unsafe_reads
from lim_pipelines.audit.sample import sample
from lim_pipelines.audit.tables import STEPS, Step, audit_step
from lim_pipelines.audit.verdict import Verdict
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import ENTITY_LINKS, LINK_REVIEWS, RAW_CLAIMS

ARCHIVES: Final = {"archive": "validated_bars", "archive_inputs": "model_inputs"}
"""Assets that make the same tables, an exchange a partition."""

ASSETS: Final = (*STEPS, "model_inputs", *ARCHIVES)
"""Assets whose tables can be made again."""

_DEAR: Final = ("model_inputs", "archive_inputs", "aligned_relations")
"""Assets of which a run's check makes one partition at one moment again: a session's inputs look back five
years, a year of relations holds tens of thousands of names."""

_TELLING: Final = (ENTITY_LINKS, LINK_REVIEWS, RAW_CLAIMS)
_FROM_FILES: Final = ("aligned_bars", "archive")
"""Assets in whose run raw quotes are held against the arrival of their files."""

_DATED: Final = {"exchange", "date"}


def step_of(asset: str, vectors: Path) -> Step:
    """Return the step that makes an asset's tables."""
    name = ARCHIVES.get(asset, asset)
    return inputs_step(vectors) if name == "model_inputs" else STEPS[name]


def strength(asset: str) -> tuple[int, int]:
    """Return how many partitions, and moments of each, the check in a run of an asset takes."""
    return (1, 1) if asset in _DEAR else (5, 2)


def audit_asset(
    lake: Lake, vectors: Path, asset: str, where: pl.Expr | None, partitions: int, moments: int
) -> list[Verdict]:
    """Make some of an asset's rows again on truncated history, and hold all against the laws of publication.

    Parameters
    ----------
    lake
        The lake.
    vectors
        Folder of the vector store.
    asset
        One of `ASSETS`.
    where
        Filter of partitions, such as those of a run; None: all.
    partitions, moments
        How many partitions are sampled, and how many moments of each.

    Returns
    -------
    list of Verdict
        None if there is nothing to audit.
    """
    step = step_of(asset, vectors)
    clock = step.clock or step.source
    held = lake.revisions(clock, where).select(clock.partition_key).unique()
    scope = held.collect(engine="streaming")
    telling = _TELLING if step.whole else ()
    dated = set(clock.partition_key) == _DATED
    key: Callable[[dict[str, object]], str] | None = None
    if dated:
        key = (lambda row: str(row["exchange"])) if asset in ARCHIVES else _multi_key
    verdicts = []
    for draw in sample(lake, clock, scope, partitions, moments, others=telling, together=not dated):
        verdicts += audit_step(lake, step, draw.scope, [draw.moment], asset, key)
    if asset in _FROM_FILES:
        verdicts += audit_arrivals(lake, where)
    return verdicts + audit_published(lake, asset, where)


def _multi_key(row: dict[str, object]) -> str:
    return f"{row['date']}|{row['exchange']}"


def audit_data(lake: Lake, vectors: Path, budget: float) -> Audited:
    """Audit all data: many partitions and moments, laws, arrivals, vectors, and the reads in the code.

    Parameters
    ----------
    lake
        The lake.
    vectors
        Folder of the vector store.
    budget
        Seconds after which no further audit is begun.

    Returns
    -------
    Audited
    """
    began = time.monotonic()
    verdicts = [audit_code(), *audit_corrections(lake)]
    for asset in VECTORS:
        verdicts += audit_vectors(lake, vectors, asset)
    left = []
    for asset in (name for name in ASSETS if name not in ARCHIVES):
        if time.monotonic() - began > budget:
            left.append(asset)
            continue
        verdicts += audit_asset(lake, vectors, asset, None, partitions=12, moments=9)
    return Audited(verdicts, left)


def audit_code() -> Verdict:
    """Judge how the code of models, decisions and backtests reads, from its text."""
    found = unsafe_reads(Path(lim_pipelines.__file__).parent)
    # The code has no moment of its own; it is judged as it is now, and the verdict of before replaced.
    moment = datetime(1970, 1, 1, tzinfo=UTC)
    return Verdict("code", "", "reads", moment, len(ROOMS), len(found), "; ".join(found))
