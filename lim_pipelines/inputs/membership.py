"""What an instrument belongs to at each decision: the index, and how many peers its industry has.

What does not belong here: who belongs to what (`entities/`).
"""

from __future__ import annotations

from typing import Final

import polars as pl

from lim_pipelines.entities.expand import members
from lim_pipelines.inputs.blocks import Block, Feature, Reads
from lim_pipelines.inputs.companies import shares
from lim_pipelines.inputs.linked import DECISION, known_links, nothing, with_parents
from lim_pipelines.schemas import ENTITY_LINKS

INDEX: Final = "index:XNYS:SPX"

_FEATURES: Final = (
    Feature("in_sp500", "1 for members of the S&P 500, 0 for others; NaN before members are known", None),
    Feature("industry_peers", "other shares of its industry, in the finest scheme", "rank"),
)


def _compute(reads: Reads, decisions: pl.DataFrame) -> pl.DataFrame:
    index, industry = (known_links(reads, decisions, name) for name in ("member_of", "in_industry"))
    if index.is_empty() and industry.is_empty():
        return nothing(decisions, _FEATURES)
    told = index.filter(pl.col("parent") == INDEX).select("known_at").unique().sort("known_at")
    told = told.with_columns(told="known_at")
    # Before anything was told of the index nobody is known to be out of it.
    rows = decisions.sort("decided_at").join_asof(
        told, left_on="decided_at", right_on="known_at", check_sortedness=False
    )
    inside = with_parents(decisions, index, "member_of").filter(pl.col("entity_id") == INDEX)
    rows = rows.join(inside.select(*DECISION).unique().with_columns(inside=1.0), on=DECISION, how="left")
    belongs = with_parents(decisions, industry, "in_industry").sort("entity_id")
    asked = belongs.select("entity_id", on="date", known_at="decided_at").unique()
    held = shares(industry, members(industry, asked))
    sizes = held.group_by("entity_id", "on").agg(peers=pl.col("share").n_unique() - 1)
    peers = belongs.join(sizes, left_on=["entity_id", "date"], right_on=["entity_id", "on"])
    # Of several schemes the finest: the one with the fewest peers.
    peers = peers.group_by(DECISION).agg(pl.col("peers").min().cast(pl.Float64))
    known = industry.filter(pl.col("relation") == "in_industry").select("known_at").unique().sort("known_at")
    rows = rows.join(peers, on=DECISION, how="left").drop("known_at", strict=False).sort("decided_at")
    rows = rows.join_asof(
        known.with_columns(grouped="known_at"),
        left_on="decided_at",
        right_on="known_at",
        check_sortedness=False,
    )
    in_index = pl.when(pl.col("told").is_not_null()).then(pl.col("inside").fill_null(0.0))
    newest = pl.max_horizontal("told", pl.when(pl.col("peers").is_not_null()).then("grouped"))
    return rows.select(*DECISION, in_sp500=in_index, industry_peers="peers", newest=newest)


BLOCK = Block(
    name="membership",
    about="instrument",
    features=_FEATURES,
    tables=(ENTITY_LINKS,),
    compute=_compute,
    version=2,
)
