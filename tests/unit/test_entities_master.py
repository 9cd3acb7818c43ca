"""The entity master: issuers by evidence over time, industries, countries, index members, names."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from entity_world import claim, claims, decisions, listing, listings, stay, stays
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.entities.expand import members, parents
from lim_pipelines.entities.master import Master, build
from lim_pipelines.entities.matching import match_names
from lim_pipelines.instruments import listings as embedded
from lim_pipelines.schemas import ENTITIES, ENTITY_LINKS, LINK_REVIEWS

LATER = datetime(2030, 1, 1, tzinfo=UTC)
T15 = datetime(2015, 8, 24, 13, 30, tzinfo=UTC)
T18 = datetime(2018, 1, 1, tzinfo=UTC)
T25 = datetime(2025, 12, 1, tzinfo=UTC)


def made(
    table: pl.DataFrame,
    said: pl.DataFrame | None = None,
    inside: pl.DataFrame | None = None,
    decided: pl.DataFrame | None = None,
) -> Master:
    return build(
        table,
        claims() if said is None else said,
        stays() if inside is None else inside,
        decisions() if decided is None else decided,
    )


def issuer(master: Master, instrument: str, moment: datetime) -> str:
    asked = pl.DataFrame({"instrument_id": [instrument], "on": [moment.date()], "known_at": [moment]})
    return str(parents(master.links, asked, "issued_by")["entity_id"][0])


def of(master: Master, entity: str, moment: datetime) -> list[str]:
    asked = pl.DataFrame({"entity_id": [entity], "on": [moment.date()], "known_at": [moment]})
    return members(master.links, asked)["instrument_id"].to_list()


GOOG = listings(listing("pystock", "GOOG", "XNAS:GOOG", priority=7), listing("lean", "GOOGL", "XNAS:GOOGL"))


def test_share_classes_of_the_table_are_one_company_from_their_first_day() -> None:
    master = made(GOOG)
    assert issuer(master, "XNAS:GOOG", datetime(2014, 4, 2, tzinfo=UTC)) == "issuer:XNAS:GOOG"
    assert issuer(master, "XNAS:GOOG", datetime(2014, 4, 4, tzinfo=UTC)) == "issuer:XNAS:GOOGL"
    # A fact filed under either class reaches both.
    for entity in ("issuer:XNAS:GOOG", "issuer:XNAS:GOOGL"):
        assert of(master, entity, LATER) == ["XNAS:GOOG", "XNAS:GOOGL"]
    assert of(master, "issuer:XNAS:GOOG", datetime(2014, 4, 2, tzinfo=UTC)) == ["XNAS:GOOG"]


def test_one_cik_is_one_company_from_the_day_it_is_known() -> None:
    table = listings(listing("a", "AAA", "XNYS:AAA"), listing("b", "ZZZ", "XNAS:ZZZ", priority=1))
    said = claims(
        claim("sp500_members", "AAA", "identified_by", "cik/1", T25),
        claim("sp500_members", "ZZZ", "identified_by", "cik/1", T25),
    )
    master = made(table, said)
    assert issuer(master, "XNYS:AAA", T25) == "issuer:XNAS:ZZZ"
    assert issuer(master, "XNYS:AAA", T25 - timedelta(seconds=1)) == "issuer:XNYS:AAA"


@pytest.mark.parametrize(
    ("tickers", "name", "other", "joined"),
    [
        (("FOX", "FOXA"), "Twenty-First Century Fox", "Twenty-First Century Fox Inc.", True),
        (("DISCA", "DISCK"), "Discovery Communications", "Discovery Communications", True),
        (("FBP", "FBNC"), "First BanCorp.", "First Bancorp", False),
        (("UBFO", "USBI"), "United Security Bancshares", "United Security Bancshares", False),
        (("XY", "XYA"), "Unity plc", "Unity Limited", False),
        (("XY", "XYA"), "Alpha", "Beta", False),
    ],
)
def test_equal_names_join_only_tickers_of_one_stem(
    tickers: tuple[str, str], name: str, other: str, joined: bool
) -> None:
    table = listings(*(listing("v", ticker, f"XNYS:{ticker}") for ticker in tickers))
    said = claims(claim("v", tickers[0], "named", name, T15), claim("v", tickers[1], "named", other, T15))
    master = made(table, said)
    assert (issuer(master, f"XNYS:{tickers[1]}", T15) == issuer(master, f"XNYS:{tickers[0]}", T15)) == joined


def test_equal_tickers_on_two_exchanges_are_one_company_only_by_evidence() -> None:
    stated = (listing("a", "X", "XNYS:X"), listing("b", "X", "XNAS:X", priority=6))
    apart = made(listings(*stated))
    assert issuer(apart, "XNAS:X", LATER) == "issuer:XNAS:X"
    named = claims(claim("a", "X", "named", "Acme", T15), claim("b", "X", "named", "Acme Inc.", T15))
    assert issuer(made(listings(*stated), named), "XNAS:X", T15) == "issuer:XNYS:X"
    differ = claims(claim("a", "X", "named", "Acme", T15), claim("b", "X", "named", "Zenith", T15))
    assert issuer(made(listings(*stated), differ), "XNAS:X", T15) == "issuer:XNAS:X"


def test_a_guess_of_the_exchange_gives_way_to_the_one_vendor_that_says_it() -> None:
    guess = listing("pystock", "CSX", "XNYS:CSX", priority=7)
    master = made(listings(guess, listing("google_finance", "CSX", "XNAS:CSX@2017")))
    assert issuer(master, "XNYS:CSX", T15) == "issuer:XNAS:CSX@2017"
    several = listings(guess, listing("a", "CSX", "XNAS:CSX"), listing("b", "CSX", "XNAS:OTHER"))
    assert issuer(made(several), "XNYS:CSX", T15) == "issuer:XNYS:CSX"


def test_a_member_of_an_index_and_its_notes_are_one_company() -> None:
    table = listings(listing("v", "C", "XNYS:C"), listing("v", "BLW", "XNYS:BLW"))
    said = claims(
        claim("v", "C", "named", "Citigroup Inc.", T15), claim("v", "BLW", "named", "Citigroup Inc.", T15)
    )
    assert issuer(made(table, said), "XNYS:BLW", LATER) == "issuer:XNYS:BLW"
    inside = stays(stay("C", date(1998, 10, 1)))
    master = made(table, said, inside)
    assert issuer(master, "XNYS:BLW", T15) == "issuer:XNYS:C"
    link = master.links.filter(pl.col("child") == "XNYS:BLW", pl.col("parent") == "issuer:XNYS:C")
    assert link.select("score", "method", "known_at").rows() == [(0.9, "name", T15)]
    # Out of the index when the names are told: it may be another company's ticker by now.
    gone = stays(stay("C", date(1998, 10, 1), date(2009, 5, 1), known=datetime(2009, 5, 2, tzinfo=UTC)))
    assert issuer(made(table, said, gone), "XNYS:BLW", LATER) == "issuer:XNYS:BLW"
    # Ten years later the name may be another company's.
    late = claims(
        claim("v", "C", "named", "Citigroup Inc.", T15), claim("v", "BLW", "named", "Citigroup Inc.", T25)
    )
    assert issuer(made(table, late, inside), "XNYS:BLW", LATER) == "issuer:XNYS:BLW"


def test_people_join_and_part_companies() -> None:
    table = listings(listing("a", "X", "XNYS:X"), listing("b", "X", "XNAS:X"))
    yes = decisions(("listings", "XNYS:X", "issuer:XNAS:X", "accepted", T15))
    master = made(table, decided=yes)
    assert issuer(master, "XNYS:X", T15) == "issuer:XNAS:X"
    assert issuer(master, "XNYS:X", T15 - timedelta(days=1)) == "issuer:XNYS:X"
    named = claims(claim("a", "X", "named", "Acme", T15), claim("b", "X", "named", "Acme", T15))
    no = decisions(("listings", "XNYS:X", "XNAS:X", "rejected", T15))
    assert issuer(made(table, named, decided=no), "XNYS:X", LATER) == "issuer:XNYS:X"


def test_trap_industries_collected_in_2017_are_none_before_2018() -> None:
    table = listings(listing("google_finance", "BAC", "XNYS:BAC@2017"))
    said = claims(claim("rsr_relations", "BAC", "in_industry", "NASDAQ/Major Banks", T18, "XNYS"))
    master = made(table, said)
    assert of(master, "industry:NASDAQ/Major Banks", T18 - timedelta(microseconds=1)) == []
    assert of(master, "industry:NASDAQ/Major Banks", T18) == ["XNYS:BAC@2017"]


def test_an_industry_reaches_all_classes_also_those_that_join_later() -> None:
    said = claims(claim("sp500_members", "GOOGL", "in_industry", "GICS/Communication Services", T15))
    inside = datetime(2016, 1, 4, tzinfo=UTC)
    assert of(made(GOOG, said), "industry:GICS/Communication Services", inside) == ["XNAS:GOOG", "XNAS:GOOGL"]
    # The claim is of an instrument that becomes a share of another company's afterwards.
    early = claims(claim("v", "GOOG", "in_industry", "x/Search", datetime(2010, 1, 1, tzinfo=UTC)))
    assert of(made(GOOG, early), "industry:x/Search", datetime(2012, 1, 1, tzinfo=UTC)) == ["XNAS:GOOG"]
    assert of(made(GOOG, early), "industry:x/Search", LATER) == ["XNAS:GOOG", "XNAS:GOOGL"]


def test_what_is_stated_of_embedded_instruments_holds_on_its_days() -> None:
    master = build(embedded(), claims(), stays(), decisions())
    technology, communication = "industry:GICS/Information Technology", "industry:GICS/Communication Services"
    before, after = datetime(2018, 9, 28, 20, tzinfo=UTC), datetime(2018, 10, 2, tzinfo=UTC)
    assert of(master, technology, before) == ["XNAS:AAPL", "XNAS:FB", "XNAS:GOOGL", "XNAS:MSFT", "XNYS:IBM"]
    assert of(master, technology, after) == ["XNAS:AAPL", "XNAS:MSFT", "XNYS:IBM"]
    assert of(master, communication, after) == ["XNAS:FB", "XNAS:GOOGL"]
    assert of(master, communication, before) == []
    assert of(master, "commodity:Crude oil", before) == ["XNYM:WTI"]
    names = master.entities.filter(pl.col("entity_id") == "issuer:XNAS:FB")["name"].to_list()
    assert names == ["Meta Platforms"]


def test_a_country_is_the_exchanges_until_a_vendor_says_otherwise() -> None:
    table = listings(listing("v", "ACN", "XNYS:ACN"))
    said = claims(claim("sp500_members", "ACN", "in_country", "IE", T25))
    master = made(table, said)
    assert of(master, "country:US", T15) == ["XNYS:ACN"]
    assert of(master, "country:US", T25) == []
    assert of(master, "country:IE", T25) == ["XNYS:ACN"]


def test_the_end_of_a_claim_is_known_once_it_is_told() -> None:
    table = listings(listing("v", "ACN", "XNYS:ACN"))
    told = {**claim("v", "ACN", "in_industry", "GICS/Old", T15), "first": date(2010, 1, 1), "last": None}
    ended = {**told, "last": date(2017, 12, 31), "known_at": T18}
    master = made(table, claims(told, {**told, "known_at": T15 + timedelta(days=9)}, ended))
    links = master.links.filter(pl.col("relation") == "in_industry")
    assert links.select("last", "known_at").rows() == [(None, T15), (date(2017, 12, 31), T18)]
    assert of(master, "industry:GICS/Old", T18 - timedelta(days=1)) == ["XNYS:ACN"]
    assert of(master, "industry:GICS/Old", LATER) == []


def test_a_ticker_used_again_is_no_share_class_of_its_former_company() -> None:
    split = date(2013, 7, 1)
    table = listings(
        listing("v", "NWSA", "XNAS:NWSA", last=date(2013, 6, 28), priority=1),
        listing("v", "FOXA", "XNAS:NWSA", first=split, priority=1),
        listing("v", "NWSA", "XNAS:NWSAN", first=split, priority=1),
        listing("v", "NWS", "XNAS:NWS", first=split, priority=1),
        listing("v", "FOX", "XNAS:FOX", first=split, priority=1),
    )
    master = made(table)
    assert issuer(master, "XNAS:NWS", T15) == "issuer:XNAS:NWSAN"
    assert issuer(master, "XNAS:FOX", T15) == issuer(master, "XNAS:NWSA", T15) == "issuer:XNAS:NWSA"


def test_listings_that_begin_later_change_nothing_before() -> None:
    ended = date(2024, 12, 31)
    ours = (
        listing("lean", "ZZ", "XNAS:ZZ", last=ended, priority=1),
        listing("pystock", "ZZ", "XNYS:ZZ", last=ended, priority=8),
    )
    later = (
        listing("lean", "ZZ", "XNYS:ZZQ", date(2025, 1, 1), priority=1),
        listing("late", "ZZ", "XNAS:ZZ@2025", date(2025, 1, 1), priority=9),
    )
    said = claims(claim("lean", "ZZ", "in_industry", "GICS/Tech", T15))
    inside = stays(stay("ZZ", date(1998, 10, 1)))
    now, then = made(listings(*ours, *later), said, inside), made(listings(*ours), said, inside)
    past = pl.col("known_at") <= T18
    assert issuer(then, "XNYS:ZZ", T15) == "issuer:XNAS:ZZ"
    assert now.links.filter(past).equals(then.links.filter(past))
    assert of(now, "industry:GICS/Tech", T18) == ["XNAS:ZZ", "XNYS:ZZ"]
    assert of(now, "industry:GICS/Tech", LATER) == ["XNAS:ZZ", "XNAS:ZZ@2025", "XNYS:ZZ"]


def test_members_come_and_go_as_it_became_known() -> None:
    table = listings(listing("v", "C", "XNYS:C"))
    left = datetime(2009, 6, 1, tzinfo=UTC)
    inside = stays(
        stay("C", date(1998, 10, 1), known=datetime(1998, 10, 1, tzinfo=UTC)),
        stay("C", date(1998, 10, 1), date(2009, 5, 31), known=left),
    )
    master = made(table, inside=inside)
    asked = pl.DataFrame(
        {
            "entity_id": "index:XNYS:SPX",
            "on": [date(1998, 9, 1), date(2005, 1, 3), date(2009, 5, 31), date(2009, 6, 1), date(2009, 6, 1)],
            "known_at": [left, left, left, left - timedelta(days=1), left],
        }
    )
    found = members(master.links, asked)
    assert found.select("on", "known_at").rows() == [
        (date(2005, 1, 3), left),
        (date(2009, 5, 31), left),
        (date(2009, 6, 1), left - timedelta(days=1)),
    ]


def test_names_lead_to_the_issuer_of_the_time() -> None:
    table = listings(listing("v", "QXA", "XNYS:QXA", priority=6), listing("v", "QX", "XNYS:QX"))
    day = timedelta(days=1)
    said = claims(
        claim("v", "QXA", "named", "Acme Foods", T15), claim("v", "QX", "named", "Acme Foods", T15 + day)
    )
    master = made(table, said)
    asked = pl.DataFrame({"source": "news", "name": "Acme Foods Inc.", "known_at": [T15, T15 + 2 * day]})
    found = match_names(asked, master.names, decisions()).matched
    assert found["entity_id"].to_list() == ["issuer:XNYS:QXA", "issuer:XNYS:QX"]
    countries = pl.DataFrame(
        {"source": "news", "name": ["United States", "China", "U.S. Federal Reserve"], "known_at": T15}
    )
    found = match_names(countries, master.names, decisions()).matched
    assert found.select("name", "entity_id").rows() == [
        ("United States", "country:US"),
        ("China", "country:CN"),
    ]


SYMBOLS = ("FOX", "FOXA", "C", "BLW")
TABLE = listings(
    *(listing("v", symbol, f"XNYS:{symbol}") for symbol in SYMBOLS),
    listing("pystock", "FOXA", "XNAS:FOXA", priority=7),
)
moments = st.integers(0, 5).map(lambda n: T15 + timedelta(days=n))
said_rows = st.lists(
    st.builds(
        claim,
        st.sampled_from(("v", "pystock", "w")),
        st.sampled_from(SYMBOLS),
        st.sampled_from(("named", "in_industry", "in_country", "identified_by")),
        st.sampled_from(("cik/1", "GICS/Energy", "US", "Fox", "Citi")),
        moments,
    ),
    max_size=7,
    unique_by=lambda r: (r["source"], r["symbol"], r["relation"], r["object"], r["known_at"]),
)
inside_rows = st.lists(
    st.builds(
        lambda symbol, length, known: stay(
            symbol, date(2015, 8, 20), None if length is None else date(2015, 8, 20) + length, known
        ),
        st.sampled_from(SYMBOLS),
        st.one_of(st.none(), st.integers(1, 8).map(timedelta)),
        moments,
    ),
    max_size=4,
    unique_by=lambda r: (r["symbol"], r["known_at"]),
)
decided_rows = st.lists(
    st.tuples(
        st.sampled_from(("listings", "v")),
        st.sampled_from(("XNYS:BLW", "C")),
        st.sampled_from(("issuer:XNYS:C", "XNYS:FOX")),
        st.sampled_from(("accepted", "rejected")),
        moments,
    ),
    max_size=2,
    unique_by=lambda r: (r[0], r[1], r[2], r[4]),
)


@given(said_rows, inside_rows, decided_rows, moments)
@settings(max_examples=15)
def test_no_future_claims_members_and_decisions_of_later_change_nothing_before(
    said: list[dict[str, object]],
    inside: list[dict[str, object]],
    decided: list[tuple[str, str, str, str, datetime]],
    t: datetime,
) -> None:
    past = pl.col("known_at") <= t
    everything = (claims(*said), stays(*inside), decisions(*decided))
    full, cut = made(TABLE, *everything), made(TABLE, *(frame.filter(past) for frame in everything))
    for one, other in ((full.links, cut.links), (full.entities, cut.entities)):
        assert one.filter(past).equals(other.filter(past))
    names = full.names.filter(past).with_columns(until=pl.when(pl.col("until") <= t).then("until"))
    assert names.equals(cut.names.filter(past))
    asked = pl.DataFrame(
        {"entity_id": full.entities["entity_id"].unique(), "on": t.date(), "known_at": t}
    ).sort("entity_id")
    assert members(full.links, asked).equals(members(full.links.filter(past), asked))


def test_frames_are_frames_of_their_tables() -> None:
    said = claims(claim("w", "NOBODY", "named", "Nobody Inc.", T15))
    master = made(TABLE, said)
    assert master.entities.equals(ENTITIES.conform(master.entities))
    assert master.links.equals(ENTITY_LINKS.conform(master.links))
    assert LINK_REVIEWS.conform(master.review).select("source", "name", "candidate").rows() == [
        ("w", "NOBODY", "")
    ]
