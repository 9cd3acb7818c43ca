"""The month's arrivals: what goes wrong does, and what lies there at the end is right."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from month_events import (
    DRIFT,
    DRIFT_FROM,
    EXCHANGES,
    LEFT_OUT,
    QUIET,
    TROUBLES,
    Arrival,
    arrivals,
    days,
    moments,
    sessions_until,
)

ALL = arrivals(23)


def of(path: str) -> list[Arrival]:
    return [arrival for arrival in ALL if path in arrival.path]


def test_the_month_has_no_holiday_and_comes_in_order() -> None:
    wanted = days(23)
    assert (wanted[0], wanted[-1]) == (date(2018, 11, 27), date(2018, 12, 31))
    assert not {date(2018, 12, 5), date(2018, 12, 25)} & set(wanted)
    assert date(2018, 12, 24) in wanted
    assert [arrival.moment for arrival in ALL] == sorted(arrival.moment for arrival in ALL)


def test_every_trouble_happens() -> None:
    assert {arrival.about for arrival in ALL} == {
        *("", "the feed's mapping", "a close is wrong", "mended"),
        *("history", "history that was left out"),
        *({trouble.kind for trouble in TROUBLES} - {"missing"}),
    }
    assert not of("xnym/2018-12-03.csv")
    (late,) = of("xnys/2018-11-28.csv")
    assert late.moment == datetime(2018, 11, 30, 12, tzinfo=UTC)
    cut, mended = of("xnys/2018-12-06.csv")
    assert mended.content.startswith(cut.content)
    assert not cut.content.endswith("\n")
    first, again = of("xnas/2018-11-29")
    assert (first.content, first.path) != (again.content, again.path)
    assert first.content == again.content
    before, after = of("xnas/2018-12-10.csv")
    assert (before.path, before.content) == (after.path, after.content)
    assert "last" in of("xnas/2018-12-12.csv")[-1].content


@pytest.mark.parametrize("path", ["xsim/2018-11-27.csv", "xnys/2018-11-27.csv", "xnys/2018-12-13.csv"])
def test_a_correction_changes_one_close(path: str) -> None:
    wrong, right = (arrival.content.splitlines() for arrival in of(path))
    differing = [(a.split(","), b.split(",")) for a, b in zip(wrong, right, strict=True) if a != b]
    ((was, becomes),) = differing
    assert was[:5] + was[6:] == becomes[:5] + becomes[6:]
    assert float(becomes[4]) <= float(was[5]) <= float(becomes[3])


def test_a_part_of_the_month_is_its_beginning() -> None:
    few = arrivals(3, ("XSIM",))
    assert [arrival.path.removeprefix("feed/month_xsim/") for arrival in few] == [
        *("history/since_2018-09-30.csv", "history/to_2018-09-30.csv", "mapping.yaml"),
        *("2018-11-27.csv", "2018-11-27.csv", "2018-11-28.csv", "2018-11-29.csv"),
    ]
    assert {trouble.exchange for trouble in TROUBLES} <= set(EXCHANGES)


def test_history_ends_before_the_first_session() -> None:
    for mic in EXCHANGES:
        texts = [
            one.content for one in of(f"{mic.lower()}/history/to_")[:1] + of(f"{mic.lower()}/history/since_")
        ]
        dates = [line.split(",")[1] for text in texts for line in text.splitlines()[1:]]
        assert max(dates) < str(days(1)[0])
        assert len(dates) > 3000


def test_a_session_that_history_leaves_out_comes_later() -> None:
    [first], [later] = of("xsim/history/since"), of(f"xsim/history/{LEFT_OUT}")
    assert str(LEFT_OUT) not in first.content
    assert later.content.count(str(LEFT_OUT)) == 64
    assert (later.moment.month, later.moment.day) == (12, 11)
    assert any(str(LEFT_OUT) in file.content for file in of("xnys/history/since"))


def test_volumes_of_the_simulated_exchange_drift() -> None:
    lines = of("xsim/history/since")[-1].content.splitlines()[1:]
    before, after = [], []
    for line in lines:
        symbol, day, *_, volume = line.split(",")
        if symbol == "M_SIM01":
            (after if day >= str(DRIFT_FROM) else before).append(float(volume))
    ratio = (sum(after) / len(after)) / (sum(before) / len(before))
    assert DRIFT / 3 < ratio < DRIFT * 3


def test_moments_are_arrivals_weekends_and_what_the_calendar_brings() -> None:
    all_of_them = moments(23)
    whens = [moment.when for moment in all_of_them]
    assert whens == sorted(set(whens))
    assert [file for moment in all_of_them for file in moment.files] == ALL
    assert set(QUIET) < {moment.when for moment in all_of_them if moment.about}
    assert all(moment.files or moment.about for moment in all_of_them)
    assert [moment.when.day for moment in moments(4) if not moment.files] == [1]  # Saturday, December 1st
    assert not [moment for moment in moments(3) if not moment.files]


def test_the_sessions_that_have_come_are_counted() -> None:
    first, *month = moments(23)
    assert sessions_until(first) == []
    assert sessions_until(month[0]) == days(1)
    assert sessions_until(month[1]) == days(1)  # the next morning
    assert sessions_until(month[-1]) == days(23)


def test_a_file_is_laid_down_with_its_time(tmp_path: Path) -> None:
    arrival = Arrival(datetime(2018, 12, 3, 12, tzinfo=UTC), "feed/a/b.csv", "x\n")
    arrival.lay_down(tmp_path)
    assert [path.name for path in (tmp_path / "feed" / "a").iterdir()] == ["b.csv"]
    assert (tmp_path / arrival.path).stat().st_mtime == arrival.moment.timestamp()
