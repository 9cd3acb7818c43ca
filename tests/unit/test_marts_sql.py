"""The marts' SQL on small tables: what dbt runs, against answers worked out slowly or by hand."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marts_sql import DAY, at, compiled, days, run, sessions, table
from polars.testing import assert_frame_equal

from lim_pipelines.inputs.fundamentals import EXPIRY
from lim_pipelines.instruments import listings

N = 6
RANDOM = settings(max_examples=20, suppress_health_check=list(HealthCheck))
moments = st.builds(
    lambda day, hour: at(DAY + timedelta(day), hour), st.integers(-3, N + 1), st.sampled_from([9, 21, 22])
)
a_day = st.integers(-3, N).map(lambda n: DAY + timedelta(n))


def quote(name: str, day: date) -> dict[str, Any]:
    """A daily bar of an instrument, known an hour after the close."""
    about = {"exchange": "XNYS", "instrument_id": f"XNYS:{name}", "freq": "1d", "price_type": "trade"}
    return {**about, "date": day, "ts": at(day), "known_at": at(day, 22)}


def rows(**columns: st.SearchStrategy[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Some rows of a table, each column drawn on its own: revisions in any order, ties, gaps."""
    return st.lists(st.fixed_dictionaries(columns), max_size=12)


FACTS = rows(
    source=st.sampled_from(["filings", "vendor"]),
    entity_id=st.sampled_from(["issuer:A", "issuer:B"]),
    field=st.sampled_from(["assets", "revenues"]),
    period=st.sampled_from(["instant", "FY"]),
    unit=st.just("USD"),
    # Some are just young enough, or grow too old on the way.
    ts=(st.integers(-3, 1) | st.integers(-552, -545)).map(lambda n: at(DAY + timedelta(n), 0)),
    value=st.integers(1, 99).map(float),
    known_at=moments,
)
LINKS = rows(
    relation=st.sampled_from(["issued_by", "in_industry"]),
    child=st.sampled_from(["XNYS:A1", "XNYS:A2", "XNYS:B", "issuer:A", "issuer:B"]),
    parent=st.sampled_from(["issuer:A", "issuer:B", "industry:s/tech", "industry:s/oil"]),
    first=a_day,
    last=st.none() | a_day,
    source=st.sampled_from(["one", "two"]),
    known_at=moments,
)
STAYS = rows(
    source=st.sampled_from(["one", "two"]),
    index_id=st.just("XNYS:SPX"),
    symbol=st.sampled_from(["A", "B"]),
    first=a_day,
    last=st.none() | a_day,
    known_at=moments,
)
BARS = rows(
    exchange=st.just("XNYS"),
    date=st.integers(0, N - 1).map(lambda n: DAY + timedelta(n)),
    instrument_id=st.sampled_from(["XNYS:A1", "XNYS:B", "XNYS:CL.201812", "XNYS:CL.201901"]),
    freq=st.just("1d"),
    price_type=st.sampled_from(["trade", "mid", "bid"]),
    close=st.integers(1, 9).map(float),
    withdrawn=st.booleans(),
    ts=st.just(at(DAY)),
    known_at=moments,
)
QUOTED = st.lists(st.sampled_from(days(N)), max_size=N).flatmap(
    lambda given: BARS.map(
        lambda other: [*(quote("A1", day) for day in given), *(quote("B", day) for day in given), *other]
    )
)
"""Bars at random, and on some days those of both issuers."""

CONTRACTS = table(
    "listings",
    [
        {"symbol": name, "instrument_id": f"XNYS:{name}", "root": "XNYS:CL", "known_at": at(DAY)}
        for name in ("CL.201812", "CL.201901", "CL.201902")
    ],
)


