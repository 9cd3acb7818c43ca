"""What bars are judged against: the daily bars of the sessions before, whatever the scope."""

from datetime import date
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from lake_rows import bar

from lim_pipelines.exchanges import sessions
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import ALIGNED_BARS
from lim_pipelines.validate.beside import BEFORE_COLUMNS, BEFORE_SESSIONS, read_beside, sessions_before

SESSIONS = sessions("XNAS", date(2018, 1, 1), date(2018, 12, 31))["date"].to_list()


def scope(*days: date, mic: str = "XNAS") -> pl.DataFrame:
    return pl.DataFrame({"exchange": [mic] * len(days), "date": list(days)})


@settings(max_examples=40, deadline=None)
@given(st.sets(st.integers(100, 200), min_size=1, max_size=8))
def test_each_partition_has_the_sessions_before_it_and_none_after(asked: set[int]) -> None:
    found = sessions_before(scope(*(SESSIONS[i] for i in asked)))["date"].to_list()
    needed = {j for i in asked for j in range(i - BEFORE_SESSIONS, i)} - asked
    assert found == [SESSIONS[j] for j in sorted(needed)]


def test_a_closed_day_looks_at_the_sessions_before_it() -> None:
    found = sessions_before(scope(date(2018, 7, 4)))["date"].to_list()
    assert found == [day for day in SESSIONS if day < date(2018, 7, 4)][-BEFORE_SESSIONS:]


def test_only_daily_bars_of_the_exchange_are_read(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    day, other = SESSIONS[99], SESSIONS[30]
    rows = [
        bar(day),
        bar(day, freq="1m"),
        bar(day, exchange="XNYS"),
        bar(SESSIONS[100]),
        bar(SESSIONS[101]),
        bar(other),
    ]
    written = pl.DataFrame(rows, schema=ALIGNED_BARS.schema)
    lake.write(ALIGNED_BARS, written, written.select("exchange", "date").unique())
    beside = read_beside(lake, scope(SESSIONS[100]))
    assert beside.before.columns == list(BEFORE_COLUMNS)
    assert beside.before.select("exchange", "date", "freq").rows() == [("XNAS", day, "1d")]
    assert set(beside.listings["exchange"]) == {"XNAS"}, "the embedded listings, without a table in the lake"


def test_an_empty_lake_has_nothing_before(tmp_path: Path) -> None:
    beside = read_beside(Lake(tmp_path), scope(SESSIONS[100]))
    assert beside.before.is_empty()
    assert beside.actions.is_empty()
    assert beside.members.is_empty()
