"""Which sessions the marts make again after a change of the lake."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from lake_rows import bar, frame

from lim_pipelines import marts
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import ENTITY_LINKS, LISTINGS, VALIDATED_BARS, VALIDATED_FACTS, Table

# Monday to Friday; Thanksgiving is closed, the Friday a half day.
HELD = [date(2018, 11, 19), date(2018, 11, 20), date(2018, 11, 21), date(2018, 11, 23)]
LONG_AGO = datetime(2018, 1, 1, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path)
    quote(lake, 1.0, *HELD)
    return lake


def quote(lake: Lake, close: float, *days: date) -> None:
    lake.write(
        VALIDATED_BARS,
        frame(*(bar(day, "XNYS", close) for day in days)),
        pl.DataFrame({"exchange": "XNYS", "date": days}),
    )


def put(lake: Lake, table: Table, **row: Any) -> None:
    told = {"source": "test", "file": "a.csv", "line": 1, "known_at": LONG_AGO, **row}
    new = table.conform(pl.DataFrame([told]))
    lake.update(table, new.select(table.partition_key), lambda there: pl.concat([there, new]))


def changed(lake: Lake, seen: dict[str, int]) -> dict[str, list[date]]:
    """Dates by the table that changed."""
    found = marts.changed_sessions(lake, seen, marts.calendar(lake).filter("held")).sort("date")
    return {
        str(name): rows["date"].to_list()
        for (name,), rows in found.group_by("table_name", maintain_order=True)
    }


def fact(value: float, known: datetime) -> dict[str, Any]:
    about = {"entity_id": "issuer:XNYS:A", "field": "assets", "period": "instant", "unit": "USD"}
    return {**about, "year": 2018, "ts": LONG_AGO, "value": value, "known_at": known}


def test_the_calendar_knows_half_days_holidays_and_what_the_lake_holds(lake: Lake) -> None:
    days = marts.calendar(lake)
    assert days["date"].min() == date(2018, 11, 1)
    assert days["date"].max() == date(2018, 11, 30)
    assert days.filter("held")["date"].to_list() == HELD
    friday = days.filter(date=HELD[-1]).row(0, named=True)
    assert friday["previous"] == HELD[-2]
    assert friday["session_close"] == datetime(2018, 11, 23, 18, tzinfo=UTC)
    assert friday["next_open"] == datetime(2018, 11, 26, 14, 30, tzinfo=UTC)
    assert marts.calendar(Lake(lake.root + "/none")).is_empty()


def test_nothing_changed_nothing_is_made_again(lake: Lake) -> None:
    seen = marts.versions(lake)
    quote(lake, 1.0, *HELD)
    assert changed(lake, seen) == {}


def test_a_correction_concerns_its_session_and_the_next_one(lake: Lake) -> None:
    seen = marts.versions(lake)
    quote(lake, 2.0, HELD[1])
    assert changed(lake, seen) == {"validated_bars": HELD[1:3]}


def test_a_new_session_is_one_for_marts_without_bars_too_and_so_is_one_that_went(lake: Lake) -> None:
    seen = marts.versions(lake)
    monday = date(2018, 11, 26)
    quote(lake, 2.0, monday)
    assert changed(lake, seen) == {"validated_bars": [monday], "sessions": [monday]}
    seen = marts.versions(lake)
    lake.write(VALIDATED_BARS, VALIDATED_BARS.empty(), pl.DataFrame({"exchange": "XNYS", "date": [monday]}))
    assert changed(lake, seen) == {"validated_bars": [monday], "sessions": [monday]}


def test_a_figure_concerns_the_sessions_since_it_was_known_not_its_whole_partition(lake: Lake) -> None:
    put(lake, VALIDATED_FACTS, **fact(1.0, LONG_AGO))
    seen = marts.versions(lake)
    put(lake, VALIDATED_FACTS, **fact(2.0, datetime(2018, 11, 21, 21, tzinfo=UTC)))
    assert changed(lake, seen) == {"validated_facts": HELD[2:]}
    # Taken out again: the same sessions.
    seen = marts.versions(lake)
    scope = pl.DataFrame({"source": ["test"], "year": [2018]})
    lake.update(VALIDATED_FACTS, scope, lambda there: there.filter(pl.col("value") == 1.0))
    assert changed(lake, seen) == {"validated_facts": HELD[2:]}


def test_a_link_concerns_no_session_before_it_holds(lake: Lake) -> None:
    seen = marts.versions(lake)
    link = {
        "relation": "issued_by",
        "child": "XNYS:A",
        "parent": "issuer:A",
        "score": 1.0,
        "method": "vendor",
    }
    put(lake, ENTITY_LINKS, **link, first=HELD[3])
    assert changed(lake, seen) == {"entity_links": HELD[3:]}


def test_a_listing_concerns_the_sessions_on_which_the_symbol_means_that(lake: Lake) -> None:
    seen = marts.versions(lake)
    known = {"symbol": "A", "exchange": "XNYS", "instrument_id": "XNYS:A", "name": "A", "currency": "USD"}
    put(lake, LISTINGS, **known, asset_class="equity", first=HELD[1], last=HELD[2])
    assert changed(lake, seen) == {"listings": HELD[1:3]}
