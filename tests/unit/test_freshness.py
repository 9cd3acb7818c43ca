"""When a session is due, and which exchange owes one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from lake_rows import bar, frame

from lim_pipelines.exchanges import UnknownExchangeError
from lim_pipelines.freshness import GRACE, freshness, words
from lim_pipelines.lake import Lake, scope_of
from lim_pipelines.schemas import LANDING_FILES, VALIDATED_BARS

FRIDAY, MONDAY = date(2018, 12, 28), date(2018, 12, 31)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def publish(lake: Lake, exchange: str, *days: date) -> None:
    rows = frame(*(bar(day, exchange) for day in days))
    lake.write(VALIDATED_BARS, rows, scope_of({"exchange": [exchange], "date": list(days)}))


def said(lake: Lake, now: datetime, *mics: str) -> list[str]:
    return [words(row) for row in freshness(lake, mics, now).iter_rows(named=True)]


def test_a_session_is_due_after_its_close_the_feed_and_a_load(lake: Lake) -> None:
    publish(lake, "XNYS", FRIDAY)
    due = datetime(2018, 12, 31, 21, 15, tzinfo=UTC) + GRACE
    assert said(lake, due - timedelta(seconds=1), "XNYS") == ["XNYS: newest session 2018-12-28, nothing due"]
    assert said(lake, due, "XNYS") == [
        "XNYS: newest session 2018-12-28, 1 to 2018-12-31 due since 2018-12-31 22:00 UTC"
    ]
    publish(lake, "XNYS", MONDAY)
    assert said(lake, due, "XNYS") == ["XNYS: newest session 2018-12-31, nothing due"]
    # New Year's Day is nobody's session.
    assert said(lake, due + timedelta(days=1), "XNYS") == ["XNYS: newest session 2018-12-31, nothing due"]


def test_the_first_of_several_says_since_when(lake: Lake) -> None:
    publish(lake, "XNYS", date(2018, 12, 21))
    (words_,) = said(lake, datetime(2018, 12, 31, 12, tzinfo=UTC), "XNYS")
    # The day before Christmas is half a day; Christmas is none.
    assert words_ == "XNYS: newest session 2018-12-21, 4 to 2018-12-28 due since 2018-12-24 19:00 UTC"


def test_an_exchange_that_has_stopped_says_so_and_a_simulated_one_owes_none(lake: Lake) -> None:
    publish(lake, "XTKS", date(2018, 9, 3))
    found = freshness(lake, ["XSIM", "XTKS"], datetime(2018, 12, 31, 12, tzinfo=UTC))
    assert found["exchange"].to_list() == ["XTKS"]
    (row,) = found.iter_rows(named=True)
    assert words(row).startswith("XTKS: no session in 30 days, 19 to 2018-12-28 due since 2018-12-03 07:00")
    assert freshness(lake, [], datetime(2018, 12, 31, tzinfo=UTC)).is_empty()
    with pytest.raises(UnknownExchangeError, match="XXXX"):
        freshness(lake, ["XXXX"], datetime(2018, 12, 31, tzinfo=UTC))


def arrive(lake: Lake, exchange: str, moment: datetime, *days: date) -> None:
    """Note a file of some sessions in the ledger."""
    told = {
        "path": f"csv_drop/{exchange}/{moment:%H%M}.csv",
        "sha256": f"{moment:%H%M}",
        "exchange": exchange,
        "bytes": 1,
        "arrived_at": moment,
        "modified_at": moment,
        "state": "present",
        "source": "csv_drop",
        "history": False,
        "first_date": min(days),
        "last_date": max(days),
        "rows": len(days),
        "rows_rejected": 0,
        "rule": "",
        "reason": "",
    }
    row = pl.DataFrame([told], schema=LANDING_FILES.schema)
    lake.write(LANDING_FILES, row, row.select("path", "sha256"))


def test_an_exchange_owes_nothing_that_closed_before_its_first_file_arrived(lake: Lake) -> None:
    first = datetime(2018, 12, 28, 21, 30, tzinfo=UTC)
    assert said(lake, first, "XNYS") == ["XNYS: no session in 30 days, nothing due"], "it never had a file"
    arrive(lake, "XNYS", first, date(2018, 12, 3), FRIDAY)
    assert said(lake, first + timedelta(hours=2), "XNYS") == ["XNYS: no session in 30 days, nothing due"], (
        "its history is being loaded"
    )
    monday = datetime(2018, 12, 31, 21, 15, tzinfo=UTC) + GRACE
    owed = "1 to 2018-12-31 due since 2018-12-31 22:00 UTC"
    assert said(lake, monday, "XNYS") == [f"XNYS: no session in 30 days, {owed}"]
    publish(lake, "XNYS", date(2018, 12, 3))
    assert said(lake, monday, "XNYS") == [f"XNYS: newest session 2018-12-03, {owed}"]


def test_a_later_file_does_not_forgive_what_was_owed(lake: Lake) -> None:
    arrive(lake, "XNYS", datetime(2018, 12, 20, 12, tzinfo=UTC), date(2018, 12, 19))
    arrive(lake, "XNYS", datetime(2018, 12, 31, 12, 1, tzinfo=UTC), date(2018, 12, 19))
    publish(lake, "XNYS", date(2018, 12, 19))
    (words_,) = said(lake, datetime(2018, 12, 31, 13, tzinfo=UTC), "XNYS")
    assert words_ == "XNYS: newest session 2018-12-19, 6 to 2018-12-28 due since 2018-12-20 22:00 UTC"
