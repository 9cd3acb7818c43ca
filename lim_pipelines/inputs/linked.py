"""Company facts at decisions: whose they are, and which are the newest known.

What does not belong here: what is made of them (the blocks).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from lim_pipelines.align.asof import as_known
from lim_pipelines.entities.expand import parents
from lim_pipelines.inputs.blocks import Feature, Reads
from lim_pipelines.schemas import ENTITY_LINKS, UTC_TIME

DECISION = ("exchange", "date", "instrument_id", "decided_at")


def last_moment(decisions: pl.DataFrame) -> datetime:
    """Return the moment of the last decision; facts known later are none of any row's business."""
    last = decisions["decided_at"].max()
    if not isinstance(last, datetime):
        raise TypeError("decisions are empty; blocks are asked about sessions that have some")
    return last


def nothing(decisions: pl.DataFrame, features: Sequence[Feature]) -> pl.DataFrame:
    """Return what a block gives that knows nothing of any decision."""
    numbers = {
        feature.name: pl.Float64() if feature.width == 1 else pl.List(pl.Float64()) for feature in features
    }
    schema = {**{name: decisions.schema[name] for name in DECISION}, **numbers, "newest": UTC_TIME}
    return pl.DataFrame(schema=schema)


def known_links(reads: Reads, decisions: pl.DataFrame, relation: str) -> pl.DataFrame:
    """Links of one relation, and of instruments to issuers, that were known by the last decision."""
    wanted = pl.col("relation").is_in(["issued_by", relation])
    return reads.known_by(ENTITY_LINKS, last_moment(decisions), wanted)


def with_parents(decisions: pl.DataFrame, links: pl.DataFrame, relation: str) -> pl.DataFrame:
    """Add the entities that each decision's instrument belonged to, as known then: `entity_id`.

    Parameters
    ----------
    decisions
        Columns `DECISION`.
    links
        As from `known_links`.
    relation
        issued_by gives every decision one row; in_industry and others none or several.
    """
    asked = decisions.select(*DECISION, on="date", known_at="decided_at")
    return parents(links, asked, relation).drop("on", "known_at")


def newest_known(
    decisions: pl.DataFrame, facts: pl.DataFrame, name: str, columns: Sequence[str], expiry: timedelta | None
) -> pl.DataFrame:
    """Add columns `<name>.<column>` of the newest fact known of each decision's `entity_id`.

    Parameters
    ----------
    decisions
        Columns `DECISION` and `entity_id`.
    facts
        Columns entity_id, ts, known_at, `columns`; all revisions.
    name
        Name of the fact in the result.
    columns
        Columns that are joined.
    expiry
        Largest age of what the fact describes; None is any.
    """
    named = facts.select("entity_id", "ts", "known_at", *(pl.col(c).alias(f"{name}.{c}") for c in columns))
    return as_known(
        decisions,
        named,
        by=["entity_id"],
        columns=[f"{name}.{c}" for c in columns],
        at="decided_at",
        expiry=expiry,
    )
