"""Which rows the analyst's view of the rules looks at: the newest, some older ones, never more than fit.

What does not belong here: running the rules (`expectations.py`), the pages (`data_docs.py`).

The rows are the aligned ones, as the gate judges them: of what is published every blocking rule holds, and of
a rule that fails people want to see the rows that fail it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from lim_pipelines.lake import Lake
from lim_pipelines.schemas import (
    ALIGNED_BARS,
    ALIGNED_EVENTS,
    ALIGNED_FACTS,
    ALIGNED_MACRO,
    ALIGNED_RELATIONS,
    ALIGNED_TEXTS,
    VALIDATED_BARS,
    VALIDATED_EVENTS,
    VALIDATED_FACTS,
    VALIDATED_MACRO,
    VALIDATED_RELATIONS,
    VALIDATED_TEXTS,
    Table,
)
from lim_pipelines.validate.beside import read_beside
from lim_pipelines.validate.partitions import summarise
from lim_pipelines.validate.prepare import prepare
from lim_pipelines.validate.rules import rules_of

JUDGED: Final = (
    (VALIDATED_BARS, ALIGNED_BARS),
    (VALIDATED_MACRO, ALIGNED_MACRO),
    (VALIDATED_FACTS, ALIGNED_FACTS),
    (VALIDATED_EVENTS, ALIGNED_EVENTS),
    (VALIDATED_TEXTS, ALIGNED_TEXTS),
    (VALIDATED_RELATIONS, ALIGNED_RELATIONS),
)
"""Tables that have rules, and the rows that these judge."""

RECENT_SESSIONS: Final = 20
"""Newest sessions of each exchange."""

OLDER_SESSIONS: Final = 3
"""Sessions of each exchange before these, spread evenly."""

MOST_ROWS: Final = 200_000
"""Rows of a table that the rules of rows judge; of bars also rows of an exchange's newest sessions that are
read, but at least one session is."""


@dataclass(frozen=True)
class Excerpt:
    """What is looked at of a table.

    Parameters
    ----------
    table
        Validated table.
    rows
        Rows before validation, as `prepare` gives them.
    partitions
        Figures of partitions, as `partitions.summarise` gives them; only of bars, else empty.
    words
        Which rows these are.
    """

    table: Table
    rows: pl.DataFrame
    partitions: pl.DataFrame
    words: str


def excerpts(lake: Lake) -> list[Excerpt]:
    """Read what is looked at, of every table that has rules.

    Parameters
    ----------
    lake
        Lake to read; it may lack any of the tables.
    """
    return [
        _bars(lake) if table.name == VALIDATED_BARS.name else _all_or_newest(lake, table, aligned)
        for table, aligned in JUDGED
    ]


def _all_or_newest(lake: Lake, table: Table, aligned: Table) -> Excerpt:
    """Prepare the newest rows of a small table, which are usually all of them."""
    rows = lake.revisions(aligned)
    there = rows.select(pl.len()).collect().item()
    # Ties at the bottom are broken by the key: which rows are shown must not depend on their order in files.
    newest = (
        rows.top_k(MOST_ROWS, by=["ts", *aligned.row_key]).collect() if there > MOST_ROWS else rows.collect()
    )
    prepared = prepare(newest.sort(aligned.row_key), table)
    words = "all rows" if there <= MOST_ROWS else f"the newest {MOST_ROWS:,} of {there:,} rows"
    return Excerpt(table, prepared, pl.DataFrame(), words)


def _bars(lake: Lake) -> Excerpt:
    """Prepare sessions of every exchange, and sum them up."""
    found = lake.revisions(ALIGNED_BARS).group_by("exchange", "date").agg(rows=pl.len()).collect()
    scope = pl.concat([found.clear(), *(_chosen(of_one) for _, of_one in sorted(found.group_by("exchange")))])
    scope = scope.select("exchange", "date")
    where = pl.col("date").is_between(scope["date"].min(), scope["date"].max())
    bars = lake.revisions(ALIGNED_BARS, where).join(scope.lazy(), on=scope.columns, how="semi").collect()
    bars, beside = bars.sort(ALIGNED_BARS.row_key), read_beside(lake, scope)
    prepared = prepare(bars, VALIDATED_BARS, beside)
    # A row that takes a bar back goes on, right or wrong.
    stays = ~pl.col("withdrawn")
    blocking = [rule for rule in rules_of(VALIDATED_BARS) if rule.severity == "blocking"]
    failing = pl.any_horizontal(~rule.passes() for rule in blocking) & stays
    figures = summarise(bars, prepared.select(blocked=failing)["blocked"], beside)
    every = max(1, -(-prepared.height // MOST_ROWS))
    words = f"{scope.height} sessions: the newest of each exchange, a few older ones"
    return Excerpt(
        VALIDATED_BARS,
        prepared.filter(stays).gather_every(every),
        figures,
        words if every == 1 else f"{words}; of their rows every {every}th",
    )


def _chosen(found: pl.DataFrame) -> pl.DataFrame:
    """Choose among the sessions of an exchange; columns exchange, date, rows."""
    newest = found.sort("date", descending=True)
    fits = newest["rows"].cum_sum() <= MOST_ROWS
    count = max(1, min(RECENT_SESSIONS, int(fits.sum())))
    older = newest.slice(count)
    places = [nth * older.height // OLDER_SESSIONS for nth in range(min(OLDER_SESSIONS, older.height))]
    return pl.concat([newest.head(count), older[places]])
