"""History in bulk: the daily steps' rows whatever the periods, period by period, refused files left out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from lim_pipelines import bulk, ingest
from lim_pipelines.bulk import Imported, import_history
from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.schemas import (
    ALIGNED_BARS,
    GATE_RESULTS,
    LISTINGS,
    QUARANTINE,
    RAW_QUOTES,
    VALIDATED_BARS,
)
from lim_pipelines.sources import QUOTE_SOURCES
from lim_pipelines.sources.base import Parsed, RejectedFileError, SourceFile

ROOT = Path(__file__).resolve().parents[2]
TABLES = (RAW_QUOTES, ALIGNED_BARS, VALIDATED_BARS, QUARANTINE, GATE_RESULTS)
SPANS = {"XNYS": (date(2018, 10, 1), date(2018, 12, 31)), "XSIM": (date(2018, 12, 10), date(2018, 12, 21))}
DROPPED = """symbol,date,open,high,low,close,volume
IBM,2018-11-20,117,118,116,117.2,5000
IBM,2018-11-21,-118,119,117,118.5,5000
IBM,2018-11-22,118,119,117,118.5,5000
ENRON,2018-11-23,1,1,1,1,1
IBM,2018-11-26,118,119,117,many,5000
IBM,2018-12-03,120,121,119,120.5,0
"""


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    """A landing folder with one file that has something for each stage to hold back."""
    file = tmp_path / "landing" / "csv_drop" / "XNYS" / "ibm.csv"
    file.parent.mkdir(parents=True)
    file.write_text(DROPPED)
    arrived = datetime(2020, 1, 1, tzinfo=UTC).timestamp()
    os.utime(file, (arrived, arrived))
    return tmp_path / "landing"


def content(lake: Lake) -> list[pl.DataFrame]:
    return [lake.revisions(table).collect().sort(table.row_key) for table in TABLES]


def same(one: list[pl.DataFrame], other: list[pl.DataFrame]) -> bool:
    return all(a.equals(b) for a, b in zip(one, other, strict=True))


def daily(lake: Lake, landing: Path, mic: str) -> None:
    """The three daily steps, half of the days at a time."""
    days = pl.date_range(*SPANS[mic], eager=True).alias("date")
    for part in (days.head(20), days.tail(-20)):
        scope = part.to_frame().select(pl.lit(mic).alias("exchange"), "date")
        if scope.height:
            ingest.load_raw_quotes(lake, landing, scope)
            ingest.align_quotes(lake, scope)
            ingest.validate_bars(lake, scope)


@pytest.mark.parametrize("mic", SPANS)
def test_an_import_equals_the_daily_steps_whatever_fits_into_memory(
    mic: str, tmp_path: Path, landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    daily(Lake(tmp_path / "daily"), landing, mic)
    expected = content(Lake(tmp_path / "daily"))
    assert all(frame.height for frame in expected[:3])
    for i, (period, memory) in enumerate([(10**6, 10**6), (1000, 500), (25, 10)]):
        if mic == "XSIM" and period == 25:
            continue  # a period a day, which 1000 is nearly
        monkeypatch.setattr(bulk, "PERIOD_ROWS", period)
        monkeypatch.setattr(bulk, "MEMORY_ROWS", memory)
        lake = Lake(tmp_path / str(i))
        seen: list[tuple[date, int]] = []
        done = import_history(lake, landing, mic, *SPANS[mic], lambda end, rows: seen.append((end, rows)))  # noqa: B023
        assert same(content(lake), expected)
        assert done.periods == len(seen)
        assert seen[-1][0] == SPANS[mic][1], "the last period reaches to the last date asked for"
        assert (done.periods > 1) == (sum(rows for _, rows in seen) > period)
        assert done.published == expected[2].height
        assert done.changed == expected[2].select(VALIDATED_BARS.partition_key).n_unique()


def test_every_row_is_published_or_held_by_some_stage(tmp_path: Path, landing: Path) -> None:
    done = import_history(Lake(tmp_path / "lake"), landing, "XNYS", *SPANS["XNYS"])
    assert done.rows_in == done.published + done.held["rows"].sum()
    assert done.held.filter(pl.col("rule") != "superseded_source").rows() == [
        ("align", "closed_session", 1),
        ("align", "unknown_symbol", 1),
        ("parse", "unparsable_number", 1),
        ("validate", "positive_prices", 1),
    ]
    assert done.warnings["traded"] == 1
    assert "csv_drop/XNYS/ibm.csv" in done.accounted


def test_a_second_import_changes_nothing(tmp_path: Path, landing: Path) -> None:
    lake = Lake(tmp_path / "lake")
    first = import_history(lake, landing, "XNYS", *SPANS["XNYS"])
    before = content(lake)
    versions = [lake.version(table) for table in TABLES]
    again = import_history(lake, landing, "XNYS", *SPANS["XNYS"])
    assert (again.changed, again.version, again.published) == (0, first.version, first.published)
    assert [lake.version(table) for table in TABLES] == versions, "no commit"
    assert same(content(lake), before)


def test_an_exchange_of_which_nothing_is_there(tmp_path: Path, landing: Path) -> None:
    done = import_history(Lake(tmp_path / "lake"), landing, "XTKS", *SPANS["XNYS"])
    assert (done.rows_in, done.published, done.changed, done.held.height) == (0, 0, 0, 0)


def test_what_no_file_holds_any_more_is_worked_on_in_periods_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "PERIOD_ROWS", 10)
    file = tmp_path / "landing" / "csv_drop" / "XTKS" / "one.csv"
    file.parent.mkdir(parents=True)
    days = "".join(f"7203,2018-11-{day:02},1,1,1,1,1\n" for day in range(1, 31))
    file.write_text(f"symbol,date,open,high,low,close,volume\n{days}")
    lake = Lake(tmp_path / "lake")
    first = import_history(lake, tmp_path / "landing", "XTKS", *SPANS["XNYS"])
    before = content(lake)
    file.unlink()
    again = import_history(lake, tmp_path / "landing", "XTKS", *SPANS["XNYS"])
    assert (first.periods, again.periods) == (3, 3)
    assert same(content(lake), before)


class Halfway:
    """A source that finds out in its second block that a file is no good; another file of its is good."""

    name = "halfway"
    exchanges = frozenset({"XNYS"})

    def files(self, landing: Path) -> list[SourceFile]:
        arrived = datetime(2020, 1, 1, tzinfo=UTC)
        return [SourceFile(self.name, f"halfway/{n}", 1, arrived, self.exchanges) for n in ("bad", "good")]

    def read(self, file: SourceFile, landing: Path) -> Iterator[Parsed]:
        name = file.path.split("/")[1]
        day, at = date(2018, 12, 17), datetime(2018, 12, 17, 21, tzinfo=UTC)
        row = {
            "exchange": "XNYS",
            "date": day,
            "source": self.name,
            "symbol": name,
            "freq": "1d",
            "ts": at,
            **dict.fromkeys(("open", "high", "low", "close", "volume", "ex_factor"), 1.0),
            "file": f"{file.path}#inside.csv",
            "line": 2,
            "known_at": at,
        }
        held = {"stage": "parse", "rule": "some_rule", "reason": "", "evidence": "{}", "line": 3}
        listing = {"instrument_id": f"XNYS:{name}", "name": name, "asset_class": "equity", "currency": "USD"}
        yield Parsed(
            RAW_QUOTES.conform(pl.DataFrame([row])),
            QUARANTINE.conform(pl.DataFrame([row | held])),
            LISTINGS.conform(pl.DataFrame([row | listing])),
        )
        if name == "bad":
            raise RejectedFileError(file.path, "torn", "the file ends in the middle", "send it again")


@pytest.mark.parametrize("memory", [10**6, 0])
def test_a_file_refused_half_way_leaves_nothing(
    memory: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "QUOTE_SOURCES", (*QUOTE_SOURCES, Halfway()))
    monkeypatch.setattr(bulk, "MEMORY_ROWS", memory)
    lake = Lake(tmp_path / "lake")
    done: Imported = import_history(lake, tmp_path / "landing", "XNYS", *SPANS["XNYS"])
    assert [error.path for error in done.refused] == ["halfway/bad"]
    assert "halfway/bad" not in done.accounted
    assert "halfway/good" in done.accounted
    for table in (RAW_QUOTES, QUARANTINE, LISTINGS, VALIDATED_BARS):
        rows = lake.read(table, as_of=LATEST, where=pl.col("source") == "halfway").collect()
        assert rows.height == 1, table.name
        if "file" in rows.columns:
            assert rows["file"].to_list() == ["halfway/good#inside.csv"]
    assert done.rows_in == done.published + done.held["rows"].sum()


FEW_ROWS = 8
CHILD = f"""
import datetime, os, signal, sys
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from lim_pipelines import bulk
from lim_pipelines.lake import Lake
bulk.PERIOD_ROWS = {FEW_ROWS}
# One after the other: else the kill may find the last period begun before the first two are told of.
bulk.PERIODS_AT_ONCE = 1
periods = []
def progress(end, rows):
    periods.append(end)
    if len(periods) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
