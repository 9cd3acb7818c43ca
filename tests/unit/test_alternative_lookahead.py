"""No look-ahead, proved for every aligned and validated table of alternative data, through the real lake.

Two worlds share all that is known up to a moment t. In the second, everything known after t is changed or
gone: figures, events, texts, relations, claims about names, links between companies, people's decisions. Not
one bit that is known at t or before may differ. Deliveries come in the order of what they tell, as vendors'
drops do; listings are the same in both, because their own dates say when they hold.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from alternative_world import WIRE, Row, claim, event, fact, list_shares, listing, relation, send, text
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lim_pipelines.alternative.load import load_raw
from lim_pipelines.alternative.steps import SHAPES, align_shape, validate_shape
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import ENTITY_LINKS, LINK_REVIEWS, Table

FIRST = datetime(2015, 5, 1, tzinfo=UTC)
DAYS = 10
SYMBOLS = ("AAA", "AAB", "BBB", "ZZZ")
NAMES = ("Aaa Industries Inc.", "Bbb Mining Corp.", "nobody")
TABLES = [table for shape in SHAPES.values() for table in (shape.aligned, shape.validated)]


def day(number: int) -> str:
    return (FIRST + timedelta(days=number)).strftime("%Y-%m-%dT%H:%M")


@st.composite
def rows(draw: st.DrawFn, first: int = 0) -> Row:
    """A row that becomes known on some day, of one of few symbols, moments and values."""
    known = draw(st.integers(first, DAYS))
    ts = day(draw(st.integers(max(known - 3, 0), known + (draw(st.integers(0, 9)) == 0))))
    symbol, value = draw(st.sampled_from(SYMBOLS)), float(draw(st.integers(1, 3)))
    kind = draw(st.sampled_from(["fact", "event", "text", "relation"]))
    if kind == "fact":
        # Days after its period: no 10-Q ever was that quick.
        return fact(symbol, ts, day(known), value, form="8-K")
    if kind == "event":
        return event(symbol, ts, day(known), value=value, unit="percent")
    if kind == "text":
        return text(symbol, ts, draw(st.sampled_from(["up", "down", "  "])), day(known))
    names = draw(st.sampled_from(NAMES)), draw(st.sampled_from(NAMES))
    return relation(*names, ts=ts, known=day(known), weight=value)


def identity(row: Row) -> tuple[Any, ...]:
    """What may be there once at a moment."""
    return tuple(
        row.get(name) for name in ("table", "symbol", "subject", "object", "ts", "text_id", "known_at")
    )


@st.composite
def worlds(draw: st.DrawFn) -> tuple[datetime, list[Row], list[Row], dict[str, int]]:
    """A moment, the rows of both worlds, and the days on which links become known."""
    t = draw(st.integers(1, DAYS - 1))
    one = draw(st.lists(rows(), min_size=6, max_size=20, unique_by=identity))
    moment = FIRST + timedelta(days=t)
    early = [row for row in one if datetime.fromisoformat(row["known_at"]) <= moment]
    late = [row for row in one if row not in early]
    fates = draw(st.lists(st.sampled_from("kdc"), min_size=len(late), max_size=len(late)))
    other = [
        row if fate == "k" or "value" not in row else {**row, "value": row["value"] * 7}
        for row, fate in zip(late, fates, strict=True)
        if fate != "d"
    ]
    new = draw(st.lists(rows(first=t + 1), max_size=5, unique_by=identity))
    taken = {identity(row) for row in one}
    links = {name: draw(st.integers(0, DAYS)) for name in ("class", "name", "decision")}
    return moment, one, [*early, *other, *(row for row in new if identity(row) not in taken)], links


def made(folder: Path, given_rows: Sequence[Row], links: dict[str, int]) -> Lake:
    """A lake that everything went through."""
    lake, landing = Lake(folder / "lake"), folder / "landing"
    list_shares(lake, *(listing(symbol) for symbol in SYMBOLS[:3]))
    since = {name: FIRST + timedelta(days=number) for name, number in links.items()}
    if "class" in links:
        row = {"relation": "issued_by", "child": "XNYS:AAB", "parent": "issuer:XNYS:AAA", "score": 1.0}
        row |= {"first": date(2010, 1, 1), "last": None, "method": "vendor", "source": "wire"}
        _write(lake, ENTITY_LINKS, {**row, "known_at": since["class"]})
    if "decision" in links:
        row = {"source": "wire", "name": "ZZZ", "candidate": "XNYS:BBB", "score": 1.0, "method": "person"}
        row |= {"state": "accepted", "reason": "decided", "decided_by": "a person", "rows": 0}
        _write(lake, LINK_REVIEWS, {**row, "known_at": since["decision"]})
    claims = [claim("BBB", NAMES[1], "2015-01-01")]
    if "name" in links:
        claims.append(claim("AAA", NAMES[0], day(links["name"])))
    ordered = sorted([*claims, *given_rows], key=lambda row: str(row["known_at"]))
    # Deliveries end where they would, whatever comes later.
    for number, (begin, end) in enumerate(pairwise((-999, 4, 7, 999))):
        span = FIRST + timedelta(days=begin), FIRST + timedelta(days=end)
        told = [row for row in ordered if span[0] < datetime.fromisoformat(row["known_at"]) <= span[1]]
        send(landing, f"{number}", *told)
    assert not load_raw(lake, landing).refused
    for shape in SHAPES:
        align_shape(lake, shape)
        validate_shape(lake, shape)
    return lake


def _write(lake: Lake, table: Table, row: Row) -> None:
    frame = pl.DataFrame([row], schema=table.schema)
    lake.write(table, frame, frame)


def known_by(lake: Lake, table: Table, moment: datetime) -> pl.DataFrame:
    """Rows without the line they stood on: a line may move when later ones go."""
    return lake.revisions(table, pl.col("known_at") <= moment).sort(table.row_key).drop("line").collect()


@pytest.fixture(autouse=True)
def _the_wire_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lim_pipelines.sources.ALTERNATIVE_SOURCES", (WIRE,))


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(worlds())
def test_what_is_known_later_changes_no_bit_of_what_was_known(
    given_worlds: tuple[datetime, list[Row], list[Row], dict[str, int]],
) -> None:
    moment, one_rows, other_rows, links = given_worlds
    early = {name: number for name, number in links.items() if FIRST + timedelta(days=number) <= moment}
    with tempfile.TemporaryDirectory() as folder:
        one = made(Path(folder) / "one", one_rows, links)
        other = made(Path(folder) / "other", other_rows, early)
        for table in TABLES:
            expected, found = known_by(one, table, moment), known_by(other, table, moment)
            assert found.equals(expected), (table.name, expected, found)


def test_the_worlds_hold_something_and_differ_after_the_moment(tmp_path: Path) -> None:
    moment = FIRST + timedelta(days=5)
    early = [
        fact("AAA", day(1), day(2), form="8-K"),
        fact("ZZZ", day(1), day(2), form="8-K"),
        event("BBB", day(3), day(3)),
        text("AAB", day(2)),
        relation(NAMES[0], NAMES[1], day(4)),
    ]
    late = [
        fact("AAA", day(1), day(6), 2.0, form="8-K"),
        event("BBB", day(7), day(7)),
        text("AAB", day(8), "x"),
    ]
    late.append(relation(NAMES[1], NAMES[0], day(9)))
    links = {"class": 6, "name": 6, "decision": 6}
    one, other = made(tmp_path / "one", [*early, *late], links), made(tmp_path / "other", early, {})
    for table in TABLES:
        # The figure of ZZZ waits for a link that comes later; the relation of AAA is one of names until then.
        assert known_by(one, table, moment).height == 1, table.name
        assert known_by(one, table, moment).equals(known_by(other, table, moment)), table.name
        assert not known_by(one, table, moment + timedelta(days=9)).equals(
            known_by(other, table, moment + timedelta(days=9))
        )
    waited = one.revisions(SHAPES["facts"].validated, pl.col("entity_id") == "issuer:XNYS:BBB").collect()
    assert waited["known_at"].to_list() == [FIRST + timedelta(days=6)], "known with the decision, no earlier"
