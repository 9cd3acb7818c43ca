"""The as-of join: only what was known, the newest period first, expiry."""

from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.align.asof import join_asof_known
from lim_pipelines.schemas import UTC_TIME

START = datetime(2018, 1, 1, tzinfo=UTC)
SCHEMA = {"series_id": pl.String, "ts": UTC_TIME, "known_at": UTC_TIME, "value": pl.Float64}


def day(n: int) -> datetime:
    return START + timedelta(days=n)


def facts(*rows: tuple[str, int, int, float]) -> pl.DataFrame:
    return pl.DataFrame([(s, day(ts), day(k), v) for s, ts, k, v in rows], schema=SCHEMA, orient="row")


def decisions(*days: int, series: str = "cpi") -> pl.DataFrame:
    return pl.DataFrame(
        {"series_id": [series] * len(days), "decided_at": [day(n) for n in days]},
        schema={"series_id": pl.String, "decided_at": UTC_TIME},
    )


def joined(left: pl.DataFrame, right: pl.DataFrame, max_age: timedelta | None = None) -> list[float | None]:
    out = join_asof_known(
        left, right, at="decided_at", values={"value": "cpi"}, by=["series_id"], max_age=max_age
    )
    assert out.drop("cpi").equals(left)
    return out["cpi"].to_list()


def test_known_from_the_moment_of_publication_on() -> None:
    known = facts(("cpi", 0, 10, 1.0), ("cpi", 30, 40, 2.0))
    assert joined(decisions(9, 10, 39, 40, 5), known) == [None, 1.0, 1.0, 2.0, None]


def test_a_late_revision_of_an_old_period_does_not_hide_the_newest() -> None:
    known = facts(("cpi", 0, 10, 1.0), ("cpi", 30, 40, 2.0), ("cpi", 0, 50, 1.5), ("cpi", 30, 60, 2.5))
    assert joined(decisions(45, 55, 65), known) == [2.0, 2.0, 2.5]


def test_a_revision_counts_while_its_period_is_the_newest() -> None:
    known = facts(("cpi", 0, 10, 1.0), ("cpi", 0, 20, 1.5), ("cpi", 30, 40, 2.0))
    assert joined(decisions(15, 25, 45), known) == [1.0, 1.5, 2.0]


def test_old_facts_expire() -> None:
    known = facts(("cpi", 0, 10, 1.0))
    assert joined(decisions(20, 31, 32), known, timedelta(days=31)) == [1.0, 1.0, None]


def test_series_do_not_mix() -> None:
    known = facts(("vix", 0, 1, 9.0), ("cpi", 0, 10, 1.0))
    assert joined(decisions(5, 15), known) == [None, 1.0]
    assert joined(decisions(5, series="gdp"), known) == [None]


def test_without_keys() -> None:
    out = join_asof_known(decisions(15), facts(("cpi", 0, 10, 1.0)), at="decided_at", values={"value": "x"})
    assert out["x"].to_list() == [1.0]


rows = st.lists(
    st.tuples(st.sampled_from(["cpi", "vix"]), st.integers(0, 9), st.integers(0, 9), st.integers(0, 99)),
    max_size=20,
    unique_by=lambda row: row[:3],
)


@settings(max_examples=100, deadline=None)
@given(rows, st.lists(st.integers(0, 20), min_size=1, max_size=8))
def test_it_is_what_the_definition_says(drawn: list[tuple[str, int, int, int]], moments: list[int]) -> None:
    table = [(s, ts, ts + delay, float(v)) for s, ts, delay, v in drawn]

    def by_hand(moment: int) -> float | None:
        known = [row for row in table if row[0] == "cpi" and row[2] <= moment]
        return max(known, key=lambda row: (row[1], row[2]))[3] if known else None

    assert joined(decisions(*moments), facts(*table)) == [by_hand(moment) for moment in moments]