bulk.import_history(Lake(Path(sys.argv[1])), Path(sys.argv[2]), "XNYS", *{SPANS["XNYS"]!r}, progress)
"""


@pytest.mark.slow
def test_an_import_killed_between_periods_is_finished_by_the_next(
    tmp_path: Path, landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = Lake(tmp_path / "undisturbed")
    monkeypatch.setattr(bulk, "PERIOD_ROWS", FEW_ROWS)
    whole = import_history(expected, landing, "XNYS", *SPANS["XNYS"])
    assert whole.periods > 4

    command = [sys.executable, "-c", CHILD, str(tmp_path / "killed"), str(landing)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == -signal.SIGKILL
    lake = Lake(tmp_path / "killed")
    left = lake.revisions(VALIDATED_BARS).collect()
    complete = expected.revisions(VALIDATED_BARS, pl.col("date") <= left["date"].max()).collect()
    assert 0 < left.height < whole.published
    assert left.sort(VALIDATED_BARS.row_key).equals(complete.sort(VALIDATED_BARS.row_key)), "whole periods"

    done = import_history(lake, landing, "XNYS", *SPANS["XNYS"])
    assert same(content(lake), content(expected))
    assert (done.version, done.periods) == (whole.version, whole.periods)
    missing = whole.changed - left.select(VALIDATED_BARS.partition_key).n_unique()
    assert done.changed == missing, "only what was missing is committed"
