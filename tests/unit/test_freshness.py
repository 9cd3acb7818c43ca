"""When a session is due, and which exchange owes one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from lake_rows import bar, frame

from lim_pipelines.exchanges import UnknownExchangeError
from lim_pipelines.freshness import GRACE, freshness, words
from lim_pipelines.lake import Lake, scope_of
from lim_pipelines.schemas import VALIDATED_BARS

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


def test_an_exchange_without_sessions_says_so_and_a_simulated_one_owes_none(lake: Lake) -> None:
    found = freshness(lake, ["XSIM", "XTKS"], datetime(2018, 12, 31, 12, tzinfo=UTC))
    assert found["exchange"].to_list() == ["XTKS"]
    (row,) = found.iter_rows(named=True)
    assert words(row).startswith("XTKS: no session in 30 days, 19 to 2018-12-28 due since 2018-12-03 07:00")
    assert freshness(lake, [], datetime(2018, 12, 31, tzinfo=UTC)).is_empty()
    with pytest.raises(UnknownExchangeError, match="XXXX"):
        freshness(lake, ["XXXX"], datetime(2018, 12, 31, tzinfo=UTC))
