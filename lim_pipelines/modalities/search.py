"""What was nearest, of what was known then: documents like a text, stretches of market like a stretch.

What does not belong here: storing vectors (`store.py`), making them (`embed.py`).

Search goes through all vectors: nothing is approximated. What that costs, and from what size on an index
would pay: docs/modalities.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

import polars as pl

from lim_pipelines.lake import LATEST, AsOf
from lim_pipelines.modalities.base import Encoder
from lim_pipelines.modalities.graph import NodeEncoder
from lim_pipelines.modalities.store import NODES, TEXTS, WINDOWS, Vectors, sql_moment
from lim_pipelines.modalities.windows import BAR_WINDOWS

_MORE: Final = 8
"""Windows asked for, for each that is wanted: weeks on end look alike, and one of them is shown."""


def nearest_texts(
    vectors: Vectors, encoder: Encoder[Sequence[str]], texts: Sequence[str], *, as_of: AsOf, k: int = 5
) -> pl.DataFrame:
    """Find the texts nearest to given ones, of those known at a moment.

    Parameters
    ----------
    vectors, encoder
        Where to look.
    texts
        What to look for; they need not be stored.
    as_of
        Moment, UTC, or `LATEST`.
    k
        Texts for each.

    Returns
    -------
    pl.DataFrame
        query (position in `texts`), similarity (cosine), text_id, text, source, known_at; nearest first.
    """
    return _documents(vectors.nearest(TEXTS, encoder, encoder.encode(texts), as_of=as_of, k=k))


def texts_like(
    vectors: Vectors, encoder: Encoder[Sequence[str]], text_id: str, *, as_of: AsOf, k: int = 5
) -> pl.DataFrame:
    """Find the texts nearest to a stored one, of those known at a moment; nothing is encoded.

    Parameters
    ----------
    vectors, encoder, as_of, k
        As for `nearest_texts`.
    text_id
        The text, known by then.

    Returns
    -------
    pl.DataFrame
        As of `nearest_texts`; the text itself is not among them. Empty if it is not known.
    """
    one = f"key = {_quoted(text_id)}"
    own = vectors.read(TEXTS, encoder, as_of=as_of, where=one)
    return _documents(
        vectors.nearest(TEXTS, encoder, own["vector"].to_numpy(), as_of=as_of, k=k, where=f"NOT ({one})")
    )


def _documents(found: pl.DataFrame) -> pl.DataFrame:
    return found.select("query", "similarity", pl.col("key").alias("text_id"), "text", "source", "known_at")


def look_alikes(
    vectors: Vectors, instrument_id: str, end: date, *, as_of: AsOf, freq: str = "1d", k: int = 5
) -> pl.DataFrame:
    """Find the stretches of market that look most like an instrument's, of those known at a moment.

    Parameters
    ----------
    vectors
        Where to look.
    instrument_id, end, freq
        The stretch: the newest that ends on or before this day and is known then.
    as_of
        Moment, UTC, or `LATEST`.
    k
        Stretches; no two of one instrument overlap, and none overlaps the one asked for on its own
        instrument.

    Returns
    -------
    pl.DataFrame
        key, similarity (cosine), instrument_id, freq, start, end, known_at; nearest first, the stretch itself
        on top with similarity 1. Empty if there is no such stretch.
    """
    one = f"instrument_id = {_quoted(instrument_id)} AND freq = {_quoted(freq)}"
    own = vectors.read(WINDOWS, BAR_WINDOWS, as_of=as_of, where=one)
    own = own.filter(pl.col("end").dt.date() <= end).sort("end").tail(1)
    columns = ["key", "similarity", "instrument_id", "freq", "start", "end", "known_at"]
    asked = own.with_columns(similarity=pl.lit(1.0)).select(columns)
    if not own.height:
        return asked
    begins, ends = own["start"][0], own["end"][0]
    other = f'NOT ({one} AND start <= {sql_moment(ends)} AND "end" >= {sql_moment(begins)})'
    limit = k * _MORE
    while True:
        found = vectors.nearest(
            WINDOWS, BAR_WINDOWS, own["vector"].to_numpy(), as_of=as_of, k=limit, where=other
        )
        apart = _apart(found.select(columns), k)
        if apart.height == k or found.height < limit:
            return pl.concat([asked, apart])
        limit *= _MORE


def _apart(found: pl.DataFrame, k: int) -> pl.DataFrame:
    """Keep the first k rows that overlap no row kept before them of their instrument."""
    taken: dict[tuple[str, str], list[tuple[object, object]]] = {}
    kept: list[int] = []
    for i, (name, freq, start, end) in enumerate(
        found.select("instrument_id", "freq", "start", "end").iter_rows()
    ):
        spans = taken.setdefault((name, freq), [])
        if len(kept) < k and all(end < begun or start > ended for begun, ended in spans):
            spans.append((start, end))
            kept.append(i)
    return found[kept]


def nodes_known(vectors: Vectors, *, as_of: AsOf) -> pl.DataFrame:
    """Vectors of entities from the newest cutoff at or before a moment.

    Parameters
    ----------
    vectors
        Where they are.
    as_of
        Moment, UTC, or `LATEST`.

    Returns
    -------
    pl.DataFrame
        node, cutoff, known_at, auc, content, vector (array of 32 numbers); sorted by node. Empty before the
        first cutoff that has nodes.
    """
    encoder = NodeEncoder()
    moments = vectors.stored(NODES, encoder)["known_at"].unique().to_list()
    newest = max((moment for moment in moments if as_of is LATEST or moment <= as_of), default=None)
    columns = ["node", "cutoff", "known_at", "auc", "content", "vector"]
    if newest is None:
        return vectors.read(NODES, encoder, as_of=as_of, where="false").select(columns)
    where = f"known_at = {sql_moment(newest)}"
    return vectors.read(NODES, encoder, as_of=as_of, where=where).select(columns).sort("node")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
