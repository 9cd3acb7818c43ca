"""Rules of alternative data: each by the row that it is for, and by one beside it that is right."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from lim_pipelines.schemas import (
    VALIDATED_EVENTS,
    VALIDATED_FACTS,
    VALIDATED_RELATIONS,
    VALIDATED_TEXTS,
    Table,
)
from lim_pipelines.validate.gate import validate
from lim_pipelines.validate.prepare import prepare
from lim_pipelines.validate.rules import rules_of

Row = dict[str, Any]
END = datetime(2015, 3, 31, 23, 59, 59, tzinfo=UTC)
TUESDAY = datetime(2015, 5, 5, 20, 30, tzinfo=UTC)
SUNDAY = datetime(2015, 5, 3, tzinfo=UTC)
LATER = timedelta(days=30)
FROM = {"source": "wire", "file": "f", "line": 1}

FACT: Row = FROM | {"entity_id": "issuer:cik:1", "year": 2015, "field": "revenues", "period": "Q", "ts": END}
FACT |= {"value": 5.0, "unit": "USD", "form": "10-Q", "known_at": END + LATER}
EVENT: Row = FROM | {"entity_id": "issuer:cik:1", "year": 2015, "kind": "filing", "ts": TUESDAY}
EVENT |= {"known_at": TUESDAY, "detail": "10-Q"}
TEXT: Row = FROM | {"entity_id": "issuer:cik:1", "date": TUESDAY.date(), "ts": TUESDAY, "known_at": TUESDAY}
TEXT |= {"text_id": "0" * 16, "text": "up we go"}
RELATION: Row = FROM | {"subject_id": "name:w:ann", "object_id": "name:w:bob", "year": 2015, "ts": SUNDAY}
RELATION |= {"relation": "Owns", "known_at": SUNDAY, "source": "findkg"}

GOOD = {
    VALIDATED_FACTS.name: (VALIDATED_FACTS, FACT),
    VALIDATED_EVENTS.name: (VALIDATED_EVENTS, EVENT),
    VALIDATED_TEXTS.name: (VALIDATED_TEXTS, TEXT),
    VALIDATED_RELATIONS.name: (VALIDATED_RELATIONS, RELATION),
}
SATURDAY_NIGHT = datetime(2015, 5, 10, 1, tzinfo=UTC)
FRIDAY_NIGHT = datetime(2015, 5, 9, 1, tzinfo=UTC)
SCRAPED = {"field": "eps_estimate", "unit": "USD/share", "form": None, "known_at": END + timedelta(days=4000)}

WRONG: list[tuple[str, str, Row]] = [
    ("validated_facts", "finite_fact", {"value": float("nan")}),
    ("validated_facts", "future_fact", {"known_at": END - timedelta(seconds=1)}),
    ("validated_facts", "impossible_period", {"period": "week"}),
    ("validated_facts", "impossible_period", {"known_at": END + timedelta(days=60 * 365)}),
    ("validated_facts", "not_negative", {"field": "assets", "value": -1.0}),
    ("validated_facts", "not_negative", {"field": "dividend", "unit": "USD/share", "value": -0.1}),
    ("validated_facts", "possible_amount", {"value": 1e14}),
    ("validated_facts", "possible_amount", {"field": "eps_basic", "unit": "USD/share", "value": -2e5}),
    ("validated_facts", "usual_earnings", {"field": "eps_basic", "unit": "USD/share", "value": 501.0}),
    ("validated_facts", "cash_not_negative", {"field": "cash", "value": -1.0}),
    ("validated_facts", "filed_after_period", {"known_at": END}),
    ("validated_facts", "filed_after_period", {"known_at": END + timedelta(days=4.9)}),
    ("validated_facts", "filed_after_period", {"form": "10-K/A", "known_at": END + timedelta(days=9.9)}),
    ("validated_facts", "early_figure", {"form": None, "known_at": END + timedelta(hours=23)}),
    ("validated_facts", "usual_unit", {"unit": "EUR"}),
    ("validated_facts", "revenues_not_negative", {"value": -1.0}),
    ("validated_facts", "timely", {"known_at": END + timedelta(days=1200)}),
    ("validated_facts", "year_of_fact", {"year": 2014}),
    ("validated_events", "finite_event", {"value": float("inf")}),
    ("validated_events", "future_event", {"known_at": TUESDAY - timedelta(seconds=1)}),
    ("validated_events", "named_event", {"kind": " "}),
    ("validated_events", "filed_on_a_weekday", {"ts": SATURDAY_NIGHT, "known_at": SATURDAY_NIGHT}),
    ("validated_events", "timely_event", {"known_at": TUESDAY + timedelta(days=1200)}),
    ("validated_events", "year_of_event", {"year": 2016}),
    ("validated_texts", "empty_text", {"text": "\n "}),
    ("validated_texts", "future_text", {"known_at": TUESDAY - timedelta(seconds=1)}),
    ("validated_texts", "readable_text", {"text": "don\ufffdt"}),
    ("validated_texts", "readable_text", {"text": "up\x00"}),
    ("validated_texts", "timely_text", {"known_at": TUESDAY + timedelta(days=1200)}),
    ("validated_texts", "day_of_text", {"date": TUESDAY.date() - timedelta(days=1)}),
    ("validated_relations", "finite_relation", {"weight": float("nan")}),
    ("validated_relations", "future_relation", {"known_at": SUNDAY - timedelta(seconds=1)}),
    ("validated_relations", "self_relation", {"object_id": RELATION["subject_id"]}),
    ("validated_relations", "named_relation", {"object_id": "name:w:"}),
    ("validated_relations", "no_negative_weight", {"weight": -1.0}),
    ("validated_relations", "whole_weeks", {"ts": TUESDAY, "known_at": TUESDAY}),
    ("validated_relations", "year_of_relation", {"year": 2016}),
]
RIGHT: list[tuple[str, Row]] = [
    *((name, {}) for name in GOOD),
    ("validated_facts", {"known_at": END + timedelta(days=5)}),
    ("validated_facts", {"form": None, "known_at": END + timedelta(days=1)}),
    ("validated_facts", {**SCRAPED, "known_at": END - LATER}),
    ("validated_facts", SCRAPED),
    ("validated_facts", {"field": "tweets", "unit": "tweets", "value": -1.0, "form": None}),
    ("validated_events", {"ts": FRIDAY_NIGHT, "known_at": FRIDAY_NIGHT}),
    ("validated_events", {"kind": "earnings_scheduled", "known_at": TUESDAY - LATER}),
    ("validated_events", {"kind": "earnings_release", "ts": SATURDAY_NIGHT, "known_at": SATURDAY_NIGHT}),
    ("validated_texts", {"text": "l\u00e4uft \U0001f680\n"}),
    ("validated_relations", {"source": "wire", "ts": TUESDAY, "known_at": TUESDAY}),
]


def failing(table: Table, *rows: Row) -> set[str]:
    """Names of the rules that some of the rows fail."""
    prepared = prepare(table.conform(pl.DataFrame(rows)), table)
    return {rule.name for rule in rules_of(table) if not prepared.select(rule.passes().all()).item()}


@pytest.mark.parametrize(("name", "rule", "change"), WRONG)
def test_what_is_wrong_fails_the_rule_that_is_for_it(name: str, rule: str, change: Row) -> None:
    table, good = GOOD[name]
    assert rule in failing(table, good | change)
    severity = next(one.severity for one in rules_of(table) if one.name == rule)
    outcome = validate(table.conform(pl.DataFrame([good | change])), table)
    if severity == "warning":
        assert outcome.warnings[rule] == outcome.rows.height == 1
    else:
        assert rule in outcome.quarantined["reason"].item()


@pytest.mark.parametrize(("name", "change"), RIGHT)
def test_what_is_right_fails_nothing(name: str, change: Row) -> None:
    table, good = GOOD[name]
    assert failing(table, good | change) == set()


def test_every_rule_has_a_row_that_fails_it() -> None:
    meant = {(name, rule) for name, rule, _ in WRONG}
    meant |= {("validated_facts", "part_of_assets"), ("validated_facts", "sign_of_earnings")}
    assert meant == {(name, rule.name) for name, (table, _) in GOOD.items() for rule in rules_of(table)}


def figures(**values: float) -> list[Row]:
    """Figures of one filing."""
    units = {"eps_basic": "USD/share"}
    rows = [FACT | {"field": field, "value": value} for field, value in values.items()]
    return [row | {"unit": units.get(row["field"], "USD")} for row in rows]


def test_figures_of_a_filing_are_held_against_each_other() -> None:
    assert failing(VALIDATED_FACTS, *figures(assets=10.0, cash=10.0, cur_assets=3.0)) == set()
    assert failing(VALIDATED_FACTS, *figures(assets=10.0, cash=10.1)) == {"part_of_assets"}
    assert failing(VALIDATED_FACTS, *figures(assets=10.0, cur_assets=11.0)) == {"part_of_assets"}
    assert failing(VALIDATED_FACTS, *figures(net_income=-1.0, eps_basic=0.2)) == {"sign_of_earnings"}
    assert failing(VALIDATED_FACTS, *figures(net_income=1.0, eps_basic=-0.2)) == set()
    assert failing(VALIDATED_FACTS, *figures(net_income=-1.0, eps_basic=0.0)) == set()
    # Another period's, company's or filing's figures are no measure.
    for other in ({"period": "YTD"}, {"entity_id": "issuer:cik:2"}, {"known_at": END + 2 * LATER}):
        (assets,) = figures(assets=10.0)
        assert failing(VALIDATED_FACTS, assets | other, *figures(cash=11.0)) == set()
