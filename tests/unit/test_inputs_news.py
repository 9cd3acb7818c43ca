"""Which sessions' inputs changed facts can reach: those, and no others."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from inputs_world import FIRST, NAMES, Facts, put_nodes, random_facts, scope, world

from lim_pipelines.inputs.build import build_inputs
from lim_pipelines.inputs.news import learnt, relearnt, stale, versions
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import (
    ENTITY_LINKS,
    INPUT_SCALES,
    MODEL_INPUTS,
    VALIDATED_BARS,
    VALIDATED_FACTS,
    VALIDATED_MACRO,
    Table,
)

KNOWN = datetime(2015, 6, 10, 3, tzinfo=UTC)
"""After the decision of 9 June, before that of the 10th."""


@pytest.fixture
def facts() -> Facts:
    return random_facts(3)


def change(lake: Lake, facts: Facts, table: Table, row: dict[str, object]) -> None:
    """A revision of what counted until then, known from `KNOWN` on."""
    rows = facts.tables[table.name]
    counts = rows.filter(pl.col("known_at") < KNOWN)
    if "field" in rows.columns:
        counts = counts.filter(pl.col("field") == "net_income")
    newest = counts.sort("ts" if "ts" in rows.columns else "known_at").tail(1)
    new = newest.with_columns(known_at=pl.lit(KNOWN, rows.schema["known_at"]), **row)
    rows = pl.concat([rows, new])
    lake.write(table, rows, rows.select(table.partition_key).unique())


def other_exchange(facts: Facts) -> pl.DataFrame:
    """Bars of an exchange whose companies no fact is about, and of the simulated one."""
    bars = facts.tables["validated_bars"].filter(pl.col("instrument_id") == NAMES[0])
    return pl.concat(
        bars.with_columns(exchange=pl.lit(mic), instrument_id=pl.lit(f"{mic}:X")) for mic in ("XNYS", "XSIM")
    )


def test_changed_facts_reach_the_decisions_from_when_they_are_known_and_exchanges_concerned(
    facts: Facts, tmp_path: Path
) -> None:
    lake, _ = world(tmp_path, facts)
    others = other_exchange(facts)
    lake.write(VALIDATED_BARS, others, others.select("exchange", "date").unique())
    seen = versions(lake)
    assert stale(lake, seen, seen) == []

    change(lake, facts, VALIDATED_FACTS, {"value": pl.lit(99.0)})
    now = versions(lake)
    [found] = stale(lake, seen, now)
    last = facts.tables["validated_bars"]["date"].max()
    assert (found.exchange, found.first, found.last) == ("XNAS", date(2015, 6, 10), last)
    assert found.reason == "validated_facts"

    change(lake, facts, VALIDATED_MACRO, {"value": pl.lit(99.0)})
    both = stale(lake, now, versions(lake))
    assert [(one.exchange, one.first, one.reason) for one in both] == [
        (mic, date(2015, 6, 10), "validated_macro") for mic in ("XNAS", "XNYS")
    ], "everybody's, but never the simulated exchange's"


def test_where_a_row_came_from_is_no_news(facts: Facts, tmp_path: Path) -> None:
    lake, _ = world(tmp_path, facts)
    seen = versions(lake)
    rows = facts.tables["validated_facts"].with_columns(file=pl.lit("other.csv"))
    lake.write(VALIDATED_FACTS, rows, rows.select(VALIDATED_FACTS.partition_key).unique())
    assert versions(lake) != seen
    assert stale(lake, seen, versions(lake)) == []


@pytest.mark.parametrize(
    ("table", "row"),
    [
        (VALIDATED_FACTS, {"value": pl.lit(99.0)}),
        (VALIDATED_MACRO, {"value": pl.lit(99.0)}),
        (ENTITY_LINKS, {"last": pl.lit(date(2015, 1, 5))}),
    ],
)
def test_building_the_stale_sessions_again_is_as_good_as_building_all(
    facts: Facts, tmp_path: Path, table: Table, row: dict[str, object]
) -> None:
    lake, vectors = world(tmp_path, facts)
    build_inputs(lake, vectors, scope())
    seen = versions(lake)
    change(lake, facts, table, row)
    [found] = stale(lake, seen, versions(lake))
    again = scope().filter(pl.col("date").is_between(found.first, found.last))
    assert found.first > FIRST
    assert build_inputs(lake, vectors, again).changed > 0
    at = [lake.version(one) for one in (MODEL_INPUTS, INPUT_SCALES)]
    assert build_inputs(lake, vectors, scope()).changed == 0
    assert [lake.version(one) for one in (MODEL_INPUTS, INPUT_SCALES)] == at


def test_nodes_that_are_learnt_late_reach_the_decisions_from_their_cutoff_on(
    facts: Facts, tmp_path: Path
) -> None:
    nodes, may = facts.tables["nodes"], date(2015, 5, 1)
    early = Facts({**facts.tables, "nodes": nodes.filter(pl.col("cutoff") < may)})
    lake, vectors = world(tmp_path, early)
    build_inputs(lake, vectors, scope())
    seen, learnt_before = versions(lake), learnt(vectors)
    assert relearnt(learnt_before, learnt(vectors)) is None
    put_nodes(vectors, nodes.filter(pl.col("cutoff") == may))
    since = relearnt(learnt_before, learnt(vectors))
    assert since == datetime(2015, 5, 1, tzinfo=UTC)
    [found] = stale(lake, seen, versions(lake), since)
    # Decided in the small hours of 1 May, after the midnight that is the cutoff.
    assert (found.first, found.reason) == (date(2015, 4, 30), "nodes")
    again = scope().filter(pl.col("date").is_between(found.first, found.last))
    assert build_inputs(lake, vectors, again).changed > 0
    assert build_inputs(lake, vectors, scope()).changed == 0
