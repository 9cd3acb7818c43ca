"""Bad lines in a dropped csv: quarantined with their line, the others go on; late is not known early."""

import json
import os
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from drops import inspect
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.schemas import QUARANTINE, RAW_QUOTES
from lim_pipelines.sources import collect
from lim_pipelines.sources.csv_drop import CsvDrop

HEADER = "symbol,date,open,high,low,close,volume\n"
GOOD = HEADER + "IBM,2018-10-01,150,155,149,153,1000\nIBM,2018-10-02,153,154,151,152,900\n"
DAYS = (date(2018, 10, 1), date(2018, 10, 2))
ARRIVED = datetime(2018, 11, 5, 12, 0, tzinfo=UTC)


def put(landing: Path, content: str, path: str = "csv_drop/XNYS/drop.csv") -> Path:
    file = landing / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode())
    os.utime(file, (ARRIVED.timestamp(), ARRIVED.timestamp()))
    return file


BAD_LINES = [
    ("wrong_field_count", "IBM,2018-10-01,150,155,149,153"),
    ("wrong_field_count", 'IBM,2018-10-01,"150,155,149,153,1000'),
    ("unparsable_number", 'IBM,2018-10-01,"1,50",155,149,153,1000'),
    ("unparsable_number", 'IBM,2018-10-01,"1,500.00",155,149,153,1000'),
    ("missing_symbol", ",2018-10-01,150,155,149,153,1000"),
    ("unparsable_date", "IBM,01.10.2018,150,155,149,153,1000"),
    ("unparsable_date", "IBM,2018-02-30,150,155,149,153,1000"),
    ("unparsable_date", "IBM,,150,155,149,153,1000"),
    ("before_calendar", "IBM,1969-12-31,150,155,149,153,1000"),
    ("before_calendar", "IBM,0001-01-01,150,155,149,153,1000"),
    ("missing_symbol", ",1969-12-31,150,155,149,153,1000"),
    ("unparsable_number", "IBM,2018-10-01,150,abc,149,153,1000"),
    ("unparsable_number", "IBM,2018-10-01,150,155,149,nan,1000"),
    ("unparsable_number", "IBM,2018-10-01,150,155,149,153,1e999"),
    ("missing_close", "IBM,2018-10-01,150,155,149,,1000"),
    ("future_bar", "IBM,2018-11-05,150,155,149,153,1000"),
    ("future_bar", "IBM,2031-01-02,150,155,149,153,1000"),
    ("future_bar", "IBM,9999-12-31,150,155,149,153,1000"),
]


@pytest.mark.parametrize(("rule", "line"), BAD_LINES)
def test_a_bad_line_goes_to_quarantine_and_the_others_in(tmp_path: Path, rule: str, line: str) -> None:
    put(tmp_path, GOOD + line + "\n")
    (file,) = CsvDrop().files(tmp_path)
    (parsed,) = CsvDrop().read(file, tmp_path)
    assert parsed.rows["line"].to_list() == [2, 3]
    row = parsed.rejected.row(0, named=True)
    assert (row["rule"], row["line"], row["file"]) == (rule, 4, "csv_drop/XNYS/drop.csv")
    assert json.loads(row["evidence"]) == {"text": line}
    assert row["date"] in DAYS  # filed beside its neighbours if its own date is of no use


@pytest.mark.parametrize("arrived", [ARRIVED, datetime(1970, 1, 1, tzinfo=UTC)])
def test_rows_before_the_calendar_are_filed_where_the_archive_looks(
    tmp_path: Path, arrived: datetime
) -> None:
    line = "IBM,1969-12-31,150,155,149,153,1000\n"
    file = put(tmp_path, HEADER + line)
    assert inspect(file, tmp_path).dates == (date(1970, 1, 1),)
    held = collect({"XNYS"}, date(1970, 1, 1), DAYS[1], tmp_path).rejected.filter(source="csv_drop")
    assert held.select("line", "rule", "date").rows() == [(2, "before_calendar", date(1970, 1, 1))]

    file = put(tmp_path, HEADER + "IBM,,150,155,149,153,1000\n")
    os.utime(file, (arrived.timestamp(),) * 2)
    assert inspect(file, tmp_path).dates == (max(arrived.date(), date(1970, 1, 1)),)


def test_negative_prices_are_for_validation_to_judge(tmp_path: Path) -> None:
    found = inspect(put(tmp_path, GOOD + "IBM,2018-10-03,-1,-1,-1,-1,5\n"), tmp_path)
    assert (found.rows, found.rows_rejected) == (3, 0)


def test_duplicate_bars(tmp_path: Path) -> None:
    again = "IBM,2018-10-02,153,154,151,152,900\n"
    clash = "IBM,2018-10-01,150,155,149,154,1000\n"
    put(tmp_path, GOOD + again + clash)
    found = collect({"XNYS"}, *DAYS, tmp_path)
    dropped = found.rows.filter(pl.col("source") == "csv_drop")
    assert dropped["line"].to_list() == [3]
    assert found.rejected.select("line", "rule").sort("line").rows() == [
        (2, "conflicting_duplicate"),
        (4, "duplicate_bar"),
        (5, "conflicting_duplicate"),
    ]


