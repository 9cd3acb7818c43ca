"""What people decided about links, as the lake holds it.

What does not belong here: reading their files (`entity_master.py`).
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.entities.decided import DECISIONS
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import LINK_REVIEWS


def decisions(lake: Lake) -> pl.DataFrame:
    """All decisions, with all their revisions, frame of `DECISIONS`."""
    decided = lake.revisions(LINK_REVIEWS, pl.col("state") != "pending")
    columns = decided.select(
        "source", "name", target="candidate", decision="state", decided_by="decided_by", known_at="known_at"
    )
    return columns.collect().cast(DECISIONS).sort(DECISIONS.names())
