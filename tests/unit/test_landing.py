"""What is new in the landing folder: content decides, not time stamps, and a cursor is enough memory."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from lim_pipelines import landing
from lim_pipelines.landing import SETTLED_AFTER, Seen, Survey, survey
from lim_pipelines.sources.csv_drop import Inspection, inspect

NOW = datetime(2020, 1, 1, 12, tzinfo=UTC)
HEADER = "symbol,date,open,high,low,close,volume\n"
ONE = HEADER + "IBM,2018-11-20,117,118,116,117.2,5000\n"
TWO = HEADER + "IBM,2018-11-20,117,118,116,117.9,5000\nIBM,2018-11-23,118,119,117,118.4,3000\n"


def drop(folder: Path, content: str, name: str = "ibm.csv", age: timedelta = timedelta(hours=1)) -> Path:
    file = folder / "csv_drop" / "XNYS" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    os.utime(file, ((NOW - age).timestamp(),) * 2)
    return file


def look(folder: Path, before: Survey | None = None) -> Survey:
    """Look again, remembering only what a cursor would: JSON."""
    cursor = json.dumps({path: asdict(seen) for path, seen in before.seen.items()}) if before else "{}"
    return survey(folder, {path: Seen(**entry) for path, entry in json.loads(cursor).items()}, NOW)


def test_an_empty_folder_says_where_to_drop_files(tmp_path: Path) -> None:
    assert "landing/csv_drop/<MIC>/" in look(tmp_path / "not there").summary()


def test_a_new_file_is_news_once(tmp_path: Path) -> None:
    drop(tmp_path, TWO)
    first = look(tmp_path)
    (arrival,) = first.arrivals
    assert (arrival.path, arrival.exchange) == ("csv_drop/XNYS/ibm.csv", "XNYS")
    assert arrival.dates == (date(2018, 11, 20), date(2018, 11, 23))
    path, _, content = arrival.key.partition("@")
    assert path == arrival.path
    assert len(content) == 16

    again = look(tmp_path, first)
    assert not again.arrivals
    assert again.summary() == "nothing new: 1 files known, 0 still growing"


def test_touching_a_file_is_no_news(tmp_path: Path) -> None:
    drop(tmp_path, ONE)
    first = look(tmp_path)
    drop(tmp_path, ONE, age=timedelta(minutes=1))
    assert not look(tmp_path, first).arrivals


def test_every_change_of_content_has_a_key_of_its_own(tmp_path: Path) -> None:
    seen, keys = None, []
    for i, content in enumerate((ONE, TWO, ONE)):
        drop(tmp_path, content, age=timedelta(minutes=30 - i))
        seen = look(tmp_path, seen)
        keys += [arrival.key for arrival in seen.arrivals]
    assert len(set(keys)) == 3, "going back to an old content is a correction too"


def test_a_file_taken_away_and_dropped_again_is_judged_by_its_content(tmp_path: Path) -> None:
    seen, keys = None, []
    for i, content in enumerate((ONE, ONE, TWO, ONE)):
        file = drop(tmp_path, content, age=timedelta(minutes=30 - i))
        seen = look(tmp_path, seen)
        keys += [arrival.key for arrival in seen.arrivals]
        file.unlink()
        seen = look(tmp_path, seen)
    assert len(keys) == len(set(keys)) == 3


def test_a_growing_file_is_left_alone_until_it_rests(tmp_path: Path) -> None:
    drop(tmp_path, ONE, age=SETTLED_AFTER / 2)
    drop(tmp_path, ONE, name="half.csv.part")
    first = look(tmp_path)
    assert (first.growing, first.arrivals) == (1, ())
    drop(tmp_path, ONE, age=SETTLED_AFTER * 2)
    assert len(look(tmp_path, first).arrivals) == 1


def test_a_changed_file_that_is_still_growing_is_news_once_it_rests(tmp_path: Path) -> None:
    drop(tmp_path, ONE)
    first = look(tmp_path)
    drop(tmp_path, TWO, age=SETTLED_AFTER / 2)
    growing = look(tmp_path, first)
    assert not growing.arrivals
    drop(tmp_path, TWO, age=SETTLED_AFTER * 2)
    assert len(look(tmp_path, growing).arrivals) == 1


def test_a_refused_file_is_named_once_with_rule_and_remedy(tmp_path: Path) -> None:
    drop(tmp_path, "when,what\n1,2\n", "bad.csv")
    (tmp_path / "csv_drop" / "XNYS" / "link.csv").symlink_to("/etc/passwd")
    os.utime(tmp_path / "csv_drop/XNYS/link.csv", (0, 0), follow_symlinks=False)
    first = look(tmp_path)
    assert not first.arrivals
    bad, link = first.refused
    assert bad.reason.startswith("wrong_columns: ")
    assert link.reason.startswith("path_escape: ")
    assert "drop the file itself" in link.reason
    assert not look(tmp_path, first).refused


def test_a_name_that_is_not_text_is_refused_once_and_the_others_go_on(tmp_path: Path) -> None:
    drop(tmp_path, ONE)
    drop(tmp_path, ONE, os.fsdecode(b"caf\xe9.csv"))
    first = look(tmp_path)
    assert [arrival.path for arrival in first.arrivals] == ["csv_drop/XNYS/ibm.csv"]
    (refused,) = first.refused
    assert refused.path == r"csv_drop/XNYS/caf\xe9.csv"
    assert refused.reason.startswith("file_name: ")
    assert refused.reason.endswith("; rename it")
    "".join(first.keys()).encode()
    again = look(tmp_path, first)
    assert (again.arrivals, again.refused, again.unchanged) == ((), (), 2)


def test_a_file_taken_away_while_the_folder_is_looked_at_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = drop(tmp_path, ONE)
    listed = landing.landed(tmp_path)
    file.unlink()
    drop(tmp_path, ONE, "other.csv")
    monkeypatch.setattr(landing, "landed", lambda folder: [*listed, "csv_drop/XNYS/other.csv"])
    found = look(tmp_path)
    assert [arrival.path for arrival in found.arrivals] == ["csv_drop/XNYS/other.csv"]
    assert not found.refused


def test_a_file_taken_away_while_it_is_read_is_news_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = drop(tmp_path, ONE)

    def inspect_too_late(path: str, folder: Path) -> Inspection:
        file.rename(tmp_path / "away")
        return inspect(path, folder)

    with monkeypatch.context() as patch:
        patch.setattr(landing, "inspect", inspect_too_late)
        first = look(tmp_path)
    assert (first.arrivals, first.refused) == ((), ())
    (tmp_path / "away").rename(file)
    assert len(look(tmp_path, first).arrivals) == 1


def test_rejected_rows_belong_to_partitions_too(tmp_path: Path) -> None:
    drop(tmp_path, HEADER + "IBM,2018-11-20,1,1,1,1,1\nIBM,2018-11-21,1,1,1,many,1\n")
    (arrival,) = look(tmp_path).arrivals
    assert arrival.dates == (date(2018, 11, 20), date(2018, 11, 21))
