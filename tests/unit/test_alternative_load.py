"""Files of alternative data to raw tables: once, whole, again after a crash, never twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from alternative_world import WIRE, Wire, claim, event, fact, relation, rows_of, send, text

from lim_pipelines.alternative import load
from lim_pipelines.alternative.load import load_raw, refused_files
from lim_pipelines.lake import LATEST, Lake, fingerprint
from lim_pipelines.schemas import ALTERNATIVE_FILES, QUARANTINE, RAW_CLAIMS, RAW_FACTS
from lim_pipelines.sources.alternative import RAW_TABLES

LATER = datetime(2026, 9, 2, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _the_wire_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lim_pipelines.sources.ALTERNATIVE_SOURCES", (WIRE,))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    return tmp_path / "landing"


def versions(lake: Lake) -> list[int]:
    return [lake.version(table) for table in (*RAW_TABLES.values(), QUARANTINE, ALTERNATIVE_FILES)]


def held(lake: Lake) -> list[Any]:
    return rows_of(lake, QUARANTINE, ["stage", "exchange", "file", "line", "rule"])


def content(lake: Lake) -> list[str]:
    """All that is in the tables."""
    tables = (*RAW_TABLES.values(), QUARANTINE, ALTERNATIVE_FILES)
    return [fingerprint(lake.revisions(table).collect().sort(table.row_key)) for table in tables]


def test_every_table_is_filled_and_nothing_is_read_or_committed_again(lake: Lake, landing: Path) -> None:
    send(landing, "a", fact(), event(), text(), relation(), claim(), "no json")
    first = load_raw(lake, landing)
    assert (first.read, first.unchanged, first.rows_rejected) == (1, 0, 1)
    assert first.rows == dict.fromkeys(RAW_TABLES, 1)
    assert held(lake) == [("parse", "ALTERNATIVE", "wire/history/a.jsonl", 6, "no_json")]
    (line,) = lake.revisions(ALTERNATIVE_FILES).collect().rows(named=True)
    assert (line["rows"], line["rows_rejected"], line["rule"]) == (5, 1, "")
    assert (line["first_ts"].date().isoformat(), line["last_ts"].date().isoformat()) == (
        "2015-03-31",
        "2015-05-03",
    )
    before = versions(lake)
    again = load_raw(lake, landing)
    assert (again.read, again.unchanged) == (0, 1)
    assert versions(lake) == before


def test_an_empty_folder_is_no_error(lake: Lake, landing: Path) -> None:
    assert load_raw(lake, landing).read == 0
    assert versions(lake) == [-1] * 7


def test_a_delivery_with_another_figure_is_a_revision_and_the_same_figure_is_none(
    lake: Lake, landing: Path
) -> None:
    send(landing, "1", fact(known="2015-05-01", value=1.0))
    send(landing, "2", fact(known="2015-06-01", value=1.0))
    send(landing, "3", fact(known="2015-07-01", value=3.0))
    load_raw(lake, landing)
    told = rows_of(lake, RAW_FACTS, ["value", "file", "known_at"])
    assert [(value, file[-7:], known.month) for value, file, known in told] == [
        (1.0, "1.jsonl", 5),
        (3.0, "3.jsonl", 7),
    ]


def test_batches_do_not_matter(
    lake: Lake, landing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, value in enumerate((1.0, 2.0, 2.0, 1.0, 3.0)):
        send(landing, str(number), fact(known=f"2015-0{number + 4}-01", value=value), fact("BBB", value=1.0))
    load_raw(lake, landing)
    monkeypatch.setattr(load, "BATCH_FILES", 1)
    one_by_one = Lake(tmp_path / "other")
    load_raw(one_by_one, landing)
    assert content(one_by_one) == content(lake)
    assert [row[0] for row in rows_of(lake, RAW_FACTS, ["value"])] == [1.0, 2.0, 1.0, 3.0, 1.0]


def test_a_feed_is_not_known_before_it_arrived(lake: Lake, landing: Path) -> None:
    send(landing, "a", fact(known="2015-05-01"), history=False)
    load_raw(lake, landing)
    assert rows_of(lake, RAW_FACTS, ["known_at"])[0][0] == datetime(2026, 9, 1, tzinfo=UTC)


def test_a_changed_file_is_read_again_and_its_correction_is_known_from_now_on(
    lake: Lake, landing: Path
) -> None:
    send(landing, "a", fact(value=1.0), "no json")
    send(landing, "b", "no json either")
    load_raw(lake, landing)
    began = datetime.now(UTC)
    send(landing, "a", fact(value=2.0), fact("BBB"), arrived=LATER)
    assert load_raw(lake, landing).read == 1
    first, corrected, _ = rows_of(lake, RAW_FACTS, ["value", "known_at"])
    assert first == (1.0, datetime(2015, 5, 1, tzinfo=UTC))
    assert corrected[0] == 2.0
    assert corrected[1] >= began, "what was known then stays as it was"
    assert held(lake) == [("parse", "ALTERNATIVE", "wire/history/b.jsonl", 1, "no_json")], (
        "of the file read again the old rows go; of the one left alone they stay"
    )


@pytest.mark.parametrize(
    ("first_line", "rule", "says"),
    [
        ("refuse", "no_lines", "drop it as shipped"),
        ("break", "reader_failed", "KeyError"),
        (
            '{"table": "raw_facts", "symbol": "A", "known_at": "2015-01-01T00:00:00+00:00"}',
            "reader_failed",
            "raw_facts",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_and_the_others_get_in(
    lake: Lake, landing: Path, first_line: str, rule: str, says: str
) -> None:
    send(landing, "bad", first_line, fact(value=666.0))
    send(landing, "good", fact(value=1.0))
    done = load_raw(lake, landing)
    assert [error.rule for error in done.refused] == [rule]
    (line,) = refused_files(lake).rows(named=True)
    assert (line["path"], line["rule"], line["rows"]) == ("wire/history/bad.jsonl", rule, 0)
    assert says in line["reason"]
    assert "; " in line["reason"], "what is wrong; what to do"
    assert [row[0] for row in rows_of(lake, RAW_FACTS, ["value"])] == [1.0]


def test_rows_that_share_a_key_in_one_file_are_the_readers_fault(lake: Lake, landing: Path) -> None:
    send(landing, "a", fact(value=1.0), fact(value=2.0))
    (error,) = load_raw(lake, landing).refused
    assert error.rule == "reader_failed"
    assert "share a key" in error.reason


def test_a_refused_file_is_forgotten_when_it_is_mended_or_taken_away(lake: Lake, landing: Path) -> None:
    send(landing, "mended", "refuse")
    gone = send(landing, "gone", "refuse")
    load_raw(lake, landing)
    assert load_raw(lake, landing).read == 0, "it is not read again as long as it is as it was"
    send(landing, "mended", fact(), arrived=LATER)
    gone.unlink()
    load_raw(lake, landing)
    assert refused_files(lake).is_empty()
    assert rows_of(lake, ALTERNATIVE_FILES, ["path", "rule"]) == [("wire/history/mended.jsonl", "")]


def test_a_reader_that_broke_down_is_tried_again(lake: Lake, landing: Path) -> None:
    send(landing, "a", "break")
    load_raw(lake, landing)
    assert load_raw(lake, landing).read == 1


def test_another_version_of_the_readers_reads_everything_again(
    lake: Lake, landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(landing, "a", fact())
    load_raw(lake, landing)
    before = lake.version(RAW_FACTS)
    monkeypatch.setattr(load, "READERS", "another")
    assert load_raw(lake, landing).read == 1
    assert lake.version(RAW_FACTS) == before, "the same rows are no news"


def test_two_readers_of_one_file_are_one_job(
    lake: Lake, landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Names(Wire):
        """Reads the claims of the same files."""

        def read(self, file: Any, landing: Path) -> Any:
            for block in super().read(file, landing):
                yield type(block)(
                    {n: f for n, f in block.rows.items() if n == "raw_claims"}, QUARANTINE.empty()
                )

    class Facts(Wire):
        """Reads all but the claims."""

        def read(self, file: Any, landing: Path) -> Any:
            for block in super().read(file, landing):
                yield type(block)({n: f for n, f in block.rows.items() if n != "raw_claims"}, block.rejected)

    monkeypatch.setattr("lim_pipelines.sources.ALTERNATIVE_SOURCES", (Facts(), Names()))
    send(landing, "a", fact(), claim())
    assert load_raw(lake, landing).read == 1
    assert len(rows_of(lake, RAW_FACTS)) == len(rows_of(lake, RAW_CLAIMS)) == 1
    assert load_raw(lake, landing).read == 0


class Crash(BaseException):
    """The process ends here."""


def crash_at(lake: Lake, number: int) -> Callable[..., Any]:
    """Let the lake's writes be, up to one that never happens."""
    update, writes = lake.update, iter(range(1000))

    def writing(*args: Any) -> Any:
        if next(writes) == number:
            raise Crash
        return update(*args)

    return writing


def test_a_run_that_ends_anywhere_is_finished_by_the_next_one(
    landing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "BATCH_FILES", 2)
    for number in range(3):
        value, known = float(number % 2), f"2015-0{number + 5}-01"
        send(
            landing, str(number), fact(known=known, value=value), text(words=f"{number}"), claim(), "no json"
        )
    undisturbed = Lake(tmp_path / "undisturbed")
    load_raw(undisturbed, landing)
    expected, read = content(undisturbed), []
    for number in range(100):
        lake = Lake(tmp_path / f"{number}")
        with monkeypatch.context() as patch:
            patch.setattr(lake, "update", crash_at(lake, number))
            try:
                load_raw(lake, landing)
            except Crash:
                pass
            else:
                break
        read.append(load_raw(lake, landing).read)
        assert content(lake) == expected, f"after a crash at write {number}"
    assert read == [3] * 5 + [1] * 5, "files that have their line are not read again"
    assert lake.read(RAW_FACTS, as_of=LATEST).select(pl.len()).collect().item() == 1