def newest(known: list[dict[str, Any]], key: tuple[str, ...], when: datetime) -> list[dict[str, Any]]:
    """Newest revision of each key that was known at a moment, the slow way."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in sorted(known, key=lambda row: row["known_at"]):
        if row["known_at"] <= when:
            found[tuple(row[name] for name in key)] = row
    return list(found.values())


def linked(known: list[dict[str, Any]], relation: str, day: date, when: datetime) -> set[tuple[str, str]]:
    """(child, parent) that hold on a day, as known at a moment."""
    key = ("relation", "child", "parent", "first", "source")
    return {
        (row["child"], row["parent"])
        for row in newest(known, key, when)
        if row["relation"] == relation and row["first"] <= day and (row["last"] or day) >= day
    }


def with_a_bar(quoted: list[dict[str, Any]], day: date) -> set[str]:
    """Instruments with a bar of a day that counts, as known at the next open."""
    key = ("source", "instrument_id", "freq", "price_type", "ts")
    known = newest([row for row in quoted if row["date"] == day], key, at(day + timedelta(1), 14))
    return {
        row["instrument_id"]
        for row in known
        if row["price_type"] in ("trade", "mid") and not row["withdrawn"]
    }


@RANDOM
@given(FACTS, LINKS, QUOTED)
def test_fundamentals_are_the_newest_period_known_in_its_newest_revision(
    facts: list[dict[str, Any]], links: list[dict[str, Any]], bars: list[dict[str, Any]]
) -> None:
    stated, told = table("validated_facts", facts), table("entity_links", links)
    quoted = table("validated_bars", bars)
    mart = run(
        "fundamentals_as_of",
        sessions=sessions(N),
        validated_facts=stated,
        entity_links=told,
        validated_bars=quoted,
    )
    expected = set()
    for day in days(N):
        for child, parent in linked(told.to_dicts(), "issued_by", day, at(day)):
            if child not in with_a_bar(quoted.to_dicts(), day):
                continue
            known: dict[tuple[str, str], list[dict[str, Any]]] = {}
            for row in stated.to_dicts():
                if row["entity_id"] == parent and row["known_at"] <= at(day):
                    known.setdefault((row["field"], row["period"]), []).append(row)
            for (field, period), candidates in known.items():
                period_end = max(row["ts"] for row in candidates)
                if at(day) - period_end > EXPIRY:
                    continue
                last = max(row["known_at"] for row in candidates if row["ts"] == period_end)
                same = [r for r in candidates if (r["ts"], r["known_at"]) == (period_end, last)]
                value = min(same, key=lambda row: row["source"])["value"]
                expected.add((day, child, parent, field, period, period_end, value, last))
    columns = ["date", "instrument_id", "entity_id", "field", "period", "period_end", "value", "known_at"]
    assert set(mart.select(columns).rows()) == expected
    assert mart.height == len(expected)


@RANDOM
@given(STAYS)
def test_an_index_has_the_members_that_were_known(stays: list[dict[str, Any]]) -> None:
    told = table("index_members", stays)
    mart = run("index_constituents", sessions=sessions(N), index_members=told)
    expected = {
        (day, row["symbol"])
        for day in days(N)
        for row in newest(told.to_dicts(), ("source", "index_id", "symbol", "first"), at(day))
        if row["first"] <= day and (row["last"] or day) >= day
    }
    assert set(mart.select("date", "symbol").rows()) == expected
    assert mart.height == len(expected)


def as_series(fact: dict[str, Any]) -> dict[str, Any]:
    """The same number as one of a macro series."""
    return {
        "series_id": fact["field"],
        **{name: fact[name] for name in ("source", "ts", "value", "unit", "known_at")},
    }


def everything(
    facts: list[dict[str, Any]],
    links: list[dict[str, Any]],
    stays: list[dict[str, Any]],
    bars: list[dict[str, Any]],
) -> dict[str, pl.DataFrame]:
    """All marts that say what was known, with the moment of each row as `moment`."""
    lake = {
        "sessions": sessions(N),
        "listings": CONTRACTS,
        "validated_facts": table("validated_facts", facts),
        "entity_links": table("entity_links", links),
        "index_members": table("index_members", stays),
        "validated_bars": table("validated_bars", bars),
        "validated_macro": table("validated_macro", [*map(as_series, facts)]),
    }

    def mart(name: str, **others: pl.DataFrame) -> pl.DataFrame:
        read = {known: frame for known, frame in lake.items() if f'"lake"."{known}"' in compiled()[name]}
        return run(name, **read, **others)

    made = {
        name: mart(name)
        for name in ("macro_as_known", "fundamentals_as_of", "index_constituents", "futures_curve")
    }
    made["sector_aggregates"] = mart("sector_aggregates", fundamentals_as_of=made["fundamentals_as_of"])
    made["calendar_spreads"] = mart("calendar_spreads", futures_curve=made["futures_curve"])
    return made


@RANDOM
@given(FACTS, LINKS, STAYS, BARS, st.integers(0, N), st.data())
def test_what_becomes_known_later_changes_no_row_of_before(
    facts: list[dict[str, Any]],
    links: list[dict[str, Any]],
    stays: list[dict[str, Any]],
    bars: list[dict[str, Any]],
    cut: int,
    data: st.DataObject,
) -> None:
    until = at(DAY + timedelta(cut), 15)
    before = everything(facts, links, stays, bars)

    def other(
        known: list[dict[str, Any]], draw: st.SearchStrategy[list[dict[str, Any]]]
    ) -> list[dict[str, Any]]:
        """The past as it was, another future."""
        later = [row for row in data.draw(draw) if row["known_at"] > until]
        return [row for row in known if row["known_at"] <= until] + later

    after = everything(other(facts, FACTS), other(links, LINKS), other(stays, STAYS), other(bars, BARS))
    for name, mart in before.items():
        moment = "session_close" if "session_close" in mart.columns else "next_open"
        past = pl.col(moment) <= until
        assert_frame_equal(mart.filter(past), after[name].filter(past), check_row_order=False)
        if "known_at" in mart.columns:
            assert mart.filter(pl.col("known_at") > pl.col(moment)).is_empty()


def test_a_revision_of_an_older_period_hides_nothing() -> None:
    told = {"entity_id": "issuer:A", "field": "assets", "period": "instant", "unit": "USD"}
    old, new = at(DAY - timedelta(90)), at(DAY - timedelta(1))
    stated = [
        {**told, "ts": old, "value": 1.0, "known_at": old},
        {**told, "ts": new, "value": 2.0, "known_at": at(DAY, 20)},
        {**told, "ts": old, "value": 1.5, "known_at": at(days(2)[1], 20)},
    ]
    link = {"relation": "issued_by", "child": "XNYS:A", "parent": "issuer:A", "known_at": old}
    mart = run(
        "fundamentals_as_of",
        sessions=sessions(3),
        validated_facts=table("validated_facts", stated),
        entity_links=table("entity_links", [link]),
        validated_bars=table("validated_bars", [quote("A", day) for day in days(3)]),
    )
    assert mart["value"].to_list() == [2.0, 2.0, 2.0]
    assert mart["known_at"].to_list() == [at(DAY, 20)] * 3
    assert mart["days_known"].to_list() == [0, 1, 2]


def figures_on(*days_quoted: date, ts: datetime) -> list[date]:
    """Sessions on which a figure of a share that is quoted on some days is shown; it was known at once."""
    told = {"entity_id": "issuer:A", "field": "assets", "period": "instant", "unit": "USD"}
    link = {"relation": "issued_by", "child": "XNYS:A", "parent": "issuer:A", "known_at": ts}
    # Another instrument has a bar on every day: there are sessions, but not of this share.
    bars = [*(quote("A", day) for day in days_quoted), *(quote("B", day) for day in days(4))]
    mart = run(
        "fundamentals_as_of",
        sessions=sessions(4),
        validated_facts=table("validated_facts", [{**told, "ts": ts, "known_at": ts}]),
        entity_links=table("entity_links", [link]),
        validated_bars=table("validated_bars", bars),
    )
    return sorted(mart["date"].to_list())


def test_figures_are_shown_where_the_share_has_a_bar_from_when_they_are_known_until_they_are_too_old() -> (
    None
):
    first, second, third, fourth = days(4)
    assert figures_on(first, third, ts=at(DAY, 0)) == [first, third]
    assert figures_on(*days(4), ts=at(third, 9)) == [third, fourth]
    assert figures_on(*days(4), ts=at(second) - EXPIRY) == [first, second]


def test_a_figure_is_too_old_for_the_marts_when_it_is_for_the_inputs() -> None:
    assert f"interval {EXPIRY.days} day" in compiled()["fundamentals_as_of"]


def test_an_industry_has_a_day_only_where_a_member_has_a_bar() -> None:
    told = [
        *(("issued_by", f"XNYS:{n}", f"issuer:{n}") for n in "AB"),
        ("in_industry", "issuer:A", "industry:s/tech"),
        ("in_industry", "issuer:C", "industry:s/tech"),
        ("issued_by", "XNYS:C", "issuer:C"),
    ]
    links = [{"relation": r, "child": c, "parent": p, "known_at": at(DAY - timedelta(9))} for r, c, p in told]
    mart = run(
        "sector_aggregates",
        sessions=sessions(2),
        entity_links=table("entity_links", links),
        validated_bars=table("validated_bars", [quote("B", DAY), quote("A", days(2)[1])]),
        fundamentals_as_of=run("fundamentals_as_of", sessions=sessions(2)),
    )
    assert mart.select("date", "members", "members_traded").rows() == [(days(2)[1], 2, 1)]


def day_of_two_industries(**late: datetime) -> pl.DataFrame:
    """Three shares in two industries: A1 and A2 of one issuer; B splits 2:1 and is worth the same."""
    closes = {"A1": (10.0, 11.0, 1.0), "A2": (10.0, 9.0, 1.0), "B": (100.0, 50.0, 0.5)}
    quoted = [
        {
            "exchange": "XNYS",
            "date": day,
            "instrument_id": f"XNYS:{name}",
            "freq": "1d",
            "price_type": "trade",
            "ts": at(day),
            "close": prices[i],
            "ex_factor": prices[2] if i else 1.0,
            "volume": 10.0,
            "known_at": late.get(name, at(day, 22)) if i else at(day, 22),
        }
        for name, prices in closes.items()
        for i, day in enumerate(days(2))
    ]
    told = [
        *({"relation": "issued_by", "child": f"XNYS:{n}", "parent": f"issuer:{n[0]}"} for n in closes),
        *(
            {"relation": "in_industry", "child": f"issuer:{n}", "parent": f"industry:s/{i}"}
            for n, i in (("A", "tech"), ("B", "oil"))
        ),
    ]
    long_ago = at(DAY - timedelta(30))
    figures = [
        {"entity_id": "issuer:A", "field": "assets", "period": "instant", "value": 5.0},
        {"entity_id": "issuer:A", "field": "revenues", "period": "Q", "value": 7.0},
    ]
    common = {"unit": "USD", "ts": long_ago, "known_at": long_ago}
    lake = {
        "sessions": sessions(2),
        "entity_links": table("entity_links", [{**row, "known_at": long_ago} for row in told]),
    }
    lake["validated_bars"] = table("validated_bars", quoted)
    stated = table("validated_facts", [{**row, **common} for row in figures])
    known = run("fundamentals_as_of", **lake, validated_facts=stated)
    return run("sector_aggregates", **lake, fundamentals_as_of=known)


def test_the_day_of_an_industry() -> None:
    first, second = day_of_two_industries().partition_by("date", maintain_order=True)
    assert first["members_with_return"].to_list() == [0, 0]
    oil, tech = second.sort("industry").to_dicts()
    assert (oil["members"], oil["mean_return"]) == (1, 0.0)
    assert (tech["members"], tech["members_traded"]) == (2, 2)
    assert tech["mean_return"] == pytest.approx(0.0)
    assert tech["turnover"] == pytest.approx(10 * 11 + 10 * 9)
    # Two share classes, one issuer; a quarter's revenues are no year's.
    assert (tech["issuers_with_figures"], tech["assets_usd"], tech["revenues_usd"]) == (1, 5.0, None)
    assert oil["assets_usd"] is None


def test_a_bar_that_comes_after_the_next_open_is_not_in_its_day() -> None:
    in_time, late = at(days(3)[2], 14), at(days(3)[2], 15)
    tech = pl.col("industry").str.ends_with("tech") & (pl.col("date") == days(2)[1])
    assert day_of_two_industries(A2=in_time).filter(tech)["members_with_return"].to_list() == [2]
    after = day_of_two_industries(A2=late).filter(tech)
    assert after["members_with_return"].to_list() == [1]
    assert after["mean_return"].to_list() == [pytest.approx(0.1)]


def curve(*contracts: tuple[str, float, date | None]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Curve and spreads of one session; contracts are month, price, expiry."""
    known = [
        {"symbol": m, "instrument_id": f"XNYM:CL.{m}", "root": "XNYM:CL", "expiry": e, "known_at": at(DAY)}
        for m, _, e in contracts
    ]
    # A second vendor lists the same contracts, without expiry; a share is on no curve.
    again = [{**row, "source": "other", "expiry": None} for row in known]
    quoted = [
        {"instrument_id": f"XNYM:CL.{month}", "close": price, "asset_class": "future"}
        for month, price, _ in contracts
    ]
    common = {
        "exchange": "XNYM",
        "date": DAY,
        "freq": "1d",
        "price_type": "trade",
        "ts": at(DAY),
        "known_at": at(DAY, 22),
    }
    made = run(
        "futures_curve",
        sessions=sessions(1, "XNYM"),
        listings=table("listings", known + again),
        validated_bars=table(
            "validated_bars", [{**row, **common} for row in [*quoted, {"instrument_id": "XNYM:X"}]]
        ),
    )
    return made, run("calendar_spreads", sessions=sessions(1, "XNYM"), futures_curve=made)


