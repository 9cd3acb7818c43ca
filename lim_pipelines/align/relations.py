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
        Frame of `ALIGNED_RELATIONS`, one row a relation and moment at which its weight changes: a link that
        is learnt later leaves what was known before as it was, gives the entity its row from then on, and
        the name's node a revision of weight 0. And the rows of `raw` that are counted in another one.
    """
    rows = raw.with_columns(told_at="known_at")
    for end in _ENDS:
        found = with_entity(_end(rows, end), matched)
        rows = found.rename({"entity_id": f"{end}_found", "linked_at": f"{end}_linked_at"}).drop("symbol")
    settled = _added_up(_moves(_stages(rows)))
    held = settled.filter(pl.col("rule").is_not_null()).with_columns(
        known_at="told_at",
        weight="reported",
        reason=pl.col("rule").replace_strict(REASONS, return_dtype=pl.String),
    )
    return Outcome(
        ALIGNED_RELATIONS.conform(settled.filter("_kept")),
        to_quarantine("align", held, RAW_RELATIONS.name, list(raw.columns), "subject"),
    )


def _end(rows: pl.DataFrame, end: str) -> pl.DataFrame:
    return rows.with_columns(symbol=pl.col(end))


def _stages(rows: pl.DataFrame) -> pl.DataFrame:
    """Repeat each row at each moment, `known_at`, at which its ends become other nodes, until revised."""
    at = pl.max_horizontal("told_at", "known_at")
    when = [rows.with_columns(known_at=moment) for moment in ("told_at", *(f"{e}_linked_at" for e in _ENDS))]
    every = pl.concat(when).drop_nulls("known_at").with_columns(known_at=at)
    row = ["source", "relation", "ts", *_ENDS, "told_at"]
    revised = rows.select(row).with_columns(
        _until=pl.col("told_at").shift(-1).over(row[:-1], order_by="told_at")
    )
    every = every.unique([*row, "known_at"], keep="first", maintain_order=True).join(revised, on=row)
    every = every.filter(pl.col("_until").is_null() | (pl.col("_until") > pl.col("known_at")))
    nodes = {
        f"{end}_id": pl.when(pl.col(f"{end}_linked_at") <= pl.col("known_at"))
        .then(f"{end}_found")
        .otherwise(pl.concat_str(pl.lit("name:"), "source", pl.lit(":"), end))
        for end in _ENDS
    }
    return every.with_columns(**nodes, _told=pl.col("known_at") == pl.col("told_at"))


def _moves(stages: pl.DataFrame) -> pl.DataFrame:
    """Say by how much, `_news`, each stage changes the weight of its nodes, and of those that it leaves."""
    names = ["source", "relation", "ts", *_ENDS]
    nodes = [f"{end}_id" for end in _ENDS]
    ordered = stages.sort(*names, "known_at").with_columns(
        pl.col(*nodes, "weight").shift(1).over(names).name.prefix("_before_")
    )
    stays = pl.all_horizontal(pl.col(node).eq_missing(pl.col(f"_before_{node}")) for node in nodes)
    before = pl.when(stays).then("_before_weight").otherwise(0.0)
    leaves = ordered.filter(~stays & pl.col("_before_weight").is_not_null()).with_columns(
        *(pl.col(f"_before_{node}").alias(node) for node in nodes),
        _news=-pl.col("_before_weight"),
        _told=pl.lit(False),
    )
    comes = ordered.with_columns(_news=pl.col("weight") - before)
    return pl.concat([comes, leaves.select(comes.columns)])


def _added_up(moves: pl.DataFrame) -> pl.DataFrame:
    """Make `weight` the sum over an entity's names, as of each moment.

    `_kept` are the rows of the table; `rule` says of rows of `raw` (`_told`) what is not kept.
    """
    key = list(ALIGNED_RELATIONS.key)
    moment = [*key, "known_at"]
    order = [*moment, "_told", "told_at", "file", "line"]
    ordered = moves.sort(order, descending=[name == "_told" for name in order])
    first = pl.int_range(pl.len()).over(moment) == 0
    ordered = ordered.with_columns(_one=first, _news=pl.col("_news").sum().over(moment), reported="weight")
    # What comes and goes leaves nothing; sums of fractions would leave their last bits.
    ones = ordered.filter("_one").with_columns(weight=pl.col("_news").cum_sum().over(key).round(9))
    again = (pl.col("weight") == pl.col("weight").shift(1).over(key)).fill_null(False)
    ones = ones.with_columns(
        _kept=~again, rule=pl.when(again & pl.col("_told")).then(pl.lit("repeated_relation"))
    )
    counted = pl.when("_told").then(pl.lit("counted_together"))
    others = ordered.filter(~pl.col("_one")).with_columns(_kept=pl.lit(False), rule=counted)
    return pl.concat([ones, others.select(ones.columns)])
