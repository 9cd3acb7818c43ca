"""Earnings releases around each decision: days since the last, days to the next, its surprise.

What does not belong here: what was reported (`fundamentals.py`), when releases become known (`sources/`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import polars as pl

from lim_pipelines.inputs.blocks import Block, Feature, Reads
from lim_pipelines.inputs.companies import companies
from lim_pipelines.inputs.linked import DECISION, known_links, last_moment, newest_known, nothing
from lim_pipelines.schemas import ENTITY_LINKS, VALIDATED_EVENTS, VALIDATED_FACTS

EXPIRY: Final = timedelta(days=200)
"""Releases come every quarter; an older one says that they are not told of any more."""

AHEAD: Final = timedelta(days=200)
"""How far ahead a scheduled release is looked for."""

_FEATURES: Final = (
    Feature("days_since_earnings", "days since the last earnings release known", "rank"),
    Feature("days_to_earnings", "days to the next earnings release, if it was announced", "rank"),
    Feature("earnings_surprise", "earnings over their estimate at the last release, percent", "robust"),
)


def _days(span: pl.Expr) -> pl.Expr:
    return span.dt.total_seconds() / 86_400


def _next_scheduled(rows: pl.DataFrame, scheduled: pl.DataFrame) -> pl.DataFrame:
    """Add `due`, the next release that was scheduled by then, and when that became known."""
    told = scheduled.group_by("entity_id", "ts").agg(pl.col("known_at").min())
    pairs = rows.join(told.rename({"ts": "due", "known_at": "due_known_at"}), on="entity_id")
    ahead = (pl.col("due") > pl.col("decided_at")) & (pl.col("due") <= pl.col("decided_at") + AHEAD)
    seen = pairs.filter(ahead & (pl.col("due_known_at") <= pl.col("decided_at"))).sort("due")
    nearest = seen.unique(DECISION, keep="first", maintain_order=True)
    return rows.join(nearest.select(*DECISION, "due", "due_known_at"), on=DECISION, how="left")


def _compute(reads: Reads, decisions: pl.DataFrame) -> pl.DataFrame:
    moment = last_moment(decisions)
    kinds = pl.col("kind").is_in(["earnings_release", "earnings_scheduled"])
    events = reads.known_by(VALIDATED_EVENTS, moment, kinds)
    surprise = pl.col("field") == "eps_surprise_percent"
    facts = reads.known_by(VALIDATED_FACTS, moment, surprise)
    if events.is_empty() and facts.is_empty():
        return nothing(decisions, _FEATURES)
    found = companies(decisions, known_links(reads, decisions, "issued_by"))
    rows = found.rows
    events = found.theirs(events, VALIDATED_EVENTS.row_key)
    facts = found.theirs(facts, VALIDATED_FACTS.row_key)
    released = events.filter(pl.col("kind") == "earnings_release")
    rows = newest_known(rows, released, "last", ["ts", "known_at"], EXPIRY)
    rows = newest_known(rows, facts, "surprise", ["value", "known_at"], EXPIRY)
    rows = _next_scheduled(rows, events.filter(pl.col("kind") == "earnings_scheduled"))
    return rows.select(
        *DECISION,
        days_since_earnings=_days(pl.col("decided_at") - pl.col("last.ts")),
        days_to_earnings=_days(pl.col("due") - pl.col("decided_at")),
        earnings_surprise="surprise.value",
        newest=pl.max_horizontal("last.known_at", "surprise.known_at", "due_known_at"),
    )


BLOCK = Block(
    name="events",
    about="instrument",
    features=_FEATURES,
    tables=(VALIDATED_EVENTS, VALIDATED_FACTS, ENTITY_LINKS),
    compute=_compute,
    version=2,
)