def test_a_curve_goes_by_expiry_and_yields_what_it_falls() -> None:
    made, spreads = curve(
        ("201902", 49.0, date(2019, 1, 22)),
        ("201812", 52.0, date(2018, 11, 19)),
        ("201901", 50.0, date(2018, 12, 19)),
    )
    assert made["position"].to_list() == [1, 2, 3]
    assert made["price"].to_list() == [52.0, 50.0, 49.0]
    assert made["roll_yield"].to_list() == [
        pytest.approx(math.log(52 / 50) / (30 / 365.25)),
        pytest.approx(math.log(50 / 49) / (34 / 365.25)),
        None,
    ]
    assert spreads.select("position", "near_contract", "far_contract", "spread").rows() == [
        (1, "XNYM:CL.201812", "XNYM:CL.201901", -2.0),
        (2, "XNYM:CL.201901", "XNYM:CL.201902", -1.0),
    ]


def test_without_expiry_the_month_in_the_id_counts_and_a_price_below_zero_has_no_yield() -> None:
    made, _ = curve(("202006", 20.0, None), ("202005", -37.63, None), ("202007", 26.0, None))
    assert made["instrument_id"].str.slice(-6).to_list() == ["202005", "202006", "202007"]
    assert made["roll_yield"].to_list() == [None, pytest.approx(math.log(20 / 26) / (30 / 365.25)), None]