def test_excel_habits_are_tolerated(tmp_path: Path) -> None:
    """A byte order mark, quotes, blanks, capitals, CRLF, blank lines."""
    text = '﻿"Symbol", Date ,OPEN,High,Low,Close,Volume\r\n\r\n"IBM", 2018-10-01 ,150,,149,153,\r\n\r\n'
    put(tmp_path, text)
    (file,) = CsvDrop().files(tmp_path)
    (parsed,) = CsvDrop().read(file, tmp_path)
    assert parsed.rows.select("symbol", "date", "high", "volume", "ex_factor", "line").rows() == [
        ("IBM", date(2018, 10, 1), None, None, 1.0, 3)
    ]


def test_what_arrives_late_was_not_known_before(tmp_path: Path) -> None:
    put(tmp_path, GOOD)
    put(tmp_path, GOOD.replace("IBM", "SPX"), "csv_drop/XNYS/history/2018/spx.csv")
    rows = collect({"XNYS"}, *DAYS, tmp_path).rows.filter(pl.col("source") == "csv_drop")
    assert rows.filter(pl.col("symbol") == "IBM")["known_at"].to_list() == [ARRIVED, ARRIVED]
    assert rows.filter(pl.col("symbol") == "SPX")["known_at"].to_list() == [
        datetime(2018, 10, 1, 20, 15, tzinfo=UTC),
        datetime(2018, 10, 2, 20, 15, tzinfo=UTC),
    ]


def test_minutes_with_zones_folds_and_sessions(tmp_path: Path) -> None:
    lines = [
        "WTI,2018-10-01T09:31:00,70,70,70,70,1,,",  # exchange's clock
        "WTI,2018-10-01 22:30:00Z,70,70,70,70,1,30m,0.5",  # evening: the next day's session
        "WTI,2018-10-01T09:32:00-04:00,70,70,70,70,1,1m,",
        "WTI,2018-11-04T01:30:00,70,70,70,70,1,1m,",  # twice on that night's clock
        "WTI,2018-10-01T09:33:00,70,70,70,70,1,1d,",
    ]
    header = "symbol,timestamp,open,high,low,close,volume,freq,ex_factor\n"
    put(tmp_path, header + "\n".join(lines) + "\n", "csv_drop/XNYM/wti.csv")
    (file,) = CsvDrop().files(tmp_path)
    (parsed,) = CsvDrop().read(file, tmp_path)
    assert parsed.rows.sort("line").select("ts", "date", "freq", "ex_factor").rows() == [
        (datetime(2018, 10, 1, 13, 31, tzinfo=UTC), date(2018, 10, 1), "1m", 1.0),
        (datetime(2018, 10, 1, 22, 30, tzinfo=UTC), date(2018, 10, 2), "30m", 0.5),
        (datetime(2018, 10, 1, 13, 32, tzinfo=UTC), date(2018, 10, 1), "1m", 1.0),
    ]
    assert parsed.rejected.sort("line").select("line", "rule").rows() == [
        (5, "ambiguous_time"),
        (6, "unknown_freq"),
    ]


def test_two_files_with_one_bar(tmp_path: Path) -> None:
    """Arrived together: the same is kept once, a contradiction not at all. Arrived later: a revision."""
    put(tmp_path, GOOD, "csv_drop/XNYS/a.csv")
    put(tmp_path, GOOD.replace("152,900", "151.5,900"), "csv_drop/XNYS/b.csv")
    found = collect({"XNYS"}, *DAYS, tmp_path)
    dropped = found.rows.filter(pl.col("source") == "csv_drop")
    assert dropped.select("file", "line").rows() == [("csv_drop/XNYS/a.csv", 2)]
    assert sorted(found.rejected["rule"]) == ["conflicting_duplicate"] * 2 + ["duplicate_bar"]
    os.utime(tmp_path / "csv_drop/XNYS/b.csv", (ARRIVED.timestamp() + 60, ARRIVED.timestamp() + 60))
    later = collect({"XNYS"}, *DAYS, tmp_path)
    # What a later file only repeats is no revision.
    assert later.rejected.select("file", "line", "rule").rows() == [
        ("csv_drop/XNYS/b.csv", 2, "duplicate_bar")
    ]
    assert later.rows.filter(pl.col("source") == "csv_drop").height == 3


character = st.characters(blacklist_categories=["Cs"], blacklist_characters="\n\r\0")
bad_line = st.one_of(st.sampled_from([line for _, line in BAD_LINES]), st.text(character, max_size=30))
good_line = st.builds(
    lambda symbol, day, close: f"{symbol},2018-10-{day:02d},1,2,0.5,{close},10",
    st.sampled_from(["IBM", "SPX"]),
    st.integers(1, 31),
    st.sampled_from(["1.5", "1.6", "-3"]),
)


@settings(max_examples=60)
@given(st.lists(st.one_of(good_line, good_line, bad_line), min_size=1))
def test_rows_in_are_rows_accepted_and_rows_rejected(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    landing = tmp_path_factory.getbasetemp() / "law"
    put(landing, HEADER + "".join(line + "\n" for line in lines))
    (file,) = CsvDrop().files(landing)
    count = sum(bool(line.strip(" \t")) for line in lines)
    if count == 0:
        assert inspect(landing / file.path, landing).rule == "empty_file"
        return
    (parsed,) = CsvDrop().read(file, landing)
    assert parsed.rows.height + parsed.rejected.height == count
    seen = [*parsed.rows["line"], *parsed.rejected["line"]]
    assert len(set(seen)) == count
    assert RAW_QUOTES.conform(parsed.rows).sort("line").equals(parsed.rows)
    assert QUARANTINE.conform(parsed.rejected).equals(parsed.rejected)
