"""Bars that a vendor takes back: hidden from then on, not before; and nothing else is touched."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.align.revisions import merge
from lim_pipelines.align.withdrawals import withdrawn
from lim_pipelines.lake import LATEST, as_of_view
from lim_pipelines.schemas import QUARANTINE, RAW_QUOTES

START = datetime(2020, 1, 1, tzinfo=UTC)
NOBODY = QUARANTINE.empty()


def hour(n: float) -> datetime:
    return START + timedelta(hours=n)


def bars(
    file: str, days: list[int], arrived: float = 0, symbol: str = "IBM", close: float = 1
) -> pl.DataFrame:
    rows = [
        {
            "exchange": "XNYS",
            "date": date(2018, 11, day),
            "source": "csv_drop",
            "symbol": symbol,
            "freq": "1d",
            "ts": datetime(2018, 11, day, 21, tzinfo=UTC),
            **dict.fromkeys(("open", "high", "low", "close"), close),
            "volume": 1.0,
            "ex_factor": 1.0,
            "file": file,
            "line": 2,
            "known_at": hour(arrived),
        }
        for day in days
    ]
    return RAW_QUOTES.conform(pl.DataFrame(rows)) if rows else RAW_QUOTES.empty()


def rejected(file: str, day: int, symbol: str, rule: str = "unparsable_number") -> pl.DataFrame:
    row = {
        **{"stage": "parse", "exchange": "XNYS", "date": date(2018, 11, day), "source": "csv_drop"},
        **{"file": file, "line": 3, "symbol": symbol, "rule": rule, "reason": "", "evidence": ""},
        "known_at": START,
    }
    return QUARANTINE.conform(pl.DataFrame([row]))


def days(frame: pl.DataFrame) -> list[int]:
    return frame["date"].dt.day().to_list()


def test_a_bar_that_is_no_longer_in_its_file_is_taken_back_at_arrival() -> None:
    there = bars("a.csv", [20, 21])
    taken = withdrawn(there, bars("a.csv", [20], 5), NOBODY, {"a.csv"}, hour(6))
    (row,) = taken.iter_rows(named=True)
    assert (row["date"], row["withdrawn"], row["known_at"]) == (date(2018, 11, 21), True, hour(6))
    before = there.row(1, named=True)
    assert {**row, "withdrawn": False, "known_at": START} == before, "its values are as they were"
    rows = pl.concat([there, taken])
    assert days(as_of_view(rows, hour(5.9), RAW_QUOTES)) == [20, 21]
    assert days(as_of_view(rows, hour(6), RAW_QUOTES)) == [20]


def test_a_revision_that_is_known_later_is_taken_back_after_it() -> None:
    there = bars("a.csv", [21], 9)
    assert withdrawn(there, RAW_QUOTES.empty(), NOBODY, {"a.csv"}, hour(6))["known_at"].to_list() == [
        hour(9) + timedelta(microseconds=1)
    ]


def test_members_of_archives_belong_to_their_file() -> None:
    there = pl.concat([bars("a.zip#one.csv", [21]), bars("b#c.csv", [22])])
    assert days(withdrawn(there, RAW_QUOTES.empty(), NOBODY, {"a.zip", "b#c.csv"}, hour(6))) == [21, 22]


@pytest.mark.parametrize("accounted", [set(), {"b.csv"}], ids=["nothing read", "its file is gone"])
def test_files_that_are_gone_or_refused_take_nothing_back(accounted: set[str]) -> None:
    assert withdrawn(bars("a.csv", [21]), RAW_QUOTES.empty(), NOBODY, accounted, hour(6)).is_empty()


def test_a_bar_that_another_file_still_gives_stays() -> None:
    there = bars("a.csv", [21])
    assert withdrawn(there, bars("b.csv", [21], 3), NOBODY, {"a.csv", "b.csv"}, hour(6)).is_empty()


def test_a_bar_that_another_file_has_revised_is_no_longer_the_first_ones_to_take_back() -> None:
    there = pl.concat([bars("a.csv", [21]), bars("b.csv", [21], 3, close=2)])
    assert withdrawn(there, RAW_QUOTES.empty(), NOBODY, {"a.csv"}, hour(6)).is_empty()
    assert days(withdrawn(there, RAW_QUOTES.empty(), NOBODY, {"b.csv"}, hour(6))) == [21]


@pytest.mark.parametrize(
    ("row", "left"),
    [
        (rejected("a.csv", 21, "IBM"), ["GE"]),
        (rejected("a.csv", 21, "GE"), []),  # The one's date, the other's symbol.
        (rejected("a.csv", 9, "IBM"), ["GE"]),  # The same symbol, under a date that may be wrong.
        (rejected("a.csv", 9, ""), []),  # It might be anything.
        (rejected("z.csv", 9, ""), ["GE", "IBM"]),
        (rejected("a.csv", 21, "IBM", "duplicate_bar"), ["GE", "IBM"]),
    ],
)
def test_what_may_hide_behind_a_rejected_row_is_not_taken_back(row: pl.DataFrame, left: list[str]) -> None:
    there = pl.concat([bars("a.csv", [21]), bars("a.csv", [22], symbol="GE")])
    taken = withdrawn(there, RAW_QUOTES.empty(), row, {"a.csv"}, hour(6))
    assert sorted(taken["symbol"]) == left


def deliver(there: pl.DataFrame, files: dict[str, tuple[float, frozenset[int]]], now: float) -> pl.DataFrame:
    """One run: all files that lie there are read."""
    parts = [bars(file, sorted(held), arrived) for file, (arrived, held) in sorted(files.items())]
    incoming = pl.concat([RAW_QUOTES.empty(), *parts]).unique(
        RAW_QUOTES.key, keep="first", maintain_order=True
    )
    taken = withdrawn(there, incoming, NOBODY, frozenset(files), hour(now))
    return pl.concat([merge(there, incoming, hour(now), RAW_QUOTES), taken]).sort(RAW_QUOTES.row_key)


_DELIVERIES = st.lists(
    st.tuples(st.sampled_from("abc"), st.frozensets(st.integers(1, 6), max_size=6)), min_size=1, max_size=8
)


@given(_DELIVERIES)
@settings(max_examples=60)
def test_after_every_delivery_what_is_known_is_what_lies_there(
    deliveries: list[tuple[str, frozenset[int]]],
) -> None:
    there, files, seen = RAW_QUOTES.empty(), {}, []
    for step, (file, held) in enumerate(deliveries):
        files[file] = (float(step), held)
        there = deliver(there, files, step + 0.5)
        union = sorted(frozenset().union(*(held for _, held in files.values())))
        assert days(as_of_view(there, LATEST, RAW_QUOTES)) == union
        assert deliver(there, files, step + 0.7).equals(there), "doing it again finds nothing"
        seen.append((step + 0.5, union))
    for moment, union in seen:
        assert days(as_of_view(there, hour(moment), RAW_QUOTES)) == union, "the past is not touched"


def test_what_history_gives_again_holds_again() -> None:
    there = bars("a.csv", [20, 21])
    gone = merge(
        there, withdrawn(there, bars("a.csv", [20]), NOBODY, {"a.csv"}, hour(6)), hour(6), RAW_QUOTES
    )
    again = merge(gone, there, hour(9), RAW_QUOTES)
    history = again.filter(pl.col("date") == date(2018, 11, 21)).sort("known_at")
    assert history["withdrawn"].to_list() == [False, True, False]
    assert history["known_at"].to_list()[1:] == [hour(6), hour(9)]
    assert merge(again, there, hour(12), RAW_QUOTES).equals(again)