def test_a_ticker_that_means_two_instruments_means_none_here() -> None:
    stay = {"index_id": "XNYS:SPX", "first": DAY, "known_at": at(DAY, 0)}
    shares = [
        {"symbol": "ONE", "instrument_id": "XNYS:ONE"},
        {"symbol": "TWO", "instrument_id": "XNYS:TWO"},
        {"symbol": "TWO", "instrument_id": "XNAS:TWO", "source": "other"},
        {"symbol": "GONE", "instrument_id": "XNYS:GONE", "last": DAY - timedelta(1)},
    ]
    mart = run(
        "index_constituents",
        sessions=sessions(1),
        index_members=table("index_members", [{**stay, "symbol": s} for s in ("ONE", "TWO", "GONE")]),
        listings=table("listings", [{**row, "asset_class": "equity", "known_at": at(DAY)} for row in shares]),
    )
    assert mart.select("symbol", "instrument_id").rows() == [
        ("GONE", None),
        ("ONE", "XNYS:ONE"),
        ("TWO", None),
    ]


def test_a_release_later_on_the_same_day_came_from_the_future() -> None:
    close = at(DAY)
    mart = pl.DataFrame(
        {"session_close": [close] * 2, "known_at": [close, close + timedelta(microseconds=1)]}
    )
    assert (
        run("macro_never_from_the_future", macro_as_known=mart)["known_at"].to_list()
        == mart["known_at"].to_list()[1:]
    )


