"""Texts of the last days before each decision: their mean embedding, their sentiment, how many.

What does not belong here: encoding texts (`modalities/`), whom a text is about (`entities/`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from lim_pipelines.inputs.blocks import Block, Feature, Reads
from lim_pipelines.inputs.companies import companies
from lim_pipelines.inputs.linked import DECISION, known_links, last_moment, nothing
from lim_pipelines.lake import LATEST
from lim_pipelines.modalities import MiniLM, Vader
from lim_pipelines.modalities.base import Encoder
from lim_pipelines.modalities.store import TEXTS, Vectors
from lim_pipelines.schemas import ENTITY_LINKS, VALIDATED_TEXTS

WINDOW: Final = timedelta(days=5)
"""Age of the texts that count, by when they were written: a trading week has texts on its weekend, too."""

KEYS_AT_ONCE: Final = 2000

_FEATURES: Final = (
    Feature("text_embedding", f"mean embedding of the texts of the last {WINDOW.days} days", None, 384),
    Feature("text_sentiment", "mean compound sentiment of the same texts, -1 to 1", "robust"),
    Feature("text_count", "how many they are", "rank"),
)


class MissingVectorsError(RuntimeError):
    """Texts are known that have no vectors yet."""


def _told(decisions: pl.DataFrame, texts: pl.DataFrame) -> pl.DataFrame:
    """Pair decisions with the texts that they know of: columns `DECISION`, text_id, known_at.

    Parameters
    ----------
    decisions
        Columns `DECISION` and entity_id.
    texts
        Columns entity_id, text_id, ts, known_at.
    """
    frames = []
    for (mic,), part in decisions.group_by("exchange"):
        sessions = part.select("date", "decided_at").unique().sort("decided_at").with_row_index("_nth")
        # A text belongs to the few sessions from when it is known to when it is too old.
        first = sessions["decided_at"].search_sorted(texts["known_at"], side="left")
        end = sessions["decided_at"].search_sorted(texts["ts"] + WINDOW, side="left")
        spread = texts.with_columns(_nth=pl.int_ranges(first, pl.max_horizontal(first, end)))
        spread = spread.explode("_nth", empty_as_null=False).with_columns(pl.col("_nth").cast(pl.UInt32))
        named = part.join(sessions.select("_nth", "date"), on="date").filter(pl.col("exchange") == mic)
        frames.append(named.join(spread, on=["entity_id", "_nth"]).select(*DECISION, "text_id", "known_at"))
    # Two sources may tell of one text.
    return pl.concat(frames).group_by(*DECISION, "text_id").agg(pl.col("known_at").min())


def _vectors(reads: Reads, encoder: Encoder[Any], keys: list[str]) -> npt.NDArray[np.float64]:
    """Vectors of texts, one row a key, in the order of the keys, which is theirs in the store."""
    store, found = Vectors(reads.vectors), []
    for i in range(0, len(keys), KEYS_AT_ONCE):
        named = ", ".join(f"'{key}'" for key in keys[i : i + KEYS_AT_ONCE])
        found.append(store.read(TEXTS, encoder, as_of=LATEST, where=f"key IN ({named})"))
    rows = pl.concat(found)
    if missing := sorted(set(keys) - set(rows["key"])):
        raise MissingVectorsError(
            f"{len(missing)} of {len(keys)} texts have no {encoder.name} vectors in {reads.vectors}, such as"
            f" text_id {missing[0]}; materialise text_embeddings, then the model inputs again"
        )
    return np.asarray(rows["vector"].to_numpy(), dtype=np.float64)


def _compute(reads: Reads, decisions: pl.DataFrame) -> pl.DataFrame:
    moment, first = last_moment(decisions), decisions["decided_at"].min()
    recent = pl.col("ts") > pl.lit(first) - WINDOW
    texts = reads.known_by(VALIDATED_TEXTS, moment, recent)
    if texts.is_empty():
        return nothing(decisions, _FEATURES)
    found = companies(decisions, known_links(reads, decisions, "issued_by"))
    texts = found.theirs(texts, VALIDATED_TEXTS.row_key)
    told = _told(found.rows, texts.select("entity_id", "text_id", "ts", "known_at"))
    if told.is_empty():
        return nothing(decisions, _FEATURES)
    keys = told["text_id"].unique().sort()
    told = told.join(keys.to_frame().with_row_index("_row"), on="text_id").sort(*DECISION, "text_id")
    meaning, mood = (_vectors(reads, encoder, keys.to_list()) for encoder in (MiniLM(), Vader()))
    out = told.group_by(DECISION, maintain_order=True).agg("_row", newest=pl.col("known_at").max())
    groups = [np.asarray(group) for group in out["_row"].to_list()]
    # Each mean is added up on its own, in the order of its texts' ids: no bit depends on other decisions.
    return out.select(
        *DECISION,
        text_embedding=pl.Series([meaning[group].mean(axis=0).tolist() for group in groups]),
        text_sentiment=pl.Series([float(mood[group, 0].mean()) for group in groups]),
        text_count=pl.Series([float(len(group)) for group in groups]),
        newest="newest",
    )


BLOCK = Block(
    name="text",
    about="instrument",
    features=_FEATURES,
    tables=(VALIDATED_TEXTS, ENTITY_LINKS),
    compute=_compute,
    version=2,
    encoder=lambda: MiniLM().digest + Vader().digest,
)
