"""Laws of publication: files, corrections, macro series, reports without a form, days without a session."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from lake_rows import bar, frame

from lim_pipelines.audit.offices import AT_ONCE, OFFICE_TAKES
from lim_pipelines.audit.published import audit_arrivals, audit_corrections, audit_published
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import (
    LANDING_FILES,
    RAW_QUOTES,
    VALIDATED_BARS,
    VALIDATED_FACTS,
    VALIDATED_MACRO,
    Table,
)
from lim_pipelines.sources import frbny_vintages, macro, macro_series

END = datetime(2018, 9, 30, 20, tzinfo=UTC)
CAME, AGAIN = datetime(2018, 10, 3, tzinfo=UTC), datetime(2018, 10, 6, tzinfo=UTC)


def put(lake: Lake, table: Table, *rows: dict[str, object]) -> None:
    given = {name: dtype for name, dtype in table.schema.items() if name in rows[0]}
    made = table.conform(pl.DataFrame(rows, schema=given))
    lake.write(table, made, made.select(table.partition_key).unique())


def landed(lake: Lake) -> None:
    """Two contents of a feed's file."""
    for sha, arrived in (("a", CAME), ("b", AGAIN)):
        row = {"path": "in.zip", "sha256": sha, "exchange": "XNAS", "bytes": 1, "state": "present"}
        row |= {"arrived_at": arrived, "modified_at": arrived, "history": False, "source": "s", "rows": 1}
        row |= {"first_date": None, "last_date": None, "rows_rejected": 0, "rule": "", "reason": ""}
        put(lake, LANDING_FILES, row)


def quote(known_at: datetime, close: float = 1.0) -> dict[str, object]:
    row = {**bar(close=close), "symbol": "A", "file": "in.zip#a.csv", "line": 1, "known_at": known_at}
    return {name: value for name, value in row.items() if name in RAW_QUOTES.schema}


@pytest.mark.parametrize(("known_at", "obeys"), [(CAME, True), (CAME - timedelta(hours=1), False)])
def test_rows_of_a_file_inside_an_archive_came_with_it(
    tmp_path: Path, known_at: datetime, obeys: bool
) -> None:
    lake = Lake(tmp_path)
    landed(lake)
    put(lake, RAW_QUOTES, quote(known_at))
    (found,) = audit_arrivals(lake)
    assert found.compared == 1
    assert found.passed == obeys


@pytest.mark.parametrize(("known_at", "obeys"), [(AGAIN, True), (AGAIN - timedelta(hours=1), False)])
def test_a_correction_came_with_the_second_content(tmp_path: Path, known_at: datetime, obeys: bool) -> None:
    lake = Lake(tmp_path)
    landed(lake)
    put(lake, RAW_QUOTES, quote(CAME), quote(known_at, 2.0))
    (found,) = audit_corrections(lake)
    assert found.compared == 1, "the first revision is not judged here"
    assert found.passed == obeys
    assert audit_arrivals(lake)[0].passed


def test_every_series_has_a_lower_bound_and_keeps_it_by_its_own_lag() -> None:
    registered = (*macro.MACRO_SERIES, *macro_series.SERIES)
    assert {one.series_id for one in (*registered, *frbny_vintages.SERIES)} == OFFICE_TAKES.keys()
    for one in registered:
        if one.period != "1d":
            assert one.lag is not None
            assert AT_ONCE < OFFICE_TAKES[one.series_id] <= one.lag, one.series_id


@pytest.mark.parametrize("series", ["baa_yield", "shiller_earnings", "frbny.GDPC1", "of_nobody"])
def test_a_value_known_at_its_periods_end_is_found(tmp_path: Path, series: str) -> None:
    lake = Lake(tmp_path)
    row: dict[str, object] = {"source": "s", "series_id": series, "ts": END, "value": 1.0, "unit": "u"}
    row |= {"file": "f", "line": 1}
    put(lake, VALIDATED_MACRO, {**row, "known_at": END})
    (found,) = audit_published(lake, "validated_macro")
    assert "office" in found.finding
    put(lake, VALIDATED_MACRO, {**row, "known_at": END + timedelta(days=40)})
    (found,) = audit_published(lake, "validated_macro")
    assert found.passed == (series != "of_nobody"), "a series without a lower bound does not pass"


@pytest.mark.parametrize(("period", "obeys"), [("FY", False), ("instant", True)])
def test_a_report_without_a_form_is_a_report(tmp_path: Path, period: str, obeys: bool) -> None:
    lake = Lake(tmp_path)
    row: dict[str, object] = {"source": "s", "entity_id": "XNAS:A", "year": 2018}
    row |= {"field": "revenues", "period": period, "ts": END, "value": 1.0, "unit": "USD", "form": None}
    row |= {"file": "f", "line": 1, "known_at": END, "exchange": "XNAS"}
    put(lake, VALIDATED_FACTS, {name: row[name] for name in row if name in VALIDATED_FACTS.schema})
    (found,) = audit_published(lake, "validated_facts")
    assert found.passed == obeys


def test_a_bar_on_a_day_without_a_session_disobeys(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    sunday = frame(bar(date(2018, 9, 30), known_day=date(2018, 10, 9)))
    lake.write(VALIDATED_BARS, sunday, sunday)
    (found,) = audit_published(lake, "validated_bars")
    assert "session_close" in found.finding
