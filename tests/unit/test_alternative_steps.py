"""Alternative data from raw to validated: who rows are about, doubles, late links, rules."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from alternative_world import (
    WIRE,
    Row,
    claim,
    event,
    fact,
    list_shares,
    listing,
    relation,
    rows_of,
    send,
    text,
)

from lim_pipelines.alternative import steps
from lim_pipelines.alternative.load import load_raw
from lim_pipelines.alternative.steps import SHAPES, align_shape, validate_shape
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import (
    ALIGNED_FACTS,
    ALIGNED_RELATIONS,
    ALIGNED_TEXTS,
    ENTITY_LINKS,
    LINK_REVIEWS,
    LISTINGS,
    QUARANTINE,
    VALIDATED_FACTS,
    Table,
)
from lim_pipelines.validate.rules import rules_of


@pytest.fixture(autouse=True)
def _the_wire_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lim_pipelines.sources.ALTERNATIVE_SOURCES", (WIRE,))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def load(lake: Lake, *rows: Row, name: str = "a") -> None:
    """Bring rows into the raw tables as one file."""
    landing = Path(lake.root).parent / "landing"
    send(landing, name, *rows)
    assert not load_raw(lake, landing).refused


def write(lake: Lake, table: Table, row: Row) -> None:
    frame = pl.DataFrame([row], schema=table.schema)
    lake.update(table, frame, lambda there: pl.concat([there, frame]))


def share_class(lake: Lake, child: str, parent: str, known: datetime) -> None:
    row = {"relation": "issued_by", "child": child, "parent": parent, "first": date(2000, 1, 1), "last": None}
    write(lake, ENTITY_LINKS, {**row, "score": 1.0, "method": "vendor", "source": "wire", "known_at": known})


def decide(lake: Lake, name: str, target: str, known: datetime) -> None:
    row = {"source": "wire", "name": name, "candidate": target, "score": 1.0, "method": "person", "rows": 0}
    row |= {"state": "accepted", "reason": "decided", "decided_by": "a person", "known_at": known}
    write(lake, LINK_REVIEWS, row)


def held(lake: Lake) -> list[tuple[str, str, int, str]]:
    return rows_of(lake, QUARANTINE, ["stage", "symbol", "line", "rule"])


def at(text_: str) -> datetime:
    return datetime.fromisoformat(text_).replace(tzinfo=UTC)


def test_rows_go_to_the_issuer_and_what_is_linked_to_nobody_waits(lake: Lake) -> None:
    list_shares(lake, listing("AAA"))
    load(lake, fact("AAA"), fact("ZZZ"), event("ZZZ"))
    done = align_shape(lake, "facts")
    assert (done.rows_in, done.rows) == (2, 1)
    assert done.quarantined.rows() == [("wire", "unlinked_symbol", 1)]
    align_shape(lake, "events")
    assert held(lake) == [("align", "ZZZ", 2, "unlinked_symbol"), ("align", "ZZZ", 3, "unlinked_symbol")]
    (row,) = lake.revisions(ALIGNED_FACTS).collect().rows(named=True)
    assert (row["entity_id"], row["known_at"], row["line"]) == ("issuer:XNYS:AAA", at("2015-05-01"), 1)

    # A listing comes: its own dates say when it holds, so the row is known as it was.
    list_shares(lake, listing("ZZZ"))
    align_shape(lake, "facts")
    assert rows_of(lake, ALIGNED_FACTS, ["entity_id", "known_at"])[1] == ("issuer:XNYS:ZZZ", at("2015-05-01"))
    assert held(lake) == [("align", "ZZZ", 3, "unlinked_symbol")], (
        "events stay held back until they are aligned"
    )
    align_shape(lake, "events")
    assert held(lake) == []


@pytest.mark.parametrize(("shape", "row"), [("facts", fact()), ("texts", text())])
def test_what_was_made_of_a_partition_that_is_empty_now_goes(lake: Lake, shape: str, row: Row) -> None:
    list_shares(lake, listing("AAA"), listing("BBB"))
    bad = {"facts": fact("BBB", known="2015-03-30"), "texts": text("BBB", words=" ")}[shape]
    load(lake, row, bad)
    align_shape(lake, shape)
    assert validate_shape(lake, shape).rows == 1
    # The listings are corrected: nobody had these symbols then.
    late = {"first": date(2015, 6, 1)}
    frame = pl.DataFrame([listing("AAA", **late), listing("BBB", **late)])
    lake.update(LISTINGS, LISTINGS.conform(frame), lambda there: LISTINGS.conform(frame))
    align_shape(lake, shape)
    validate_shape(lake, shape)
    assert rows_of(lake, SHAPES[shape].aligned) == rows_of(lake, SHAPES[shape].validated) == []
    assert [rule for *_, rule in held(lake)] == ["unlinked_symbol"] * 2, "nothing of validation stays"


def test_a_re_used_ticker_is_told_apart_by_the_day_of_the_fact(lake: Lake) -> None:
    old, new = (
        {"first": date(2000, 1, 1), "last": date(2008, 1, 1)},
        {"first": date(2012, 1, 1), "last": None},
    )
    list_shares(lake, listing("AAA", "XNYS:OLD", **old), listing("AAA", "XNYS:NEW", **new))
    load(lake, *(text(ts=f"{year}-03-03", words=str(year)) for year in (2003, 2010, 2015)))
    align_shape(lake, "texts")
    assert rows_of(lake, ALIGNED_TEXTS, ["text", "entity_id"]) == [
        ("2003", "issuer:XNYS:OLD"),
        ("2015", "issuer:XNYS:NEW"),
    ]
    assert held(lake) == [("align", "AAA", 2, "unlinked_symbol")]


def test_a_link_by_a_later_decision_is_known_with_the_decision(lake: Lake) -> None:
    list_shares(lake, listing("AAA"))
    load(lake, fact("ZZZ", known="2015-05-01"), fact("ZZZ", known="2018-01-01", value=2.0))
    decide(lake, "ZZZ", "XNYS:AAA", at("2016-02-02"))
    align_shape(lake, "facts")
    told = rows_of(lake, ALIGNED_FACTS, ["entity_id", "value", "known_at"])
    assert told == [("issuer:XNYS:AAA", 1.0, at("2016-02-02")), ("issuer:XNYS:AAA", 2.0, at("2018-01-01"))]


def test_what_was_replaced_before_anybody_could_link_it_is_not_told(lake: Lake) -> None:
    list_shares(lake, listing("AAA"))
    load(lake, fact("ZZZ", known="2015-05-01"), fact("ZZZ", known="2015-06-01", value=2.0))
    decide(lake, "ZZZ", "XNYS:AAA", at("2016-02-02"))
    align_shape(lake, "facts")
    assert rows_of(lake, ALIGNED_FACTS, ["value", "known_at"]) == [(2.0, at("2016-02-02"))]
    assert held(lake) == [("align", "ZZZ", 1, "superseded_before_link")]


def test_an_older_figure_that_is_linked_late_replaces_no_newer_one(lake: Lake) -> None:
    list_shares(lake, listing("AAA"))
    load(
        lake,
        fact("ZZZ", known="2015-05-01"),
        fact("AAA", known="2015-06-01", value=2.0),
        fact("AAA", known="2017-06-01", value=2.0),
    )
    decide(lake, "ZZZ", "XNYS:AAA", at("2016-02-02"))
    align_shape(lake, "facts")
    assert rows_of(lake, ALIGNED_FACTS, ["value", "known_at"]) == [(2.0, at("2015-06-01"))]
    assert held(lake) == [
        ("align", "ZZZ", 1, "superseded_before_link"),
        ("align", "AAA", 3, "repeated_fact"),
    ]


def test_two_share_classes_tell_one_fact(lake: Lake) -> None:
    list_shares(lake, listing("AAA"), listing("AAB"))
    share_class(lake, "XNYS:AAB", "issuer:XNYS:AAA", at("2010-01-01"))
    load(
        lake,
        fact("AAA"),
        fact("AAB"),
        fact("AAB", known="2015-06-01"),
        fact("AAB", field="assets", value=5.0),
        fact("AAA", field="assets", value=4.0),
        fact("AAB", known="2015-07-01", value=3.0),
    )
    align_shape(lake, "facts")
    told = rows_of(lake, ALIGNED_FACTS, ["entity_id", "field", "value", "known_at"])
    assert told == [
        ("issuer:XNYS:AAA", "assets", 5.0, at("2015-05-01")),
        ("issuer:XNYS:AAA", "revenues", 1.0, at("2015-05-01")),
        ("issuer:XNYS:AAA", "revenues", 3.0, at("2015-07-01")),
    ]
    assert held(lake) == [
        ("align", "AAB", 2, "repeated_fact"),
        ("align", "AAB", 3, "repeated_fact"),
        ("align", "AAA", 5, "double_fact"),
    ]


def test_a_text_under_two_tickers_of_one_company_is_one_and_of_two_companies_two(lake: Lake) -> None:
    list_shares(lake, *(listing(symbol) for symbol in ("AAA", "AAB", "BBB")))
    share_class(lake, "XNYS:AAB", "issuer:XNYS:AAA", at("2010-01-01"))
    load(lake, text("AAA"), text("AAB"), text("BBB"))
    align_shape(lake, "texts")
    assert rows_of(lake, ALIGNED_TEXTS, ["entity_id"]) == [("issuer:XNYS:AAA",), ("issuer:XNYS:BBB",)]
    assert held(lake) == [("align", "AAB", 2, "repeated_text")]


def test_a_share_class_known_later_is_a_company_of_its_own_until_then(lake: Lake) -> None:
    list_shares(lake, listing("AAA"), listing("AAB"))
    share_class(lake, "XNYS:AAB", "issuer:XNYS:AAA", at("2015-06-01"))
    load(lake, fact("AAB", known="2015-05-01"), fact("AAB", known="2015-07-01", value=2.0))
    align_shape(lake, "facts")
    assert rows_of(lake, ALIGNED_FACTS, ["entity_id", "value"]) == [
        ("issuer:XNYS:AAA", 2.0),
        ("issuer:XNYS:AAB", 1.0),
    ]


def test_relations_link_names_that_are_known_and_keep_the_others(lake: Lake) -> None:
    list_shares(lake, listing("AAA"))
    load(
        lake,
        claim("AAA", "Aaa Industries Inc.", "2015-05-05"),
        relation("Aaa Industries Inc.", "somebody", "2015-05-03"),
        relation("Aaa Industries", "somebody", "2015-05-10"),
        relation("Aaa Industries Inc.", "somebody", "2015-05-10", weight=2.0),
    )
    align_shape(lake, "relations")
    told = rows_of(lake, ALIGNED_RELATIONS, ["subject_id", "object_id", "weight", "ts", "known_at"])
    assert told == [
        # Whose name it is became known two days later: from then on, and no earlier, it is the company's.
        ("issuer:XNYS:AAA", "name:wire:somebody", 1.0, at("2015-05-03"), at("2015-05-05")),
        ("issuer:XNYS:AAA", "name:wire:somebody", 3.0, at("2015-05-10"), at("2015-05-10")),
        ("name:wire:Aaa Industries Inc.", "name:wire:somebody", 1.0, at("2015-05-03"), at("2015-05-03")),
        ("name:wire:Aaa Industries Inc.", "name:wire:somebody", 0.0, at("2015-05-03"), at("2015-05-05")),
    ]
    assert held(lake) == [("align", "Aaa Industries Inc.", 4, "counted_together")]


def test_weights_of_two_names_add_up_as_each_is_revised(lake: Lake) -> None:
    list_shares(lake, listing("AAA"))
    names = [claim("AAA", "Aaa Inc."), claim("AAA", "Triple Alpha Inc.")]
    first, second = "Aaa Inc.", "Triple Alpha Inc."
    load(
        lake,
        *names,
        relation(first, "x", known="2015-05-03", weight=1.0),
        relation(second, "x", known="2015-06-01", weight=2.0),
        relation(first, "x", known="2015-07-01", weight=4.0),
    )
    align_shape(lake, "relations")
    assert rows_of(lake, ALIGNED_RELATIONS, ["subject_id", "weight"]) == [
        ("issuer:XNYS:AAA", weight) for weight in (1.0, 3.0, 6.0)
    ]


def test_a_link_of_a_revised_relation_moves_only_what_still_holds(lake: Lake) -> None:
    list_shares(lake, listing("AAA"))
    load(
        lake,
        claim("AAA", "Aaa Inc.", "2015-06-01"),
        claim("AAA", "Triple Alpha Inc.", "2015-06-01"),
        relation("Aaa Inc.", "x", known="2015-05-03", weight=1.0),
        relation("Aaa Inc.", "x", known="2015-05-10", weight=5.0),
        relation("Triple Alpha Inc.", "x", known="2015-05-10", weight=0.3),
    )
    align_shape(lake, "relations")
    told = rows_of(lake, ALIGNED_RELATIONS, ["subject_id", "weight", "known_at"])
    assert told == [
        ("issuer:XNYS:AAA", 5.3, at("2015-06-01")),
        ("name:wire:Aaa Inc.", 1.0, at("2015-05-03")),
        ("name:wire:Aaa Inc.", 5.0, at("2015-05-10")),
        ("name:wire:Aaa Inc.", 0.0, at("2015-06-01")),
        ("name:wire:Triple Alpha Inc.", 0.3, at("2015-05-10")),
        ("name:wire:Triple Alpha Inc.", 0.0, at("2015-06-01")),
    ]
    assert held(lake) == []
    assert validate_shape(lake, "relations").rows == 6


PASSES = {"facts": fact(), "events": event(), "texts": text(), "relations": relation()}
FAILS: list[tuple[str, str, Row]] = [
    ("facts", "finite_fact", fact(value=math.inf)),
    ("facts", "finite_fact", fact(value=math.nan)),
    ("facts", "future_fact", fact(known="2015-03-30")),
    ("facts", "impossible_period", fact(period="H1")),
    ("facts", "impossible_period", fact(ts="1915-03-31")),
    ("facts", "not_negative", fact(field="assets", value=-1.0)),
    ("facts", "possible_amount", fact(value=1e14)),
    ("facts", "possible_amount", fact(field="eps_basic", unit="USD/share", value=-1367000.0)),
    ("facts", "filed_after_period", fact(known="2015-04-01")),
    ("facts", "filed_after_period", fact(form="10-K", known="2015-04-09")),
    ("events", "finite_event", event(value=math.inf)),
    ("events", "future_event", event(known="2015-04-30")),
    ("events", "named_event", event(kind=" ")),
    ("texts", "empty_text", text(words=" \n\t")),
    ("texts", "future_text", text(known="2015-05-01T11:59")),
    ("relations", "finite_relation", relation(weight=math.nan)),
    ("relations", "future_relation", relation(known="2015-05-02")),
    ("relations", "self_relation", relation("Ann", "Ann")),
    ("relations", "named_relation", relation("Ann", "")),
    ("relations", "named_relation", relation(relation="")),
    ("relations", "no_negative_weight", relation(weight=-1.0)),
]


@pytest.mark.parametrize(("shape", "rule", "row"), FAILS)
def test_a_row_that_fails_a_rule_is_held_back_with_its_line(
    lake: Lake, shape: str, rule: str, row: Row
) -> None:
    list_shares(lake, listing("AAA"), listing("BBB"))
    good = {**PASSES[shape], **({"symbol": "BBB"} if "symbol" in row else {"subject": "Cleo"})}
    load(lake, row, good)
    align_shape(lake, shape)
    done = validate_shape(lake, shape)
    assert (done.rows_in, done.rows) == (2, 1), "the good one goes on"
    (found,) = lake.revisions(QUARANTINE).collect().rows(named=True)
    assert (found["rule"], found["stage"], found["exchange"]) == (rule, "validate", "ALTERNATIVE")
    assert (found["file"], found["line"]) == ("wire/history/a.jsonl", 1)
    assert "; " in found["reason"]
    validate_shape(lake, shape)
    assert lake.revisions(QUARANTINE).collect().height == 1


def test_every_blocking_rule_has_a_row_that_fails_it() -> None:
    blocking = {
        rule.name
        for shape in SHAPES.values()
        for rule in rules_of(shape.validated)
        if rule.severity == "blocking"
    }
    # Readers make the partition of the moment: no line of a file can fail those (test_rules_alternative.py).
    partition = {"year_of_fact", "year_of_event", "day_of_text", "year_of_relation"}
    assert {rule for _, rule, _ in FAILS} == blocking - partition


def test_warnings_go_on_and_are_counted(lake: Lake) -> None:
    list_shares(lake, listing("AAA"))
    rows = [
        fact(field="cash", value=-1.0),
        fact(known="2019-01-01"),
        fact(field="eps_basic", unit="USD/share", value=900.0),
    ]
    load(lake, *rows, fact(field="eps_estimate", unit="USD/share", known="2026-01-01"))
    align_shape(lake, "facts")
    done = validate_shape(lake, "facts")
    assert done.rows == 4
    counted = {rule: count for rule, count in done.warnings.items() if count}
    assert counted == {"usual_earnings": 1, "cash_not_negative": 1, "timely": 1}


def test_what_is_announced_beforehand_may_be_known_beforehand(lake: Lake) -> None:
    list_shares(lake, listing("AAA"))
    load(
        lake,
        event(kind="earnings_scheduled", known="2015-01-01"),
        fact(field="eps_estimate", known="2015-01-01"),
    )
    for shape in ("facts", "events"):
        align_shape(lake, shape)
        assert validate_shape(lake, shape).rows == 1


def test_small_blocks_give_the_same_tables_and_nothing_is_committed_twice(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        fact(symbol, f"{year}-03-31", f"{year}-05-01")
        for year in (2013, 2014, 2015)
        for symbol in ("AAA", "Z")
    ]
    other = Lake(tmp_path / "other" / "lake")
    for where in (lake, other):
        list_shares(where, listing("AAA"))
        load(where, *rows)
        align_shape(where, "facts")
        validate_shape(where, "facts")
        monkeypatch.setattr(steps, "BLOCK_ROWS", 1)
    for table in (ALIGNED_FACTS, VALIDATED_FACTS, QUARANTINE):
        assert rows_of(lake, table) == rows_of(other, table)
    assert len(rows_of(lake, VALIDATED_FACTS)) == 3
    before: list[Any] = [lake.version(table) for table in (ALIGNED_FACTS, VALIDATED_FACTS, QUARANTINE)]
    assert (align_shape(lake, "facts").changed, validate_shape(lake, "facts").changed) == (0, 0)
    assert [lake.version(table) for table in (ALIGNED_FACTS, VALIDATED_FACTS, QUARANTINE)] == before
