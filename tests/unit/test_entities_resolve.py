"""Tickers to instruments: the vendor's listing, other listings, decisions, and what stays open."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from entity_world import EPOCH, decisions, listing, listings
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.entities.resolve import resolve
from lim_pipelines.schemas import ENTITY_LINKS, LISTINGS


def mention(
    symbol: str, on: date, source: str = "tweets", known: datetime | None = None
) -> dict[str, object]:
    known = known or datetime(on.year, on.month, on.day, 12, tzinfo=UTC)
    return {"source": source, "symbol": symbol, "on": on, "known_at": known}


def mentions(*rows: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame(list(rows))


def issued(child: str, parent: str, known_at: datetime = EPOCH) -> pl.DataFrame:
    row = {"relation": "issued_by", "child": child, "parent": parent, "score": 1.0, "method": "vendor"}
    return ENTITY_LINKS.conform(pl.DataFrame([{**row, "source": "s", "known_at": known_at}]))


NO_LINKS, NO_DECISIONS = ENTITY_LINKS.empty(), decisions()
DAY = date(2015, 6, 1)


def test_the_vendors_own_listing_goes_before_all_others() -> None:
    table = listings(
        listing("pystock", "FB", "XNYS:FB", priority=7), listing("lean", "FB", "XNAS:FB", priority=0)
    )
    found = resolve(mentions(mention("FB", DAY, "pystock")), table, NO_LINKS, NO_DECISIONS)
    assert found.matched.select("instrument_id", "entity_id", "score", "method").rows() == [
        ("XNYS:FB", "issuer:XNYS:FB", 1.0, "listing")
    ]


def test_without_an_own_listing_the_best_priority_decides_and_says_that_others_disagree() -> None:
    table = listings(
        listing("pystock", "FB", "XNYS:FB", priority=7), listing("lean", "FB", "XNAS:FB", priority=0)
    )
    found = resolve(mentions(mention("FB", DAY)), table, NO_LINKS, NO_DECISIONS)
    assert found.matched.select("instrument_id", "score").rows() == [("XNAS:FB", 0.8)]
    one = resolve(mentions(mention("FB", DAY)), table, issued("XNYS:FB", "issuer:XNAS:FB"), NO_DECISIONS)
    assert one.matched.select("instrument_id", "score").rows() == [("XNAS:FB", 0.95)]


def test_a_tie_is_nobodys() -> None:
    table = listings(listing("a", "X", "XNYS:X"), listing("b", "X", "XNAS:X"))
    found = resolve(mentions(mention("X", DAY), mention("X", DAY)), table, NO_LINKS, NO_DECISIONS)
    assert found.matched.is_empty()
    assert found.review.select("name", "candidate", "state", "rows").rows() == [
        ("X", "issuer:XNAS:X", "pending", 2),
        ("X", "issuer:XNYS:X", "pending", 2),
    ]


def test_a_tie_within_one_company_is_that_company_once_that_is_known() -> None:
    table = listings(listing("a", "X", "XNYS:X"), listing("b", "X", "XNAS:X"))
    links = issued("XNYS:X", "issuer:XNAS:X", datetime(2015, 1, 1, tzinfo=UTC))
    asked = mentions(mention("X", DAY), mention("X", date(2014, 6, 1)))
    found = resolve(asked, table, links, NO_DECISIONS)
    assert found.matched.select("on", "instrument_id", "entity_id").rows() == [
        (DAY, "XNAS:X", "issuer:XNAS:X")
    ]
    assert found.review["rows"].to_list() == [1, 1]


def test_trap_a_reused_ticker_is_told_apart_by_the_day() -> None:
    # S was Sears until 2005 and is another company from 2012 on: a tweet of 2003 is about Sears.
    table = listings(
        listing("a", "S", "XNYS:SEARS", last=date(2005, 3, 24)),
        listing("a", "S", "XNYS:S", first=date(2012, 1, 3)),
    )
    asked = mentions(*(mention("S", date(year, 6, 2)) for year in (2003, 2008, 2013)))
    found = resolve(asked, table, NO_LINKS, NO_DECISIONS)
    assert dict(found.matched.select("on", "instrument_id").rows()) == {
        date(2003, 6, 2): "XNYS:SEARS",
        date(2013, 6, 2): "XNYS:S",
    }
    assert found.review.select("candidate", "rows").rows() == [("", 1)]
    assert "no listing" in found.review["reason"][0]


def test_a_ticker_of_a_company_is_no_commodity_index_or_simulated_share() -> None:
    table = listings(
        listing("csv_drop", "WTI", "XNYM:WTI", priority=-1, asset_class="commodity"),
        listing("pystock", "WTI", "XNYS:WTI", priority=7),
        listing("csv_drop", "S01", "XSIM:S01", priority=-1),
    )
    found = resolve(mentions(mention("WTI", DAY), mention("S01", DAY)), table, NO_LINKS, NO_DECISIONS)
    assert found.matched.select("symbol", "instrument_id").rows() == [("WTI", "XNYS:WTI")]


def test_a_mention_that_says_its_exchange_means_nothing_elsewhere() -> None:
    table = listings(listing("a", "X", "XNYS:X"), listing("b", "X", "XNAS:X"))
    asked = mentions({**mention("X", DAY), "exchange": "XNAS"})
    assert resolve(asked, table, NO_LINKS, NO_DECISIONS).matched["instrument_id"].to_list() == ["XNAS:X"]


def test_a_decision_beats_the_listing_from_its_moment_on() -> None:
    table = listings(listing("tweets", "X", "XNYS:X"))
    decided = decisions(("tweets", "X", "issuer:XNAS:Y", "accepted", datetime(2015, 6, 1, 12, tzinfo=UTC)))
    asked = mentions(mention("X", date(2015, 5, 31)), mention("X", DAY))
    found = resolve(asked, table, NO_LINKS, decided)
    assert found.matched.select("entity_id", "method").rows() == [
        ("issuer:XNYS:X", "listing"),
        ("issuer:XNAS:Y", "person"),
    ]


def test_what_waited_for_a_decision_is_known_with_it() -> None:
    moment = datetime(2016, 1, 4, tzinfo=UTC)
    decided = decisions(("tweets", "X", "XNAS:Y", "accepted", moment))
    found = resolve(mentions(mention("X", DAY)), listings(listing("a", "Z", "XNYS:Z")), NO_LINKS, decided)
    assert found.matched.select("instrument_id", "entity_id", "known_at").rows() == [
        ("XNAS:Y", "issuer:XNAS:Y", moment)
    ]
    assert found.review.is_empty()


def test_a_rejected_candidate_leaves_the_other() -> None:
    table = listings(listing("a", "X", "XNYS:X"), listing("b", "X", "XNAS:X"))
    decided = decisions(("tweets", "X", "XNYS:X", "rejected", EPOCH))
    found = resolve(mentions(mention("X", DAY)), table, NO_LINKS, decided)
    assert found.matched["instrument_id"].to_list() == ["XNAS:X"]


def test_rejecting_one_does_not_take_back_accepting_another() -> None:
    decided = decisions(
        ("tweets", "X", "XNAS:Y", "accepted", EPOCH),
        ("tweets", "X", "XNAS:Z", "rejected", EPOCH + timedelta(days=1)),
    )
    found = resolve(mentions(mention("X", DAY)), LISTINGS.empty(), NO_LINKS, decided)
    assert found.matched["instrument_id"].to_list() == ["XNAS:Y"]


SYMBOLS, MICS = ("X", "Y"), ("XNAS", "XNYS")
days = st.integers(0, 9).map(lambda n: date(2015, 6, 1) + timedelta(days=n))
listing_rows = st.lists(
    st.builds(
        lambda source, symbol, mic, first, length, priority: listing(
            source, symbol, f"{mic}:{symbol}", first, first + timedelta(days=length), priority
        ),
        st.sampled_from(("a", "b", "c")),
        st.sampled_from(SYMBOLS),
        st.sampled_from(MICS),
        days,
        st.integers(0, 6),
        st.integers(0, 2),
    ),
    unique_by=lambda r: (r["source"], r["symbol"], r["exchange"], r["first"]),
    max_size=8,
)
moments = days.map(lambda d: datetime(d.year, d.month, d.day, 12, tzinfo=UTC))
decision_rows = st.lists(
    st.tuples(
        st.just("a"),
        st.sampled_from(SYMBOLS),
        st.sampled_from(("XNAS:X", "XNYS:X", "XNAS:Q")),
        st.sampled_from(("accepted", "rejected")),
        moments,
    ),
    max_size=3,
    unique_by=lambda r: (r[1], r[2], r[4]),
)
mention_rows = st.lists(
    st.builds(mention, st.sampled_from(SYMBOLS), days, st.sampled_from(("a", "z")), moments),
    min_size=1,
    max_size=6,
)


@given(listing_rows, mention_rows)
@settings(max_examples=40)
def test_a_ticker_is_linked_only_where_one_candidate_is_the_best(
    rows: list[dict[str, object]], asked: list[dict[str, object]]
) -> None:
    table = listings(*rows) if rows else LISTINGS.empty()
    frame = mentions(*asked).with_row_index("n")
    found = resolve(frame, table, NO_LINKS, NO_DECISIONS)
    expected = {}
    for n, m in enumerate(asked):
        holding = [
            r
            for r in rows
            if r["symbol"] == m["symbol"] and r["first"] <= m["on"] <= r["last"]  # type: ignore[operator]
        ]
        own = [r for r in holding if r["source"] == m["source"]]
        pool = own or holding
        best = min((r["priority"] for r in pool), default=None)  # type: ignore[type-var]
        winners = {str(r["instrument_id"]) for r in pool if r["priority"] == best}
        if len(winners) == 1:
            expected[n] = winners.pop()
    assert dict(found.matched.select("n", "instrument_id").rows()) == expected
    waiting = frame.filter(~pl.col("n").is_in(list(expected))).select("source", "symbol").unique()
    assert set(found.review.select("source", "name").rows()) == set(waiting.rows())


@given(listing_rows, decision_rows, mention_rows, moments)
@settings(max_examples=40)
def test_no_future_what_is_decided_later_changes_nothing_before(
    rows: list[dict[str, object]],
    decided: list[tuple[str, str, str, str, datetime]],
    asked: list[dict[str, object]],
    t: datetime,
) -> None:
    table = listings(*rows) if rows else LISTINGS.empty()
    frame = mentions(*asked).with_row_index("n")
    everything = decisions(*decided)
    links = issued("XNYS:X", "issuer:XNAS:X", datetime(2015, 6, 5, tzinfo=UTC))
    known = pl.col("known_at") <= t
    full = resolve(frame, table, links, everything).matched.filter(known)
    cut = resolve(frame, table, links.filter(known), everything.filter(known)).matched.filter(known)
    assert full.equals(cut)


@pytest.mark.parametrize("column", ["extra", "text"])
def test_columns_of_the_mention_travel_along(column: str) -> None:
    asked = mentions({**mention("X", DAY), column: "kept"})
    found = resolve(asked, listings(listing("a", "X", "XNYS:X")), NO_LINKS, NO_DECISIONS)
    assert found.matched[column].to_list() == ["kept"]
