"""Items that have no vector yet get one: texts, nodes of a graph as of a cutoff, windows of bars.

What does not belong here: how a vector is made (a file a modality), where it is kept (`store.py`).

What is stored with the same content is not encoded again. Work is laid down in pieces, so that a process that
is killed loses one piece.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from time import perf_counter
from typing import Final

import numpy as np
import polars as pl

from lim_pipelines.lake import LATEST, midnight
from lim_pipelines.modalities.base import Encoder, Floats
from lim_pipelines.modalities.graph import Learnt, NodeEncoder, edges_digest, learn
from lim_pipelines.modalities.store import NODES, TEXTS, WINDOWS, Vectors
from lim_pipelines.modalities.windows import BAR_WINDOWS, market_windows

PIECE: Final = 1024
"""Texts a commit: some twenty seconds of work on one core, 1.5 MB."""

MEMBERSHIPS: Final = ("in_industry", "in_country", "on_commodity")
"""Entity links that are edges of the graph."""

GRAPH: Final = "relations and entity_links"
"""Source of nodes."""


@dataclass(frozen=True)
class Embedded:
    """What was done.

    Parameters
    ----------
    new
        Items encoded.
    cached
        Items that were there.
    seconds
        All of it, writes included.
    """

    new: int
    cached: int
    seconds: float

    @property
    def rate(self) -> float:
        """Items encoded a second."""
        return self.new / self.seconds if self.seconds else 0.0


def embed_texts(
    vectors: Vectors,
    encoder: Encoder[Sequence[str]],
    texts: pl.DataFrame,
    advance: Callable[[int], object] = lambda n: None,
) -> Embedded:
    """Encode texts that are not there yet.

    Parameters
    ----------
    vectors
        Where they are kept.
    encoder
        What encodes them.
    texts
        Rows of a table of texts, all revisions: text_id, text, source, known_at. A text may be about several
        companies and come again: it counts as known when it first was, from whoever said it first.
    advance
        Called with the number of texts just laid down.
    """
    began = perf_counter()
    if not texts.height:
        return Embedded(0, 0, 0.0)
    items = (
        texts.sort("known_at", "source")
        .unique("text_id", keep="first", maintain_order=True)
        .select(
            pl.col("text_id").alias("key"), pl.col("text_id").alias("content"), "source", "known_at", "text"
        )
    )
    there = vectors.stored(TEXTS, encoder)
    new = items.join(there, on="key", how="anti").sort(pl.col("text").str.len_bytes(), "key")
    _restamp(vectors, encoder, items.join(there.select("key", before="known_at"), on="key"))
    # Texts of like length together: their batches are full.
    for piece in new.iter_slices(PIECE):
        vectors.write(TEXTS, encoder, piece, encoder.encode(piece["text"].to_list()))
        advance(piece.height)
    if new.height:
        vectors.compact(TEXTS, encoder)
    return Embedded(new.height, items.height - new.height, perf_counter() - began)


def _restamp(vectors: Vectors, encoder: Encoder[Sequence[str]], cached: pl.DataFrame) -> None:
    """Correct when cached texts were first known: history that is declared later tells of earlier times."""
    moved = cached.filter(pl.col("known_at") != pl.col("before")).drop("before").sort("key")
    for piece in moved.iter_slices(PIECE):
        keys = ", ".join(f"'{key}'" for key in piece["key"])
        kept = vectors.read(TEXTS, encoder, as_of=LATEST, where=f"key IN ({keys})")
        vectors.write(TEXTS, encoder, piece, kept["vector"].to_numpy())


def known_edges(relations: pl.DataFrame, links: pl.DataFrame, cutoff: date) -> pl.DataFrame:
    """Edges of the graph at a cutoff.

    Parameters
    ----------
    relations, links
        Tables of relations and entity links, read as of the cutoff's midnight.
    cutoff
        Links must hold on that day; relations count from their first report on, until their weight is 0.

    Returns
    -------
    pl.DataFrame
        head, relation, tail, weight (times reported): distinct.
    """
    moment = midnight(cutoff)
    told = relations.filter(pl.col("known_at") <= moment, pl.col("weight") > 0).select(
        pl.col("subject_id").alias("head"), "relation", pl.col("object_id").alias("tail"), "weight"
    )
    member = links.filter(
        pl.col("relation").is_in(MEMBERSHIPS),
        pl.col("known_at") <= moment,
        pl.col("first") <= cutoff,
        pl.col("last").is_null() | (pl.col("last") >= cutoff),
    ).select(pl.col("child").alias("head"), "relation", pl.col("parent").alias("tail"), weight=pl.lit(1.0))
    edges = pl.concat([told, member.unique()]).group_by("head", "relation", "tail").agg(pl.sum("weight"))
    # A sum's last bit depends on its order; weights are counts, but not of every vendor.
    return edges.with_columns(pl.col("weight").round(6)).sort("head", "relation", "tail")


def embed_nodes(
    vectors: Vectors,
    edges: pl.DataFrame,
    cutoff: date,
    advance: Callable[[float], object] = lambda loss: None,
) -> Learnt | None:
    """Learn the nodes of a cutoff, unless they were learnt from the same edges.

    Parameters
    ----------
    vectors
        Where they are kept.
    edges
        As `known_edges` gives them.
    cutoff
        Cutoff of the edges; the vectors count as known at its midnight.
    advance
        Called with the loss after each epoch.

    Returns
    -------
    Learnt or None
        None: they were there.
    """
    content = edges_digest(edges)
    there = vectors.stored(NODES, NodeEncoder()).filter(pl.col("known_at") == midnight(cutoff))
    if (there.height or not edges.height) and there["content"].eq(content).all():
        return None
    learnt = learn(edges, advance)
    encoder = learnt.encoder
    rows = pl.DataFrame({"node": encoder.nodes}, schema={"node": pl.String}).select(
        pl.format("{}|{}", pl.lit(cutoff.isoformat()), "node").alias("key"),
        pl.lit(content).alias("content"),
        pl.lit(GRAPH).alias("source"),
        pl.lit(midnight(cutoff), NODES.rows["known_at"]).alias("known_at"),
        "node",
        pl.lit(cutoff).alias("cutoff"),
        pl.lit(learnt.auc).alias("auc"),
    )
    vectors.replace(NODES, encoder, rows, encoder.vectors, f"cutoff = date '{cutoff.isoformat()}'")
    return learnt


def embed_windows(
    vectors: Vectors, bars: pl.DataFrame, advance: Callable[[int], object] = lambda n: None
) -> Embedded:
    """Encode windows of bars that are not there yet, or that other bars now make.

    Parameters
    ----------
    vectors
        Where they are kept.
    bars
        Daily bars, one price type an instrument, with all their revisions.
    advance
        Called with the number of windows of an instrument.
    """
    began = perf_counter()
    if not bars.height:
        return Embedded(0, 0, 0.0)
    there = vectors.stored(WINDOWS, BAR_WINDOWS)
    rows, arrays, new, cached = [], [], 0, 0
    for found, numbers in market_windows(bars):
        todo = (
            found.with_row_index("at")
            .join(there, on=["key", "content", "known_at"], how="anti")["at"]
            .to_numpy()
        )
        new, cached = new + len(todo), cached + found.height - len(todo)
        if len(todo):
            rows.append(found[todo])
            arrays.append(BAR_WINDOWS.encode(numbers[todo]))
        if sum(len(one) for one in arrays) >= 16 * PIECE:
            _lay_windows(vectors, rows, arrays)
            rows, arrays = [], []
        advance(found.height)
    _lay_windows(vectors, rows, arrays)
    if new:
        vectors.compact(WINDOWS, BAR_WINDOWS)
    return Embedded(new, cached, perf_counter() - began)


def _lay_windows(vectors: Vectors, rows: list[pl.DataFrame], arrays: list[Floats]) -> None:
    if rows:
        vectors.write(WINDOWS, BAR_WINDOWS, pl.concat(rows), np.concatenate(arrays))
