"""Relations: who does what to whom, between entities where their names are linked.

A name that is linked to none stays a node of its own, `name:<source>:<words>`: it still connects others. Two
names of one company are one node: what is reported under either is added up, as of each moment.

What does not belong here: whom a name means (`entities/matching.py`), what a graph says
(`modalities/graph.py`).
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.align.outcome import Outcome
from lim_pipelines.align.symbols import mentions, to_quarantine, with_entity
from lim_pipelines.schemas import ALIGNED_RELATIONS, RAW_RELATIONS

REASONS = {
    "counted_together": "another name of the same entity reports it, too; its weight is in the row kept",
    "repeated_relation": "it changes nothing of what was known; nothing to do",
}
_ENDS = ("subject", "object")


def named(raw: pl.DataFrame) -> pl.DataFrame:
    """Names as they are mentioned, at either end; see `mentions`."""
    return mentions(pl.concat(_end(raw, end).select("source", "symbol", "ts", "known_at") for end in _ENDS))


def align(raw: pl.DataFrame, matched: pl.DataFrame) -> Outcome:
    """Bring relations to entities.

    Parameters
    ----------
    raw
        Frame of `RAW_RELATIONS`.
    matched
        What was found of `named(raw)`, as for `with_entity`.

    Returns
    -------
    Outcome
        Frame of `ALIGNED_RELATIONS`, one row a relation and moment at which its weight changes; and the rows
        that are counted in another one. No row is known earlier than in `raw`, nor than its links.
    """
    rows = raw.with_columns(told_at="known_at")
    for end in _ENDS:
        found = with_entity(_end(rows, end), matched)
        rows = found.with_columns(
            pl.col("entity_id")
            .fill_null(pl.concat_str(pl.lit("name:"), "source", pl.lit(":"), end))
            .alias(f"{end}_id"),
            pl.col("linked_at").alias(f"{end}_linked_at"),
        ).drop("symbol", "entity_id", "linked_at")
    rows = rows.with_columns(known_at=pl.max_horizontal("known_at", *(f"{end}_linked_at" for end in _ENDS)))
    settled = _added_up(rows)
    held = settled.filter(pl.col("rule").is_not_null()).with_columns(
        known_at="told_at",
        weight="reported",
        reason=pl.col("rule").replace_strict(REASONS, return_dtype=pl.String),
    )
    return Outcome(
        ALIGNED_RELATIONS.conform(settled.filter(pl.col("rule").is_null())),
        to_quarantine("align", held, RAW_RELATIONS.name, list(raw.columns), "subject"),
    )


def _end(rows: pl.DataFrame, end: str) -> pl.DataFrame:
    return rows.with_columns(symbol=pl.col(end))


def _added_up(rows: pl.DataFrame) -> pl.DataFrame:
    """Make `weight` the sum over an entity's names, as of each moment; `rule` says what is not kept of it."""
    key = list(ALIGNED_RELATIONS.key)
    moment, names = [*key, "known_at"], [*key, *_ENDS]
    news = pl.col("weight") - pl.col("weight").shift(1, fill_value=0.0).over(names)
    ordered = rows.sort([*moment, "told_at", "file", "line"]).with_columns(_news=news, reported="weight")
    first = pl.int_range(pl.len()).over(moment) == 0
    ordered = ordered.with_columns(_one=first, _news=pl.col("_news").sum().over(moment))
    ones = ordered.filter("_one").with_columns(weight=pl.col("_news").cum_sum().over(key))
    again = (pl.col("_news") == 0) & (pl.int_range(pl.len()).over(key) > 0)
    ones = ones.with_columns(rule=pl.when(again).then(pl.lit("repeated_relation")), _one=pl.lit(True))
    others = ordered.filter(~pl.col("_one")).with_columns(rule=pl.lit("counted_together"))
    return pl.concat([ones, others.select(ones.columns)])
