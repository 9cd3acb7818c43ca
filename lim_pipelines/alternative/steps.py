"""Alternative data from raw to validated, a shape at a time, source by source in bounded memory.

What does not belong here: reading files (`load.py`), what alignment means (`align/`), the rules
(`validate/rules/`).

All rows are aligned again each time: a listing or a decision that comes later links rows that waited. What
does not change commits nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import polars as pl

from lim_pipelines.align import events, facts, relations, symbols, texts
from lim_pipelines.align.outcome import Outcome
from lim_pipelines.alternative.entity_master import known_names
from lim_pipelines.alternative.people import decisions
from lim_pipelines.entities.matching import match_names
from lim_pipelines.entities.resolve import resolve
from lim_pipelines.lake import Lake
from lim_pipelines.newest import from_newest
from lim_pipelines.reference import known_listings
from lim_pipelines.schemas import (
    ALIGNED_EVENTS,
    ALIGNED_FACTS,
    ALIGNED_RELATIONS,
    ALIGNED_TEXTS,
    ENTITY_LINKS,
    QUARANTINE,
    RAW_EVENTS,
    RAW_FACTS,
    RAW_RELATIONS,
    RAW_TEXTS,
    VALIDATED_EVENTS,
    VALIDATED_FACTS,
    VALIDATED_RELATIONS,
    VALIDATED_TEXTS,
    Table,
)
from lim_pipelines.sources.base import QUARANTINE_AS
from lim_pipelines.validate.gate import validate

BLOCK_ROWS = 1_000_000
"""Rows that are worked on at once; a partition is never cut."""

Align = Callable[[pl.DataFrame, pl.DataFrame], Outcome]


@dataclass(frozen=True)
class Shape:
    """One kind of alternative data.

    Parameters
    ----------
    raw, aligned, validated
        Its tables.
    mentions
        Raw rows to the symbols or names in them.
    align
        Raw rows, and what was found of the mentions, to aligned rows.
    by_name
        Whether names are mentioned, not tickers.
    """

    raw: Table
    aligned: Table
    validated: Table
    mentions: Callable[[pl.DataFrame], pl.DataFrame]
    align: Align
    by_name: bool = False


SHAPES: dict[str, Shape] = {
    "facts": Shape(RAW_FACTS, ALIGNED_FACTS, VALIDATED_FACTS, symbols.mentions, facts.align),
    "events": Shape(RAW_EVENTS, ALIGNED_EVENTS, VALIDATED_EVENTS, symbols.mentions, events.align),
    "texts": Shape(RAW_TEXTS, ALIGNED_TEXTS, VALIDATED_TEXTS, symbols.mentions, texts.align),
    "relations": Shape(
        RAW_RELATIONS, ALIGNED_RELATIONS, VALIDATED_RELATIONS, relations.named, relations.align, by_name=True
    ),
}


@dataclass(frozen=True)
class ShapeStep:
    """What a step did to a table.

    Parameters
    ----------
    rows_in, rows
        Rows read and rows that went on.
    quarantined
        Columns source, rule and rows: what was held back.
    warnings
        Warning rule to the number of rows that went on although they look odd; only of validation.
    changed
        Partitions written.
    """

    rows_in: int
    rows: int
    quarantined: pl.DataFrame
    warnings: Mapping[str, int]
    changed: int


def align_shape(lake: Lake, shape: str) -> ShapeStep:
    """Bring the raw rows of a shape to entities, and write its aligned table.

    Rows that are linked to nobody go to the quarantine as `unlinked_symbol`; raw keeps them, and they are
    aligned when a listing or a decision links them. A link that became known later than the row is the
    moment from which the aligned row is known.

    Parameters
    ----------
    lake
        Lake to read and write.
    shape
        facts, events, texts or relations.
    """
    kind = SHAPES[shape]
    link = _by_name(lake) if kind.by_name else _by_symbol(lake)
    return _step(lake, "align", kind.raw, kind.aligned, lambda raw: kind.align(raw, link(kind.mentions(raw))))


def _by_symbol(lake: Lake) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Link mentions of tickers."""
    listings, links, decided = known_listings(lake), lake.revisions(ENTITY_LINKS).collect(), decisions(lake)
    return lambda mentions: resolve(mentions, listings, links, decided).matched


