"""Corrections: new rows beside the old ones, and laws that any order of arrivals must keep."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.align.revisions import merge
from lim_pipelines.schemas import RAW_MACRO, RELEASES

START = datetime(2018, 1, 1, tzinfo=UTC)
LATE = START + timedelta(days=500)


def day(n: int) -> datetime:
    return START + timedelta(days=n)


def table(*rows: tuple[int, float, int], file: str = "a") -> pl.DataFrame:
    """Rows of (period, value, day known)."""
    return pl.DataFrame(
        [("cpi", day(ts), value, "index", "s", file, 2, day(known)) for ts, value, known in rows],
        schema=RAW_MACRO.schema,
        orient="row",
    ).sort(RAW_MACRO.row_key)


EMPTY = table()


def test_new_facts_stay_as_proposed() -> None:
    incoming = table((0, 1.0, 10), (30, 2.0, 40))
    assert merge(EMPTY, incoming, LATE, RAW_MACRO).equals(incoming)
    assert merge(table((0, 1.0, 10)), incoming, LATE, RAW_MACRO).equals(incoming)


def test_the_same_again_changes_nothing_whatever_file_it_came_in() -> None:
    existing = table((0, 1.0, 10))
    assert merge(existing, table((0, 1.0, 10), file="b"), LATE, RAW_MACRO).equals(existing)
    assert merge(existing, table((0, 1.0, 99)), LATE, RAW_MACRO).equals(existing)


def test_a_correction_is_known_from_its_arrival_on() -> None:
    out = merge(table((0, 1.0, 10)), table((0, 1.5, 10)), LATE, RAW_MACRO)
    assert out.select("value", "known_at").rows() == [(1.0, day(10)), (1.5, LATE)]


def test_deliveries_of_one_run_keep_every_revision_run_by_run_or_at_once() -> None:
    first, second, third = (0, 1.0, 10), (0, 1.5, 20), (0, 2.0, 30)
    at_once = merge(EMPTY, table(first, second, third), LATE, RAW_MACRO)
    two_later = merge(table(first), table(first, second, third), LATE, RAW_MACRO)
    one_by_one = merge(
        merge(table(first), table(first, second), LATE, RAW_MACRO), table(third), LATE, RAW_MACRO
    )
    assert at_once.equals(table(first, second, third))
    assert two_later.equals(at_once)
    assert one_by_one.equals(at_once)


def test_a_later_delivery_of_the_same_values_is_no_revision() -> None:
    out = merge(table((0, 1.0, 10)), table((0, 1.0, 20), (0, 1.5, 30), (0, 1.5, 40)), LATE, RAW_MACRO)
    assert out.select("value", "known_at").rows() == [(1.0, day(10)), (1.5, day(30))]


def test_a_correction_never_comes_before_what_it_corrects() -> None:
    out = merge(table((0, 1.0, 10)), table((0, 1.5, 5)), day(3), RAW_MACRO)
    assert out["known_at"].to_list() == [day(10), day(10) + timedelta(microseconds=1)]


def test_reading_old_and_new_files_again_is_harmless() -> None:
    both = table((0, 1.0, 10), (0, 1.5, 20))
    existing = merge(EMPTY, both, LATE, RAW_MACRO)
    assert merge(existing, both, LATE, RAW_MACRO).equals(existing)
    assert merge(existing, table((0, 1.0, 10)), LATE, RAW_MACRO).equals(existing)


def test_a_correction_can_be_taken_back() -> None:
    existing = table((0, 1.0, 10), (0, 1.5, 20))
    out = merge(existing, table((0, 1.0, 30)), day(30), RAW_MACRO)
    assert out["value"].to_list() == [1.0, 1.5, 1.0]
    assert merge(out, table((0, 1.0, 10), (0, 1.5, 20), (0, 1.0, 30)), day(31), RAW_MACRO).equals(out)


def test_missing_values_are_values() -> None:
    missing = table((0, 1.0, 10)).with_columns(value=pl.lit(None, pl.Float64))
    assert merge(missing, missing, LATE, RAW_MACRO).height == 1
    assert merge(missing, table((0, 1.0, 10)), LATE, RAW_MACRO).height == 2


revisions = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from([1.0, 2.0, 3.0]), st.integers(10, 20)),
    max_size=12,
    unique_by=lambda row: (row[0], row[2]),
)


@settings(max_examples=60)
@given(revisions, revisions, st.integers(0, 30))
def test_laws(there: list[tuple[int, float, int]], come: list[tuple[int, float, int]], arrived: int) -> None:
    existing, incoming = table(*there), table(*come)
    out = merge(existing, incoming, day(arrived), RAW_MACRO)
    # Still a table: no row key twice.
    assert RAW_MACRO.conform(out).equals(out)
    # Nothing is deleted or changed.
    assert existing.join(out, on=existing.columns, how="anti", nulls_equal=True).is_empty()
    # Again is the same, at any time.
    assert merge(out, incoming, day(arrived + 7), RAW_MACRO).equals(out)
    # Facts do not meet: one by one, in any order, gives the same.
    one_by_one = existing
    for part in reversed(incoming.partition_by("ts")):
        one_by_one = merge(one_by_one, part, day(arrived), RAW_MACRO)
    assert one_by_one.equals(out)
    # What was known of a fact up to its latest revision stays what was known then.
    latest = existing.group_by("ts").agg(pl.col("known_at").max().alias("latest"))
    settled = out.join(latest, on="ts").filter(pl.col("known_at") <= pl.col("latest")).drop("latest")
    assert settled.sort(RAW_MACRO.row_key).equals(existing)
    # Corrections dated back are known from the arrival on, deliveries after the latest as they say.
    said = incoming.select("ts", "known_at")
    moved = out.join(existing, on=out.columns, how="anti").join(said, on=["ts", "known_at"], how="anti")
    assert moved.filter(pl.col("known_at") < day(arrived)).is_empty()


def test_columns_of_any_name_are_merged() -> None:
    """A second release beside a first one: `since` is a column of theirs, and no clock."""
    first = RELEASES.conform(
        pl.DataFrame(
            {
                "exchange": "XNAS",
                "date": date(2018, 11, 20),
                "rule": "ohlc_order",
                "symbol": ["XNAS:AAPL"],
                "content": "a",
                "since": "arrival",
                "released_by": "Ann",
                "why": "looked at the tape",
                "known_at": datetime(2018, 11, 21, tzinfo=UTC),
            }
        )
    )
    second = first.with_columns(symbol=pl.lit("XNAS:MSFT"))
    again = first.with_columns(why=pl.lit("looked twice"), since=pl.lit("release"))
    both = merge(first, pl.concat([second, again]), datetime(2018, 11, 22, tzinfo=UTC), RELEASES)
    assert both.select("symbol", "since").rows() == [
        ("XNAS:AAPL", "arrival"),
        ("XNAS:AAPL", "release"),
        ("XNAS:MSFT", "arrival"),
    ]
