"""Entities to instruments against a slow loop that is obviously right."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.entities.expand import members, parents
from lim_pipelines.entities.known import FOREVER
from lim_pipelines.entities.rivals import told_apart
from lim_pipelines.schemas import ENTITY_LINKS

T = datetime(2015, 8, 24, tzinfo=UTC)
INSTRUMENTS = ("XNYS:A", "XNYS:B", "XNAS:C")
ISSUERS = tuple(f"issuer:{name}" for name in INSTRUMENTS)
CHOICES = {
    "issued_by": (INSTRUMENTS, ISSUERS),
    "in_industry": (ISSUERS, ("industry:g/E", "industry:g/F", "industry:n/E")),
    "in_country": (ISSUERS, ("country:US", "country:IE")),
    "member_of": (INSTRUMENTS, ("index:SPX", "index:NDX")),
    "quoted_in": (INSTRUMENTS, ("currency:USD",)),
    "on_commodity": (INSTRUMENTS, ("commodity:Gold",)),
}
ENTITIES = (*ISSUERS, *(parent for _, some in list(CHOICES.values())[1:] for parent in some))
moments = st.integers(0, 5).map(lambda n: T + timedelta(days=n))
days = st.integers(0, 5).map(lambda n: T.date() + timedelta(days=n))


@st.composite
def some_links(draw: st.DrawFn) -> pl.DataFrame:
    rows = []
    for _ in range(draw(st.integers(0, 12))):
        relation = draw(st.sampled_from(sorted(CHOICES)))
        children, above = CHOICES[relation]
        rows.append(
            {
                "relation": relation,
                "child": draw(st.sampled_from(children)),
                "parent": draw(st.sampled_from(above)),
                "first": draw(st.sampled_from((date(1900, 1, 1), T.date() + timedelta(days=2)))),
                "last": draw(st.one_of(st.none(), days)),
                "score": 1.0,
                "method": "vendor",
                "source": draw(st.sampled_from(("s", "t"))),
                "known_at": draw(moments),
            }
        )
    frame = pl.DataFrame(rows, schema={**ENTITY_LINKS.schema})
    return ENTITY_LINKS.conform(frame.unique(ENTITY_LINKS.row_key, keep="first", maintain_order=True))


def holding(links: list[dict[str, Any]], relation: str, child: str, on: date, moment: datetime) -> set[str]:
    """Parents of a child, by reading every link in turn."""
    newest: dict[tuple[str, date, str], dict[str, Any]] = {}
    for link in sorted(links, key=lambda one: one["known_at"]):
        if link["relation"] == relation and link["child"] == child and link["known_at"] <= moment:
            newest[link["parent"], link["first"], link["source"]] = link
    held = [link for link in newest.values() if link["first"] <= on <= (link["last"] or FOREVER)]
    best: dict[str, dict[str, Any]] = {}
    for link in held:
        of = {"member_of": link["parent"], "in_industry": link["parent"].split("/")[0]}.get(relation, "")
        other = best.get(of)
        if other is None or (-link["known_at"].timestamp(), link["parent"]) < (
            -other["known_at"].timestamp(),
            other["parent"],
        ):
            best[of] = link
    return {link["parent"] for link in best.values()}


def issuer(links: list[dict[str, Any]], instrument: str, on: date, moment: datetime) -> str:
    return next(iter(holding(links, "issued_by", instrument, on, moment)), f"issuer:{instrument}")


def slow_parents(
    links: list[dict[str, Any]], instrument: str, relation: str, on: date, moment: datetime
) -> set[str]:
    if relation == "issued_by":
        return {issuer(links, instrument, on, moment)}
    child = issuer(links, instrument, on, moment) if relation in ("in_industry", "in_country") else instrument
    return holding(links, relation, child, on, moment)


def slow_members(links: list[dict[str, Any]], entity: str, on: date, moment: datetime) -> set[str]:
    kind = entity.split(":")[0]
    if kind == "issuer":
        now = issuer(links, entity.removeprefix("issuer:"), on, moment)
        return {name for name in INSTRUMENTS if issuer(links, name, on, moment) == now}
    if kind in ("industry", "country"):
        children = [one for one in ISSUERS if entity in holding(links, f"in_{kind}", one, on, moment)]
        return {name for one in children for name in slow_members(links, one, on, moment)}
    relation = {"index": "member_of", "currency": "quoted_in", "commodity": "on_commodity"}[kind]
    return {name for name in INSTRUMENTS if entity in holding(links, relation, name, on, moment)}


@given(some_links(), days, moments)
@settings(max_examples=40)
def test_members_are_those_of_the_slow_loop(links: pl.DataFrame, on: date, moment: datetime) -> None:
    asked = pl.DataFrame(
        [(n, entity, day, moment) for n, entity in enumerate(ENTITIES) for day in (on, T.date())],
        schema={"n": pl.Int64, "entity_id": pl.String, "on": pl.Date, "known_at": pl.Datetime("us", "UTC")},
        orient="row",
    ).unique(maintain_order=True)
    rows = links.to_dicts()
    expected = [
        (entity, day, instrument)
        for _, entity, day, _ in asked.iter_rows()
        for instrument in sorted(slow_members(rows, entity, day, moment))
    ]
    found = members(links, asked)
    assert found.select("entity_id", "on", "instrument_id").rows() == expected
    assert found.columns == [*asked.columns, "instrument_id"]


@pytest.mark.parametrize("relation", sorted(CHOICES))
@given(links=some_links(), on=days, moment=moments)
@settings(max_examples=12)
def test_parents_are_those_of_the_slow_loop(
    relation: str, links: pl.DataFrame, on: date, moment: datetime
) -> None:
    asked = pl.DataFrame({"instrument_id": INSTRUMENTS, "on": on, "known_at": moment})
    found = parents(links, asked, relation)
    rows = links.to_dicts()
    expected = {
        (instrument, entity)
        for instrument in INSTRUMENTS
        for entity in slow_parents(rows, instrument, relation, on, moment)
    }
    assert found.select("instrument_id", "entity_id").n_unique() == found.height
    assert set(found.select("instrument_id", "entity_id").rows()) == expected


@given(some_links(), days, moments)
@settings(max_examples=40)
def test_links_told_apart_say_the_same_to_whoever_reads_them_plainly(
    links: pl.DataFrame, on: date, moment: datetime
) -> None:
    apart = told_apart(links)
    assert apart.select(ENTITY_LINKS.row_key).is_unique().all()
    known = apart.filter(pl.col("known_at") <= moment).sort("known_at").unique(ENTITY_LINKS.key, keep="last")
    holds = pl.lit(on).is_between("first", pl.col("last").fill_null(FOREVER))
    plain = set(known.filter(holds).select("relation", "child", "parent").rows())
    rows = links.to_dicts()
    assert plain == {
        (relation, child, parent)
        for relation, (children, _) in CHOICES.items()
        for child in children
        for parent in holding(rows, relation, child, on, moment)
    }
    asked = pl.DataFrame({"entity_id": ENTITIES, "on": on, "known_at": moment})
    assert members(apart, asked).equals(members(links, asked))
    past = pl.col("known_at") <= moment
    assert told_apart(links.filter(past)).equals(apart.filter(past)), "nothing known later changes it"


@given(some_links(), moments)
@settings(max_examples=25)
def test_no_future_links_known_later_change_no_members(links: pl.DataFrame, t: datetime) -> None:
    asked = pl.DataFrame({"entity_id": ENTITIES, "on": t.date(), "known_at": t})
    past = links.filter(pl.col("known_at") <= t)
    assert members(links, asked).equals(members(past, asked))
