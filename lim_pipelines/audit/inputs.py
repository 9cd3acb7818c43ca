"""Model inputs and their scales made again as of the decision; vectors traced to what they were made of.

A vector is filed under the digest of what was encoded and of the encoder. A text's depends on its words
alone, so only since when it counts as known can look ahead. The nodes of a cutoff are filed under the digest
of the graph they were learnt from: the graph known at the cutoff must have that digest. What does not belong
here: other tables (`tables.py`), inference and training (`retrained.py`).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from pathlib import Path
from typing import Final

import polars as pl

from lim_pipelines.audit.tables import Step
from lim_pipelines.audit.verdict import Verdict
from lim_pipelines.inputs.build import build_inputs
from lim_pipelines.lake import LATEST, Lake, midnight
from lim_pipelines.lake.past import Past
from lim_pipelines.modalities import MiniLM, NodeEncoder
from lim_pipelines.modalities.embed import known_edges
from lim_pipelines.modalities.graph import edges_digest
from lim_pipelines.modalities.store import NODES, TEXTS, Vectors
from lim_pipelines.schemas import (
    ENTITY_LINKS,
    INPUT_SCALES,
    MODEL_INPUTS,
    VALIDATED_BARS,
    VALIDATED_EVENTS,
    VALIDATED_FACTS,
    VALIDATED_MACRO,
    VALIDATED_RELATIONS,
    VALIDATED_TEXTS,
)

VECTORS: Final = ("text_embeddings", "graph_embeddings")
"""Assets that make vectors."""


def inputs_step(vectors: Path) -> Step:
    """Return the step that builds model inputs, for `tables.audit_step`.

    Parameters
    ----------
    vectors
        Folder of the vector store. It is read as it is today: what may be used of it is decided by rows of
        the lake, which a rehearsal cuts off, and `audit_vectors` looks into the vectors themselves.
    """
    return Step(
        "model_inputs",
        (MODEL_INPUTS, INPUT_SCALES),
        VALIDATED_BARS,
        (VALIDATED_BARS, VALIDATED_MACRO, VALIDATED_FACTS, VALIDATED_EVENTS, VALIDATED_TEXTS, ENTITY_LINKS),
        lambda lake, scope: build_inputs(lake, vectors, scope),
        clock=MODEL_INPUTS,
    )


def audit_vectors(lake: Lake, vectors: Path, asset: str, cutoffs: Collection[date] = ()) -> list[Verdict]:
    """Trace stored vectors to what they were made of.

    Parameters
    ----------
    lake
        The lake.
    vectors
        Folder of the vector store.
    asset
        One of `VECTORS`.
    cutoffs
        Cutoffs of the graph that are looked at; none: all.

    Returns
    -------
    list of Verdict
        One for all texts, or one a cutoff of the graph.
    """
    return _texts(lake, vectors) if asset == VECTORS[0] else _nodes(lake, vectors, cutoffs)


def _texts(lake: Lake, vectors: Path) -> list[Verdict]:
    """Texts count as known when the lake first knew them, no earlier."""
    stored = Vectors(vectors).stored(TEXTS, MiniLM()).select("key", stored_at="known_at")
    if stored.is_empty():
        return []
    told = lake.revisions(VALIDATED_TEXTS).group_by(key="text_id").agg(pl.col("known_at").min()).collect()
    both = stored.join(told, on="key", how="left").sort("key")
    early = both.filter(pl.col("known_at").is_null() | (pl.col("stored_at") < pl.col("known_at")))
    finding = ""
    if early.height:
        row = early.row(0, named=True)
        finding = (
            f"{early.height} vectors of texts count as known before the lake knew the text, such as"
            f" {row['key']}: {row['stored_at']}, in validated_texts {row['known_at']}; materialize"
            " text_embeddings"
        )
    moment = both["stored_at"].max()
    assert moment is not None
    return [Verdict(VECTORS[0], "", "recompute", moment, both.height, early.height, finding)]  # type: ignore[arg-type]


def _nodes(lake: Lake, vectors: Path, cutoffs: Collection[date]) -> list[Verdict]:
    """Nodes were learnt from the graph that was known at their cutoff."""
    stored = Vectors(vectors).stored(NODES, NodeEncoder())
    parts = stored.with_columns(cutoff=pl.col("key").str.split("|").list.first().str.to_date())
    if cutoffs:
        parts = parts.filter(pl.col("cutoff").is_in(list(cutoffs)))
    verdicts = []
    for (cutoff,), nodes in sorted(parts.partition_by("cutoff", as_dict=True).items()):
        assert isinstance(cutoff, date)
        past = Past(lake, midnight(cutoff))
        relations = past.read(VALIDATED_RELATIONS, as_of=LATEST).collect()
        links = past.read(ENTITY_LINKS, as_of=LATEST).collect()
        digest = edges_digest(known_edges(relations, links, cutoff))
        other = nodes.filter((pl.col("content") != digest) | (pl.col("known_at") < midnight(cutoff)))
        finding = ""
        if other.height:
            finding = (
                f"{other.height} of {nodes.height} nodes of cutoff {cutoff}, such as {other['key'][0]}, were"
                f" learnt from a graph of digest {other['content'][0]} and count as known at"
                f" {other['known_at'][0]}; the graph known at the cutoff has digest {digest}: materialize"
                " graph_embeddings, and if it stays, look for edges that are read without the cutoff"
            )
        verdicts.append(
            Verdict(
                VECTORS[1],
                str(cutoff),
                "recompute",
                midnight(cutoff),
                nodes.height,
                other.height,
                finding,
            )
        )
    return verdicts
