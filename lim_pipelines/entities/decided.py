"""What people decided about names and tickers, applied from the moment it was known.

What does not belong here: reading their files (`sources/link_decisions.py`), what is certain without people
(`resolve.py`, `matching.py`).
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.sources.link_decisions import ACCEPTED, DECISIONS, REJECTED

__all__ = ["ACCEPTED", "DECISIONS", "REJECTED", "accepted", "without_rejected"]

BY_PERSON = 1.0
ENTITY = "^(issuer|industry|country|commodity|currency|index):"
"""How ids of entities begin; ids of instruments begin with an exchange."""


def accepted(rows: pl.DataFrame, decisions: pl.DataFrame, name: str, certain: pl.DataFrame) -> pl.DataFrame:
    """Find what people linked rows to.

    Parameters
    ----------
    rows
        Columns `_row`, `source`, the one called `name`, `known_at`.
    decisions
        Frame of `DECISIONS`.
    name
        Column that holds the name or ticker decided about.
    certain
        Rows (`_row`) that are linked without people: for these a later decision is too late, it would
        rewrite what was known. What is linked to nobody waits for the first decision, and is known with it.

    Returns
    -------
    pl.DataFrame
        `_row`, `instrument_id`, `entity_id`, `score`, `method`, `known_at` (of the decision). Where decisions
        known at once contradict each other, none holds.
    """
    asked = rows.select("_row", "source", name=name, moment="known_at")
    found = asked.join(decisions, on=["source", "name"]).sort("known_at")
    in_time = found.filter(pl.col("known_at") <= pl.col("moment"))
    in_time = in_time.unique(["_row", "target"], keep="last", maintain_order=True)
    in_time = in_time.filter(pl.col("decision") == ACCEPTED)
    in_time = in_time.filter(pl.col("known_at") == pl.col("known_at").max().over("_row"))
    late = found.filter((pl.col("known_at") > pl.col("moment")) & (pl.col("decision") == ACCEPTED))
    late = late.join(pl.concat([in_time.select("_row"), certain.select("_row")]), on="_row", how="anti")
    late = late.filter(pl.col("known_at") == pl.col("known_at").min().over("_row"))
    held = pl.concat([in_time, late])
    held = held.filter(pl.col("target").n_unique().over("_row") == 1).unique("_row", maintain_order=True)
    is_entity = pl.col("target").str.contains(ENTITY)
    return held.select(
        "_row",
        instrument_id=pl.when(~is_entity)
        .then("target")
        .when(pl.col("target").str.starts_with("issuer:"))
        .then(pl.col("target").str.strip_prefix("issuer:")),
        entity_id=pl.when(is_entity).then("target").otherwise("issuer:" + pl.col("target")),
        score=pl.lit(BY_PERSON),
        method=pl.lit("person"),
        known_at="known_at",
    )


def without_rejected(
    rows: pl.DataFrame, candidates: pl.DataFrame, decisions: pl.DataFrame, name: str
) -> pl.DataFrame:
    """Leave out candidates that people had rejected by the moment of the row.

    Parameters
    ----------
    rows, decisions, name
        As for `accepted`.
    candidates
        Columns `_row`, `entity_id`, `instrument_id`, and others.
    """
    asked = rows.select("_row", "source", name=name, moment="known_at")
    known = asked.join(decisions, on=["source", "name"]).filter(pl.col("known_at") <= pl.col("moment"))
    known = known.sort("known_at").unique(["_row", "target"], keep="last", maintain_order=True)
    no = known.filter(pl.col("decision") == REJECTED).select("_row", "target")
    out = candidates.join(no, left_on=["_row", "entity_id"], right_on=["_row", "target"], how="anti")
    return out.join(no, left_on=["_row", "instrument_id"], right_on=["_row", "target"], how="anti")
