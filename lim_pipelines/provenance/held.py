"""What was held back, and let through by people, of the partitions on the way.

What does not belong here: judging rows (`validate/`), releasing them (`assets/releases.py`).
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.lake import Lake
from lim_pipelines.provenance.tree import Branch, Node
from lim_pipelines.schemas import GATE_RESULTS, QUARANTINE, RELEASES, Table

_PARTITION = ["exchange", "date"]


def verdicts(lake: Lake, rows: pl.LazyFrame, stages: tuple[str, ...]) -> list[Branch]:
    """Describe what became of rows that are not among those that went on.

    Parameters
    ----------
    lake
        The lake.
    rows
        Rows with columns exchange and date: the partitions asked about.
    stages
        Stages of the quarantine, such as parse.

    Returns
    -------
    list of Branch
        Rules that rows or partitions fail, rows in quarantine by rule, releases; nothing for what there is
        none of.
    """
    partitions = rows.select(_PARTITION).unique().collect()
    found = [
        *_quarantined(_of(lake, QUARANTINE, partitions).filter(pl.col("stage").is_in(list(stages)))),
        *(_gate(_of(lake, GATE_RESULTS, partitions)) if "validate" in stages else ()),
        *(_released(_of(lake, RELEASES, partitions)) if "validate" in stages else ()),
    ]
    return [part for part in found if part.keys]


def _of(lake: Lake, table: Table, partitions: pl.DataFrame) -> pl.DataFrame:
    near = pl.col("exchange").is_in(partitions["exchange"].unique().to_list())
    near &= pl.col("date").is_between(pl.lit(partitions["date"].min()), pl.lit(partitions["date"].max()))
    return lake.revisions(table, near).join(partitions.lazy(), on=_PARTITION, how="semi").collect()


def _quarantined(rows: pl.DataFrame) -> list[Branch]:
    counted = rows.group_by("stage", "rule").agg(
        pl.len().alias("rows"),
        pl.struct(_PARTITION).n_unique().alias("partitions"),
        pl.col("reason").first(),
        pl.col("file").unique().sort().head(3).alias("files"),
        pl.col("symbol").unique().sort().head(5).alias("symbols"),
    )
    return [_branch("rules in quarantine", counted.sort("stage", "rule"), "quarantined at {stage}: {rule}")]


def _gate(rows: pl.DataFrame) -> list[Branch]:
    counted = (
        rows.filter(pl.col("rule") != "")
        .group_by("severity", "level", "rule")
        .agg(
            pl.col("failed").sum().alias("rows that fail"),
            pl.col("released").sum(),
            pl.len().alias("partitions"),
            pl.col("held").sum().alias("partitions not published"),
        )
        .sort("severity", "rule")
    )
    judged = _branch("rules that something fails", counted, "gate, {severity} {level} rule: {rule}")
    held = rows.filter(pl.col("held"), pl.col("rule") != "").sort(*_PARTITION, "rule")
    why = held.select(
        "exchange", "date", "rule", "evidence", said=pl.lit("not published; what was before stays")
    )
    return [judged, _branch("partitions held", why, "{date}|{exchange} is held: {rule}")]


def _released(rows: pl.DataFrame) -> list[Branch]:
    said = rows.sort("exchange", "date", "rule", "symbol", "known_at").select(
        "exchange", "date", "rule", "symbol", "released_by", "why", "since", "content", at="known_at"
    )
    return [_branch("releases", said, "released {date}|{exchange}: {rule}")]


def _branch(of: str, rows: pl.DataFrame, title: str) -> Branch:
    """One node a row; the columns named in the title are not repeated below it."""
    lines = {str(i): row for i, row in enumerate(rows.iter_rows(named=True))}

    def make(key: str) -> Node:
        row = lines[key]
        return Node(
            title.format(**row), {k: v for k, v in row.items() if f"{{{k}}}" not in title and v != ""}
        )

    return Branch(of, list(lines), make)
