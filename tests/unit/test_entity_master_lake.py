"""The entity master in the lake: what waits, what a decision changes, and the vendors' own files."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
from entity_world import claim, claims, decisions, listing, listings
from shared_data import folder

from lim_pipelines.alternative.entity_master import build_entities, known_names, refused_decisions
from lim_pipelines.alternative.people import decisions as known_decisions
from lim_pipelines.entities.expand import members, parents
from lim_pipelines.entities.master import build
from lim_pipelines.entities.matching import match_names
from lim_pipelines.entities.resolve import resolve
from lim_pipelines.instruments import listings as embedded
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import ENTITY_LINKS, LINK_REVIEWS, LISTINGS, RAW_CLAIMS, RAW_RELATIONS, RAW_TEXTS
from lim_pipelines.sources import ALTERNATIVE_SOURCES
from lim_pipelines.sources.sp500_members import SP500Members

T = datetime(2018, 1, 15, 5, tzinfo=UTC)
DECIDED = datetime(2020, 5, 4, 3, 2, 1, tzinfo=UTC)


def world(root: Path) -> Lake:
    """A lake with one tweet of an unknown ticker and two relations about Boeing."""
    lake = Lake(root / "lake")
    stored = (
        (LISTINGS, listings(listing("v", "BA", "XNYS:BA"), listing("v", "AXP", "XNYS:AXP"))),
        (RAW_CLAIMS, claims(claim("v", "BA", "named", "Boeing Company (The)", T))),
        (
            RAW_RELATIONS,
            pl.DataFrame(
                {
                    "source": "findkg",
                    "subject": ["Boeing", "Boeing"],
                    "object": ["Boeing Co.", "Inflation"],
                    "year": 2018,
                    "relation": "Impact",
                    "ts": T,
                    "weight": 1.0,
                    "file": "f",
                    "line": [1, 2],
                    "known_at": T,
                }
            ),
        ),
        (
            RAW_TEXTS,
            pl.DataFrame(
                {
                    **{"source": "stocknet", "symbol": "GONE", "date": T.date(), "ts": T, "text_id": "0"},
                    **{"text": "up", "file": "f", "line": 1, "known_at": T},
                }
            ),
        ),
    )
    for table, frame in stored:
        conformed = table.conform(frame)
        lake.write(table, conformed, conformed.select(table.partition_key).unique())
    return lake


def decide(landing: Path, *lines: str, name: str = "one.csv", at: datetime = DECIDED) -> None:
    where = landing / "link_decisions" / name
    where.parent.mkdir(parents=True, exist_ok=True)
    where.write_text("\n".join(["source,name,entity_id,decision,decided_by", *lines]) + "\n")
    os.utime(where, (at.timestamp(), at.timestamp()))


def waiting(lake: Lake) -> list[tuple[str, str, str, int]]:
    rows = lake.revisions(LINK_REVIEWS, pl.col("state") == "pending").collect()
    return sorted(rows.select("source", "name", "candidate", "rows").rows())


def test_what_is_linked_to_nobody_waits_with_its_candidates_and_rows(tmp_path: Path) -> None:
    lake = world(tmp_path)
    built = build_entities(lake, tmp_path / "landing")
    assert waiting(lake) == [("findkg", "Boeing", "issuer:XNYS:BA", 2), ("stocknet", "GONE", "", 1)]
    assert all("link_decisions" in reason for reason in built.reviews.content["reason"])
    again = build_entities(lake, tmp_path / "landing")
    assert again.entities.changed.is_empty()
    assert again.links.changed.is_empty()
    assert again.reviews.changed.is_empty()


def test_an_accepted_decision_turns_a_pending_review_into_a_link(tmp_path: Path) -> None:
    lake, landing = world(tmp_path), tmp_path / "landing"
    build_entities(lake, landing)
    decide(landing, "findkg,Boeing,issuer:XNYS:BA,accepted,anna")
    build_entities(lake, landing)
    assert waiting(lake) == [("stocknet", "GONE", "", 1)]
    made = known_decisions(lake)
    assert made.select("name", "target", "decision", "decided_by", "known_at").rows() == [
        ("Boeing", "issuer:XNYS:BA", "accepted", "anna", DECIDED)
    ]
    asked = pl.DataFrame({"source": "findkg", "name": "Boeing", "known_at": [T, DECIDED + timedelta(days=1)]})
    found = match_names(asked, known_names(lake), made).matched
    assert found.select("entity_id", "method", "known_at").rows() == [
        ("issuer:XNYS:BA", "person", DECIDED),
        ("issuer:XNYS:BA", "person", DECIDED + timedelta(days=1)),
    ]


def test_a_decision_stays_known_when_its_file_is_gone_and_is_taken_back_by_a_later_one(
    tmp_path: Path,
) -> None:
    lake, landing = world(tmp_path), tmp_path / "landing"
    decide(landing, "findkg,Boeing,issuer:XNYS:BA,accepted,anna")
    build_entities(lake, landing)
    shutil.rmtree(landing)
    later = DECIDED + timedelta(days=30)
    # The same once more, in a newer file, is no news.
    decide(
        landing, "findkg,Boeing,issuer:XNYS:BA,accepted,bert", name="two.csv", at=DECIDED + timedelta(days=1)
    )
    decide(landing, "findkg,Boeing,issuer:XNYS:BA,rejected,bert", name="three.csv", at=later)
    build_entities(lake, landing)
    rows = known_decisions(lake).sort("known_at").select("decision", "decided_by", "known_at").rows()
    assert rows == [("accepted", "anna", DECIDED), ("rejected", "bert", later)]


def test_a_list_that_cannot_be_trusted_changes_nothing(tmp_path: Path) -> None:
    lake, landing = world(tmp_path), tmp_path / "landing"
    decide(landing, "findkg,Boeing,issuer:XNYS:BA,accepted,anna")
    build_entities(lake, landing)
    decide(landing, "findkg,Boeing,somebody,accepted,anna")
    built = build_entities(lake, landing)
    assert [error.rule for error in built.refused] == ["unknown_target"]
    assert known_decisions(lake).height == 1


def test_a_decision_for_nobody_refuses_its_list_until_the_listing_is_there(tmp_path: Path) -> None:
    lake, landing = world(tmp_path), tmp_path / "landing"
    good, bad = "findkg,Boeing,issuer:XNYS:BA,accepted,anna", "stocknet,GONE,XNYS:GONE,accepted,anna"
    decide(landing, good, bad)
    decide(landing, "findkg,Inflation,commodity:Gold,rejected,anna", name="two.csv")
    built = build_entities(lake, landing)
    assert refused_decisions(lake, landing)[0].reason == built.refused[0].reason
    (error,) = built.refused
    assert (error.path, error.rule) == ("link_decisions/one.csv", "unknown_target")
    assert f"line 3: {bad}" in error.reason
    assert "tried again" in error.remedy
    assert known_decisions(lake)["target"].to_list() == ["commodity:Gold"], "the table of names knows it"
    assert ("findkg", "Boeing", "issuer:XNYS:BA", 2) in waiting(lake)
    came = LISTINGS.conform(
        pl.concat([lake.revisions(LISTINGS).collect(), listings(listing("v", "GONE", "XNYS:GONE"))])
    )
    lake.write(LISTINGS, came, came.select(LISTINGS.partition_key).unique())
    assert not build_entities(lake, landing).refused
    assert known_decisions(lake)["target"].sort().to_list() == [
        "XNYS:GONE",
        "commodity:Gold",
        "issuer:XNYS:BA",
    ]
    assert not refused_decisions(lake, landing)


def test_the_real_claims_members_and_news(tmp_path: Path) -> None:
    shared = folder("index_membership_sp500").parent
    for given, path in (
        ("index_membership_sp500", "sp500_members/history"),
        ("us_equity_relations_rsr/raw", "rsr_relations/history"),
        ("tweets_stocknet/tickers.parquet", "stocknet/history/tickers.parquet"),
        ("us_equity_eod_and_filings_pystock/raw/2015/20150831.tar.gz", "pystock/history/20150831.tar.gz"),
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (shared / given).is_dir() else shutil.copyfile)(shared / given, tmp_path / path)
    said = pl.concat(
        block.rows["raw_claims"]
        for source in ALTERNATIVE_SOURCES
        if source.tables == {"raw_claims"}
        for file in source.files(tmp_path)
        for block in source.read(file, tmp_path)
    )
    guessed = said.filter(pl.col("source") == "pystock")["symbol"].unique()
    rsr = pl.read_parquet(shared / "us_equity_daily_rsr/tickers.parquet", columns=["exchange", "ticker"])
    mics = {"NASDAQ": "XNAS", "NYSE": "XNYS"}
    table = pl.concat(
        [
            embedded(),
            listings(
                *(
                    listing("pystock", s, f"{'XNAS' if len(s) > 3 else 'XNYS'}:{s}", priority=7)
                    for s in guessed
                ),
                *(listing("google_finance", t, f"{mics[e]}:{t}@2017") for e, t in rsr.rows()),
                # Google's shares as the LEAN map files have them: GOOG was today's GOOGL until April 2014.
                listing("lean", "GOOG", "XNAS:GOOGL", date(2004, 8, 19), date(2014, 4, 2), 1),
                listing("lean", "GOOG", "XNAS:GOOG", date(2014, 4, 3), None, 1),
            ),
        ]
    ).filter((pl.col("source") != "bokeh_stocks") | (pl.col("symbol") != "GOOG"))
    inside = SP500Members().reference(tmp_path)["index_members"]
    master = build(table, said, inside, decisions())
    pairs = master.links.select("relation", "child", "parent", "source").unique()
    counts = dict(pairs.group_by("relation").len().rows())
    assert counts["in_industry"] == 1942, counts

    def issuer(instrument: str, moment: datetime) -> str:
        asked = pl.DataFrame({"instrument_id": [instrument], "on": [moment.date()], "known_at": [moment]})
        return str(parents(master.links, asked, "issued_by")["entity_id"][0])

    later = datetime(2016, 1, 4, tzinfo=UTC)
    # Pystock's guess gives way; the notes of Citigroup are Citigroup's; three First Bancorps stay three.
    assert issuer("XNYS:FB", later) == "issuer:XNAS:FB"
    assert issuer("XNAS:AAPL@2017", later) == "issuer:XNAS:AAPL"
    assert issuer("XNYS:CSX", later) == "issuer:XNAS:CSX@2017"
    assert issuer("XNYS:BLW", later) == "issuer:XNYS:C"
    assert len({issuer(one, later) for one in ("XNYS:FBP", "XNAS:FBNC", "XNAS:FNLC")}) == 3
    # Tickers by their day: Google's GOOG of 2013 is the class that is GOOGL today.
    asked = pl.DataFrame(
        {"source": "tweets", "symbol": "GOOG", "on": [date(2013, 6, 3), date(2015, 6, 1)], "known_at": later}
    )
    found = resolve(asked, table, master.links, decisions()).matched
    assert found["instrument_id"].to_list() == ["XNAS:GOOGL", "XNAS:GOOG"]
    # Industries collected in December 2017 reach nobody before, and all members after.
    raw = json.loads((tmp_path / "rsr_relations/history/NYSE_industry_ticker.json").read_text())
    raw_2 = json.loads((tmp_path / "rsr_relations/history/NASDAQ_industry_ticker.json").read_text())
    told = {*raw["Major Banks"], *raw_2["Major Banks"]}
    for moment, expected in (
        (datetime(2017, 12, 29, tzinfo=UTC), set()),
        (datetime(2018, 1, 2, tzinfo=UTC), told),
    ):
        banks = pl.DataFrame(
            {"entity_id": ["industry:NASDAQ/Major Banks"], "on": moment.date(), "known_at": moment}
        )
        found = members(master.links, banks)["instrument_id"]
        assert {one.split(":")[1].split("@")[0] for one in found if "@" in one} == expected
    # The index as of a day, by what was known, against the file itself.
    day, moment = date(2015, 8, 28), datetime(2015, 8, 28, 20, tzinfo=UTC)
    index = pl.DataFrame({"entity_id": ["index:XNYS:SPX"], "on": day, "known_at": moment})
    stays = pl.read_csv(tmp_path / "sp500_members/history/sp500_ticker_start_end.csv", try_parse_dates=True)
    ended = pl.col("end_date").fill_null(date(9999, 1, 1))
    tickers = set(stays.filter(pl.col("start_date") <= day, ended > day)["ticker"])
    listed = set(table.filter(pl.col("asset_class") == "equity")["symbol"])
    found = members(master.links, index)["instrument_id"].to_list()
    ids = {(one.split(":")[1].split("@")[0]) for one in found}
    assert len(tickers) > 495
    assert ids == tickers & listed, ids ^ (tickers & listed)
    # Names in the news.
    news = pl.read_parquet(
        folder("news_knowledge_graph_findkg") / "quadruples_train.parquet", columns=["subject"]
    )
    mentioned = news.select(source=pl.lit("findkg"), name=pl.col("subject").unique()).with_columns(
        known_at=datetime(2022, 7, 4, tzinfo=UTC)
    )
    linked = match_names(mentioned, master.names, decisions()).matched
    to = dict(linked.select("name", "entity_id").rows())
    assert to["Wells Fargo Co."] == "issuer:XNYS:WFC"
    assert to["Citigroup Inc."] == "issuer:XNYS:C"
    assert to["United States"] == "country:US"
    for nobody in ("U.S. Federal Reserve", "New York", "Target", "Inflation", "Financial institutions"):
        assert nobody not in to
    kinds = linked.group_by(pl.col("entity_id").str.split(":").list.first()).len()
    assert dict(kinds.rows()) == {"commodity": 5, "country": 74, "currency": 8, "index": 4, "issuer": 410}
    assert ENTITY_LINKS.conform(master.links).equals(master.links)
