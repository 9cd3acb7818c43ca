"""The issuer's place in the graph of companies: its node's embedding at the newest cutoff known.

What does not belong here: learning the graph (`modalities/graph.py`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import polars as pl

from lim_pipelines.inputs.blocks import Block, Feature, Reads
from lim_pipelines.inputs.companies import companies
from lim_pipelines.inputs.linked import DECISION, known_links, last_moment, nothing
from lim_pipelines.modalities import NodeEncoder
from lim_pipelines.modalities.store import NODES, Vectors, sql_moment
from lim_pipelines.schemas import ENTITY_LINKS, VALIDATED_RELATIONS

_FEATURES: Final = (
    Feature(
        "graph_embedding", "embedding of the issuer's node at the newest cutoff", None, NodeEncoder.width
    ),
)


def _compute(reads: Reads, decisions: pl.DataFrame) -> pl.DataFrame:
    store, encoder = Vectors(reads.vectors), NodeEncoder()
    learnt = store.stored(NODES, encoder).select("known_at").unique().sort("known_at")
    at = decisions.select(pl.col("decided_at").unique().sort()).join_asof(
        learnt.with_columns(newest="known_at"), left_on="decided_at", right_on="known_at"
    )
    at = at.drop("known_at", strict=False).drop_nulls("newest")
    if at.is_empty():
        return nothing(decisions, _FEATURES)
    oldest = at["newest"].min()
    assert isinstance(oldest, datetime)
    where = f"node LIKE 'issuer:%' AND known_at >= {sql_moment(oldest)}"
    nodes = store.read(NODES, encoder, as_of=last_moment(decisions), where=where).select(
        entity_id="node",
        newest="known_at",
        graph_embedding=pl.col("vector").arr.to_list().cast(pl.List(pl.Float64)),
    )
    found = companies(decisions, known_links(reads, decisions, "issued_by"))
    nodes = found.theirs(nodes, ["entity_id", "newest"])
    rows = found.rows.join(at, on="decided_at").join(nodes, on=["entity_id", "newest"])
    return rows.select(*DECISION, "graph_embedding", "newest")


BLOCK = Block(
    name="graph",
    about="instrument",
    features=_FEATURES,
    tables=(VALIDATED_RELATIONS, ENTITY_LINKS),
    compute=_compute,
    version=2,
    encoder=lambda: NodeEncoder().digest,
)