def _by_name(lake: Lake) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Link mentions of names."""
    names, decided = known_names(lake), decisions(lake)

    def link(mentions: pl.DataFrame) -> pl.DataFrame:
        return match_names(mentions.rename({"symbol": "name"}), names, decided).matched.rename(
            {"name": "symbol"}
        )

    return link


def validate_shape(lake: Lake, shape: str) -> ShapeStep:
    """Let through the rows of a shape's aligned table that pass every blocking rule.

    Parameters
    ----------
    lake
        Lake to read and write.
    shape
        facts, events, texts or relations.
    """
    kind = SHAPES[shape]
    return _step(lake, "validate", kind.aligned, kind.validated, lambda rows: validate(rows, kind.validated))


def _step(
    lake: Lake, stage: str, source: Table, target: Table, make: Callable[[pl.DataFrame], Outcome]
) -> ShapeStep:
    """Make one table of another, block by block, and hold back what does not go on."""
    rows_in = rows = changed = 0
    held = [QUARANTINE.empty().group_by("source", "rule").len("rows")]
    warnings: dict[str, int] = {}
    # What was made of partitions that are empty now goes, too.
    made = lake.revisions(target).select(source.partition_key)
    for scope in blocks(lake, source, [made, _partitions_held_back(lake, stage, source)]):
        read_rows = partial(rows_of, lake, source, scope)
        commit, read, outcome = from_newest(lake, target, scope, read_rows, lambda rows, _: make(rows))
        _hold_back(lake, stage, source, scope, outcome.quarantined)
        rows_in, rows, changed = rows_in + read, rows + commit.rows, changed + commit.changed.height
        held.append(outcome.quarantined.group_by("source", "rule").len("rows"))
        for rule, count in outcome.warnings.items():
            warnings[rule] = warnings.get(rule, 0) + count
    by_rule = pl.concat(held).group_by("source", "rule").agg(pl.col("rows").sum()).sort("source", "rule")
    return ShapeStep(rows_in, rows, by_rule, warnings, changed)


def blocks(lake: Lake, table: Table, others: Sequence[pl.LazyFrame] = ()) -> Iterator[pl.DataFrame]:
    """Partitions of a table, source by source in order, in blocks of at most about `BLOCK_ROWS` rows.

    Parameters
    ----------
    lake
        Lake to read.
    table
        The table.
    others
        Frames of its partition key: partitions that are listed although they may hold no rows.
    """
    key = list(table.partition_key)
    counts = [lake.revisions(table).group_by(key).len()]
    counts += [frame.group_by(key).agg(len=pl.lit(0, pl.get_index_type())) for frame in others]
    partitions = pl.concat(counts).group_by(key).agg(pl.col("len").sum()).collect().sort(key)
    for of_source in partitions.partition_by("source", maintain_order=True):
        block = (pl.col("len").cum_sum() - pl.col("len")) // BLOCK_ROWS
        for scope in of_source.with_columns(block=block).partition_by("block", maintain_order=True):
            yield scope.select(key)


def rows_of(lake: Lake, table: Table, scope: pl.DataFrame) -> pl.DataFrame:
    """All rows of some partitions of one source, sorted by row key."""
    rows = lake.revisions(table, _near(table, scope))
    return rows.join(scope.lazy(), on=list(table.partition_key), how="semi").sort(table.row_key).collect()


def _near(table: Table, scope: pl.DataFrame) -> pl.Expr:
    cut = table.partition_key[-1]
    span = pl.col(cut).is_between(pl.lit(scope[cut].min()), pl.lit(scope[cut].max()))
    return span & pl.col("source").eq(scope["source"][0])


def _hold_back(lake: Lake, stage: str, table: Table, scope: pl.DataFrame, held: pl.DataFrame) -> None:
    """Put the rows held back in the place of those of the same table and partitions from before.

    All shapes share one part of the quarantine; whose a row is stands in its evidence.
    """
    cut = table.partition_key[-1]
    ours = _held_back_by(stage, table) & (pl.col("source") == scope["source"][0])
    ours &= _cut_of_held(table).is_in(scope[cut].implode())
    before = lake.revisions(QUARANTINE, ours).select(QUARANTINE.partition_key).collect()
    partitions = pl.concat([before, held.select(QUARANTINE.partition_key)]).unique()
    if partitions.height:
        lake.update(QUARANTINE, partitions, lambda there: pl.concat([there.filter(~ours), held]))


def _partitions_held_back(lake: Lake, stage: str, table: Table) -> pl.LazyFrame:
    """Partitions of a table of which a stage holds rows back."""
    held = lake.revisions(QUARANTINE, _held_back_by(stage, table))
    return held.select("source", _cut_of_held(table).alias(table.partition_key[-1]))


def _held_back_by(stage: str, table: Table) -> pl.Expr:
    return (pl.col("stage") == stage) & (pl.col("exchange") == QUARANTINE_AS) & held_back_from([table.name])


def _cut_of_held(table: Table) -> pl.Expr:
    """Partition, beside the source, that a row held back is of: a day or a year."""
    return pl.col("date") if table.partition_key[-1] == "date" else pl.col("date").dt.year()


def held_back_from(tables: Sequence[str]) -> pl.Expr:
    """Whether a row of the quarantine was one of some tables of alternative data."""
    return pl.col("evidence").str.json_path_match("$.table").is_in(list(tables))