def test_a_macro_value_is_as_old_as_itself_not_as_the_last_news_of_its_series() -> None:
    told = {"series_id": "cpi", "unit": "index"}
    known = [
        {**told, "ts": at(DAY - timedelta(30)), "value": 1.0, "known_at": at(DAY, 9)},
        {**told, "ts": at(DAY - timedelta(60)), "value": 0.5, "known_at": at(days(2)[1], 9)},
    ]
    mart = run("macro_as_known", sessions=sessions(2), validated_macro=table("validated_macro", known))
    assert mart["value"].to_list() == [1.0, 1.0]
    assert mart["days_since_release"].to_list() == [0, 1]
    assert mart["session_close"].to_list() == [at(day) for day in days(2)]


def coverage(
    quoted: list[dict[str, Any]], held: list[tuple[str, str, str]], known: pl.DataFrame
) -> pl.DataFrame:
    """Coverage of some daily bars; `held` back are rows of exchange, source and symbol."""
    common = {
        "exchange": "XNYS",
        "freq": "1d",
        "price_type": "trade",
        "date": DAY,
        "ts": at(DAY),
        "known_at": at(DAY, 22),
    }
    back = [
        {"exchange": e, "source": s, "symbol": n, "date": DAY, "line": i, "known_at": at(DAY)}
        for i, (e, s, n) in enumerate(held)
    ]
    calendar = pl.DataFrame({"exchange": ["XNYS"], "month": [DAY], "sessions": [23]})
    mart = run(
        "data_coverage",
        validated_bars=table("validated_bars", [{**common, **row} for row in quoted]),
        quarantine=table("quarantine", back),
        listings=known,
        calendar=calendar,
    )
    assert run("data_coverage_one_row_an_instrument_and_month", data_coverage=mart).is_empty()
    return mart


