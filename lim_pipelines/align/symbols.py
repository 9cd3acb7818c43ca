"""Rows that a vendor files under its own symbol, brought to the company they are about.

Facts, events and texts share this; each says in a file of its own what two rows of one company are
(`facts.py`, `events.py`, `texts.py`). What does not belong here: whom a symbol means (`entities/resolve.py`),
the lake.
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.align.outcome import Outcome
from lim_pipelines.align.revisions import PROVENANCE
from lim_pipelines.schemas import Table
from lim_pipelines.sources.base import QUARANTINE_AS
from lim_pipelines.sources.quarantine import quarantine

UNLINKED = (
    "no company is known that the symbol means on this day; the raw row stays and is aligned again when a"
    " listing or a decision links it (see the table link_reviews)"
)
SUPERSEDED = (
    "a later figure had replaced it before anybody could know whose it is; nothing to do unless the link is"
    " dated too late"
)
DOUBLE = (
    "another symbol of the company, or another row, says otherwise of the same fact at the same moment; the"
    " first was kept: remove the wrong one, or tell the two apart in landing/link_decisions"
)

ON = pl.min_horizontal("ts", "known_at").dt.date()
"""Day on which a row's symbol is taken to mean a company: the day that it describes, and of what is announced
ahead the day it was. Whether the listing lasts until then nobody knows yet."""


def mentions(rows: pl.DataFrame) -> pl.DataFrame:
    """Symbols as they are mentioned: each once a day of the fact and moment of knowledge.

    Parameters
    ----------
    rows
        Columns source, symbol, ts and known_at.

    Returns
    -------
    pl.DataFrame
        Columns source, symbol, on (`ON`) and known_at, as `resolve` asks for them; and
        mentioned_at: the row's own `known_at`, which a late link leaves as it is.
    """
    asked = rows.select("source", "symbol", on=ON, known_at="known_at").unique()
    return asked.with_columns(mentioned_at="known_at").sort(asked.columns)


def with_entity(rows: pl.DataFrame, matched: pl.DataFrame) -> pl.DataFrame:
    """Add what the rows' symbols were found to mean.

    Parameters
    ----------
    rows
        Columns source, symbol, ts and known_at; others are kept.
    matched
        What was found of `mentions(rows)`: its columns, with `entity_id`, and `known_at` raised to the moment
        from which the link was known.

    Returns
    -------
    pl.DataFrame
        All rows, with `entity_id` and `linked_at`, null where nothing was found.
    """
    found = matched.select("source", "symbol", "on", "mentioned_at", "entity_id", linked_at="known_at")
    return (
        rows.with_columns(on=ON)
        .join(
            found,
            left_on=["source", "symbol", "on", "known_at"],
            right_on=["source", "symbol", "on", "mentioned_at"],
            how="left",
        )
        .drop("on")
    )


def align_symbols(
    raw: pl.DataFrame, matched: pl.DataFrame, table: Table, repeats: tuple[str, str], double: str
) -> Outcome:
    """Bring rows to entities, one row a fact and moment.

    Parameters
    ----------
    raw
        Rows of the raw table, or whole partitions of it.
    matched
        As for `with_entity`.
    table
        The aligned table.
    repeats
        Rule and reason of a row that repeats what holds at its moment already.
    double
        Rule of a row that says something else of the same fact at the same moment.

    Returns
    -------
    Outcome
        Rows and what is held back; no row is known earlier than in `raw`, nor than its link.
    """
    judged = with_entity(raw, matched).with_columns(told_at="known_at")
    unlinked = judged.filter(pl.col("entity_id").is_null()).with_columns(
        rule=pl.lit("unlinked_symbol"), reason=pl.lit(UNLINKED)
    )
    linked = judged.filter(pl.col("entity_id").is_not_null()).with_columns(
        known_at=pl.max_horizontal("known_at", "linked_at")
    )
    reasons = {double: DOUBLE, repeats[0]: repeats[1], "superseded_before_link": SUPERSEDED}
    settled = with_rule(linked, table, repeats[0], double)
    held = settled.filter(pl.col("rule").is_not_null()).with_columns(
        reason=pl.col("rule").replace_strict(reasons, return_dtype=pl.String)
    )
    columns = list(raw.columns)
    failing = pl.concat([frame.select(*columns, "told_at", "rule", "reason") for frame in (unlinked, held)])
    name = table.name.replace("aligned", "raw")
    return Outcome(
        table.conform(settled.filter(pl.col("rule").is_null())),
        to_quarantine("align", failing.with_columns(known_at="told_at"), name, columns, "symbol"),
    )


def with_rule(linked: pl.DataFrame, table: Table, repeats: str, double: str) -> pl.DataFrame:
    """Name what keeps a row from being the one row of its fact and moment; null for the one.

    Of what becomes known at one moment, what was told last (`told_at`) holds; of that, what stands first in
    its file. What was told before a row that is known already, under a symbol linked earlier, replaces
    nothing. A row is judged only by rows known no later than itself.
    """
    key, order = list(table.key), ["known_at", "told_at", "file", "line"]
    values = [name for name in table.columns if name not in {*table.row_key, *PROVENANCE}]
    down = [name == "told_at" for name in (*key, *order)]
    judged = linked.sort([*key, *order], descending=down).with_columns(
        _fact=_numbered(key), _moment=_numbered([*key, "known_at"])
    )
    same = pl.all_horizontal(
        pl.lit(True), *(pl.col(value).eq_missing(pl.col(value).first().over("_moment")) for value in values)
    )
    judged = judged.with_columns(
        _one=pl.col("_moment").is_first_distinct(),
        rule=pl.when(same)
        .then(pl.lit(repeats))
        .when(pl.col("told_at") < pl.col("told_at").first().over("_moment"))
        .then(pl.lit("superseded_before_link"))
        .otherwise(pl.lit(double)),
    )
    late = pl.col("told_at") < pl.col("told_at").cum_max().over("_fact", order_by="known_at")
    ones = judged.filter("_one").with_columns(_late=late)
    late_ones = ones.filter("_late").with_columns(rule=pl.lit("superseded_before_link"))
    ones = ones.filter(~pl.col("_late"))
    again = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift(1)) for name in ("_fact", *values))
    again &= pl.int_range(pl.len()) > 0
    ones = ones.with_columns(rule=pl.when(again).then(pl.lit(repeats)))
    settled = pl.concat([frame.drop("_late") for frame in (ones, late_ones)])
    return pl.concat([settled, judged.filter(~pl.col("_one"))]).drop("_fact", "_moment", "_one")


def _numbered(columns: list[str]) -> pl.Expr:
    """Give each run of equal values of a sorted frame a number."""
    new = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift(1)) for name in columns)
    return new.cum_sum()


def to_quarantine(
    stage: str, failing: pl.DataFrame, table: str, evidence: list[str], symbol: str
) -> pl.DataFrame:
    """Bring failing rows of alternative data to the quarantine; `table` becomes part of the evidence.

    Parameters
    ----------
    stage
        align or validate.
    failing
        Rows with source, file, line, ts, known_at, rule, reason, and the evidence.
    table
        Name of the table that they are rows of: all shapes share one part of the quarantine.
    evidence
        Columns that are kept.
    symbol
        Column that says whom they are about.
    """
    return quarantine(
        stage,
        failing.with_columns(
            exchange=pl.lit(QUARANTINE_AS),
            date=pl.col("ts").dt.date(),
            symbol=pl.col(symbol),
            table=pl.lit(table),
        ),
        ["table", *evidence],
    )
