"""Whose facts a decision reads when several listings are one company's, as it was known then."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
from entity_world import claim, claims, decisions, listing, listings, stays
from inputs_world import NAMES, Facts, random_facts, world

from lim_pipelines.entities.master import build
from lim_pipelines.inputs.build import build_inputs
from lim_pipelines.inputs.companies import companies, shares
from lim_pipelines.inputs.linked import newest_known
from lim_pipelines.schemas import MODEL_INPUTS, UTC_TIME

BEFORE, AFTER = date(2014, 12, 30), date(2015, 1, 5)


def at(year: int, month: int = 1, day: int = 1) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


def asked(*instruments: str) -> pl.DataFrame:
    days = ((BEFORE, at(2014, 12, 31)), (AFTER, at(2015, 1, 6)))
    return pl.DataFrame(
        [("XNAS", day, name, moment) for name in instruments for day, moment in days],
        schema={
            "exchange": pl.String,
            "date": pl.Date,
            "instrument_id": pl.String,
            "decided_at": UTC_TIME,
        },
        orient="row",
    )


def two_classes() -> pl.DataFrame:
    """Links of two listings that turn out to be one company's on New Year 2015."""
    said = [claim("v", one, "named", "Goo Inc.", at(year)) for one, year in (("GOO", 2013), ("GOOC", 2015))]
    both = [listing("lean", one, f"XNAS:{one}", priority=1) for one in ("GOO", "GOOC")]
    return build(listings(*both), claims(*said), stays(), decisions()).links


def test_what_was_told_of_either_share_counts_for_both_once_they_are_one_company() -> None:
    found = companies(asked("XNAS:GOO", "XNAS:GOOC"), two_classes())
    names = ("entity_id", "ts", "known_at", "value")
    facts = pl.DataFrame(
        [
            ("issuer:XNAS:GOOC", at(2013, 12, 31), at(2014, 3), 7.0),
            ("issuer:XNAS:GOO", at(2013, 9, 30), at(2013, 11), 5.0),
            # Told of both at once: the company's own name counts.
            ("issuer:XNAS:GOO", at(2013, 12, 31), at(2014, 3), 8.0),
        ],
        schema=dict(zip(names, (pl.String(), UTC_TIME, UTC_TIME, pl.Float64()), strict=True)),
        orient="row",
    )

    def values(rows: pl.DataFrame) -> dict[tuple[str, date], float | None]:
        told = found.theirs(rows, ["entity_id", "ts", "known_at"])
        joined = newest_known(found.rows, told, "x", ["value"], None)
        return {(row["instrument_id"], row["date"]): row["x.value"] for row in joined.iter_rows(named=True)}

    assert values(facts.head(2)) == {
        ("XNAS:GOO", BEFORE): 5.0,
        ("XNAS:GOOC", BEFORE): 7.0,
        ("XNAS:GOO", AFTER): 7.0,
        ("XNAS:GOOC", AFTER): 7.0,
    }
    assert values(facts)["XNAS:GOOC", AFTER] == 8.0


def test_one_share_under_other_units_or_a_guessed_exchange_is_no_second_class() -> None:
    fb = [listing("lean", "FB", "XNAS:FB", priority=1), listing("pystock", "FB", "XNYS:FB", priority=8)]
    fb.append(listing("other", "FB", "XNAS:FB@2017", priority=9))
    links = build(listings(*fb), claims(), stays(), decisions()).links
    found = companies(asked("XNAS:FB", "XNYS:FB", "XNAS:FB@2017"), links)
    assert found.rows["shares"].to_list() == [1] * 6
    assert found.rows["entity_id"].n_unique() == 1

    both = companies(asked("XNAS:GOO", "XNAS:GOOC"), two_classes()).rows
    assert dict(both.group_by("date").agg(pl.col("shares").max()).iter_rows()) == {BEFORE: 1, AFTER: 2}
    alone = pl.DataFrame({"instrument_id": ["XNAS:X@2017"], "on": [AFTER], "known_at": [at(2016)]})
    assert shares(links, alone.cast({"known_at": UTC_TIME}))["share"].to_list() == ["XNAS:X"]


def test_a_companys_ratio_and_its_peers_do_not_suffer_from_a_second_listing_of_the_share(
    tmp_path: Path,
) -> None:
    facts = random_facts(3)
    days = pl.date_range(date(2015, 8, 24), date(2015, 8, 28), eager=True)
    scope = pl.DataFrame({"date": days}).select(exchange=pl.lit("XNAS"), date="date")
    own = [listing("lean", name.split(":")[1], name, priority=1) for name in NAMES]
    more = [listing("other", name.split(":")[1], f"{name}@2017", priority=9) for name in NAMES]
    said = claims(*(claim("v", name.split(":")[1], "in_industry", "GICS/A", at(2014)) for name in NAMES))
    found = []
    for listed in (own, own + more):
        links = build(listings(*listed), said, stays(), decisions()).links
        lake, vectors = world(tmp_path / str(len(listed)), Facts({**facts.tables, "entity_links": links}))
        build_inputs(lake, vectors, scope)
        rows = lake.revisions(MODEL_INPUTS, pl.col("block").is_in(["fundamentals", "membership"])).collect()
        found.append(rows.select("date", "instrument_id", "block", "values").sort(pl.all().exclude("values")))
    assert found[0].equals(found[1])
    peers = found[0].filter(pl.col("block") == "membership")["values"].list.get(1)
    assert peers.unique().to_list() == [len(NAMES) - 1]
    assert found[0].filter(pl.col("block") == "fundamentals")["values"].list.get(0).is_finite().any()
