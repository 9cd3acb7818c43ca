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
from lim_pipelines.validate.beside import (
    BEFORE_COLUMNS,
    BEFORE_SESSIONS,
    read_beside,
    read_beside_import,
    sessions_before,
)

SESSIONS = sessions("XNAS", date(2018, 1, 1), date(2018, 12, 31))["date"].to_list()


def scope(*days: date, mic: str = "XNAS") -> pl.DataFrame:
    return pl.DataFrame({"exchange": [mic] * len(days), "date": list(days)})


@settings(max_examples=40)
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


def dates(beside: pl.DataFrame) -> list[tuple[str, date, float]]:
    return beside.select("instrument_id", "date", "close").sort(pl.all()).rows()


def holed(lake: Lake) -> None:
    """A has a bar long ago, with a revision; B long ago and lately; C only lately."""
    rows = [
        bar(SESSIONS[1], instrument_id="A", close=1.0),
        bar(SESSIONS[2], instrument_id="A", close=2.0),
        bar(SESSIONS[2], instrument_id="A", close=3.0, known_day=SESSIONS[9]),
        bar(SESSIONS[2], instrument_id="A", close=4.0, price_type="bid"),
        bar(SESSIONS[2], instrument_id="B", close=5.0),
        bar(SESSIONS[90], instrument_id="B", close=6.0),
        bar(SESSIONS[90], instrument_id="C", close=7.0),
        *(bar(SESSIONS[100], instrument_id=name, close=8.0) for name in "ABCD"),
    ]
    written = pl.DataFrame(rows, schema=ALIGNED_BARS.schema)
    lake.write(ALIGNED_BARS, written, written.select("exchange", "date").unique())


def test_the_last_bar_before_counts_however_long_ago(tmp_path: Path) -> None:
    holed(Lake(tmp_path))
    beside = read_beside(Lake(tmp_path), scope(SESSIONS[100]))
    assert dates(beside.before) == [("B", SESSIONS[90], 6.0), ("C", SESSIONS[90], 7.0)]
    assert dates(beside.older) == [("A", SESSIONS[2], 2.0)], "no bar of bid is judged"
    assert dates(read_beside(Lake(tmp_path), scope(SESSIONS[90])).older) == [("B", SESSIONS[2], 5.0)]
    assert dates(read_beside(Lake(tmp_path), scope(SESSIONS[2])).older) == [], "it is among those before"


def test_each_stretch_of_a_scattered_scope_has_its_last_bars(tmp_path: Path) -> None:
    holed(Lake(tmp_path))
    far = date(2019, 6, 3)
    rows = pl.DataFrame([bar(far, instrument_id=name) for name in "AC"], schema=ALIGNED_BARS.schema)
    Lake(tmp_path).write(ALIGNED_BARS, rows, scope(far))
    both = read_beside(Lake(tmp_path), scope(SESSIONS[90], far))
    lately = [(name, SESSIONS[100], 8.0) for name in "AC"]
    assert dates(both.older) == [lately[0], ("B", SESSIONS[2], 5.0), lately[1]]
    with_it = read_beside(Lake(tmp_path), scope(SESSIONS[100], far))
    assert dates(with_it.older) == [("A", SESSIONS[2], 2.0)], "what is judged is not read twice"


def test_an_import_has_the_last_bars_of_all(tmp_path: Path) -> None:
    holed(Lake(tmp_path))
    beside = read_beside_import(Lake(tmp_path), scope(*SESSIONS[100:110]))
    assert dates(beside.before) == [("B", SESSIONS[90], 6.0), ("C", SESSIONS[90], 7.0)]
    last = [("A", SESSIONS[2], 2.0), ("A", SESSIONS[2], 4.0), ("B", SESSIONS[2], 5.0)]
    assert dates(beside.older) == last