def held_back(held: list[tuple[str, str, str]], known: pl.DataFrame) -> dict[str, int]:
    """Rows held back by instrument."""
    quoted = [
        {"exchange": e, "instrument_id": i}
        for e, i in known.select("exchange", "instrument_id").unique().rows()
    ]
    mart = coverage(quoted, held, known)
    assert mart.height == len(quoted)
    return dict(
        mart.filter(pl.col("rows_quarantined") > 0).select("instrument_id", "rows_quarantined").rows()
    )


def test_rows_held_back_are_counted_by_instrument_whatever_they_are_called() -> None:
    held = [
        ("XNAS", "csv_drop", "AAPL"),
        ("XNAS", "csv_drop", "XNAS:AAPL"),
        ("XNAS", "hv_apple", "XNAS:AAPL"),
        ("XNYM", "arch_series", "wti"),
        ("XNYS", "arch_series", "sp500"),
        # The ticker meant GOOGL until 2014 only.
        ("XNAS", "bokeh_stocks", "GOOG"),
        ("XNYS", "csv_drop", "ENRON"),
    ]
    assert held_back(held, listings()) == {"XNAS:AAPL": 3, "XNYM:WTI": 1, "XNYS:SPX": 1}


def test_a_symbol_counts_for_the_instrument_that_it_meant_on_the_day() -> None:
    known = listings().filter(source="csv_drop", symbol="IBM")
    before = known.with_columns(last=DAY - timedelta(1))
    since = known.with_columns(first=DAY, instrument_id=pl.lit("XNYS:OTHER"))
    assert held_back([("XNYS", "csv_drop", "IBM")], pl.concat([before, since])) == {"XNYS:OTHER": 1}


def test_bids_and_asks_are_covered_apart_and_months_too() -> None:
    november = date(2018, 11, 1)
    quoted = [
        {"instrument_id": "XNYS:IBM", "price_type": "bid"},
        {"instrument_id": "XNYS:IBM", "price_type": "ask"},
        {"instrument_id": "XNYS:IBM", "price_type": "ask", "ts": at(DAY, 20)},
        {"instrument_id": "XNYS:IBM", "price_type": "ask", "date": november},
    ]
    mart = coverage(quoted, [("XNYS", "csv_drop", "IBM")], listings())
    assert mart.select(
        "price_type", "month", "bars", "sessions", "sessions_expected", "rows_quarantined"
    ).rows() == [
        ("ask", DAY, 2, 1, 23, 1),
        ("ask", november, 1, 1, None, 0),
        ("bid", DAY, 1, 1, 23, 1),
    ]


def test_a_bar_that_was_taken_back_does_not_count_and_a_corrected_one_counts_once() -> None:
    second = days(2)[1]
    later = {"known_at": at(DAY + timedelta(5))}
    quoted = [
        {"instrument_id": "XNYS:IBM"},
        {"instrument_id": "XNYS:IBM", "close": 2.0, **later},
        {"instrument_id": "XNYS:IBM", "date": second, "ts": at(second)},
        {"instrument_id": "XNYS:IBM", "date": second, "ts": at(second), "withdrawn": True, **later},
        {"instrument_id": "XNYS:GE"},
        {"instrument_id": "XNYS:GE", "withdrawn": True, **later},
    ]
    mart = coverage(quoted, [], listings())
    columns = ["instrument_id", "sessions", "bars", "bars_withdrawn", "revisions", "first_date", "last_date"]
    assert mart.select(columns).rows() == [
        ("XNYS:GE", 0, 0, 1, 1, None, None),
        ("XNYS:IBM", 1, 1, 1, 2, DAY, DAY),
    ]


def test_an_instrument_shown_twice_is_found() -> None:
    mart = pl.DataFrame({"exchange": ["XNYS"] * 2, "instrument_id": ["XNYS:IBM"] * 2, "freq": ["1d"] * 2})
    mart = mart.with_columns(price_type=pl.lit("trade"), month=DAY)
    found = run("data_coverage_one_row_an_instrument_and_month", data_coverage=mart)
    assert found["n_records"].to_list() == [2]
