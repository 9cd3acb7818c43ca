"""What is new in the landing folder: the ledger is the memory, content decides, and only news is loaded."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.lake import Lake
from lim_pipelines.landing import inspect as inspecting
from lim_pipelines.landing.loads import APART, SPAN, Load, coalesce, news
from lim_pipelines.landing.register import Registered, register
from lim_pipelines.landing.survey import SETTLED_AFTER, Survey, survey
from lim_pipelines.schemas import LANDING_FILES
from lim_pipelines.sources.csv_drop import CsvDrop
from lim_pipelines.sources.folder import entries, vendor_files

NOW = datetime(2020, 1, 1, 12, tzinfo=UTC)
HEADER = "symbol,date,open,high,low,close,volume\n"
ONE = HEADER + "IBM,2018-11-20,117,118,116,117.2,5000\n"
TWO = HEADER + "IBM,2018-11-20,117,118,116,117.9,5000\nIBM,2018-11-23,118,119,117,118.4,3000\n"
IBM = "csv_drop/XNYS/ibm.csv"


class Place:
    """A landing folder, its lake, and a sensor's memory of the ledger."""

    def __init__(self, folder: Path) -> None:
        self.landing, self.lake, self.seen = folder / "landing", Lake(folder / "lake"), -1

    def drop(self, content: str, path: str = IBM, age: timedelta = timedelta(hours=1)) -> Path:
        file = self.landing / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        os.utime(file, ((NOW - age).timestamp(),) * 2)
        return file

    def ledger(self) -> pl.DataFrame:
        return self.lake.revisions(LANDING_FILES).collect().sort(LANDING_FILES.row_key)

    def look(self) -> Survey:
        return survey(self.landing, self.ledger(), NOW)

    def register(self) -> Registered:
        return register(self.lake, self.landing)

    def news(self) -> list[tuple[Any, ...]]:
        found = news(self.lake, self.seen)
        self.seen = self.lake.version(LANDING_FILES)
        return sorted(found.drop("reason").rows())


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    return Place(tmp_path)


def states(place: Place) -> list[tuple[str, str, int]]:
    return sorted(place.ledger().select("path", "state", "rows").rows())


# The look: names, sizes, times.


def test_an_empty_folder_says_where_to_drop_files(place: Place) -> None:
    assert not place.look().is_news
    assert "landing/<source>/" in place.look().summary()
    assert place.register() == Registered(0, 0, 0, 0, -1)


def test_a_new_file_is_news_until_it_is_in_the_ledger(place: Place) -> None:
    place.drop(TWO)
    first = place.look()
    assert [file.path for file in first.unread] == [IBM]
    assert place.look().key() == first.key(), "the same run key at every tick"
    assert place.register().read == 1
    assert not place.look().is_news
    assert place.look().summary() == "nothing new: 1 files known, 0 still growing"


def test_a_growing_file_is_left_alone_until_it_rests(place: Place) -> None:
    place.drop(ONE, age=SETTLED_AFTER / 2)
    place.drop(ONE, "csv_drop/XNYS/half.csv.part")
    place.drop(ONE, "csv_drop/XNYS/.hidden.csv")
    assert (place.look().growing, place.look().unread) == (1, ())
    place.drop(ONE, age=SETTLED_AFTER * 2)
    assert len(place.look().unread) == 1


def test_a_known_file_that_grows_is_neither_news_nor_gone(place: Place) -> None:
    place.drop(ONE)
    place.register()
    place.drop(TWO, age=SETTLED_AFTER / 2)
    assert not place.look().is_news


def test_a_file_from_a_clock_ahead_of_ours_is_not_left_alone_for_ever(place: Place) -> None:
    place.drop(ONE, age=-timedelta(days=2))
    assert len(place.look().unread) == 1


def test_links_are_listed_and_never_followed(place: Place, tmp_path: Path) -> None:
    place.drop(ONE)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.csv").write_text(ONE)
    (place.landing / "linked").symlink_to(tmp_path / "outside")
    (place.landing / "csv_drop" / "XNYS" / "folder").symlink_to(tmp_path / "outside")
    listed = [entry.path for entry in entries(place.landing)]
    assert listed == ["csv_drop/XNYS/folder", IBM, "linked"]
    assert [file.path for file in vendor_files(place.landing, "linked")] == ["linked"]
    place.register()
    rules = dict(place.ledger().select("path", "rule").rows())
    assert rules == {"csv_drop/XNYS/folder": "path_escape", IBM: "", "linked": "path_escape"}
    assert not place.look().is_news


class TwoAtOnce:
    """A file that tells of itself only while another one is asked too."""

    def __init__(self, entry: os.DirEntry[str], both: threading.Barrier) -> None:
        self.name, self.path, self.is_dir = entry.name, entry.path, entry.is_dir
        self._stat, self._both = entry.stat, both

    def stat(self, *, follow_symlinks: bool) -> os.stat_result:
        self._both.wait(timeout=30)
        return self._stat(follow_symlinks=follow_symlinks)


def test_a_slow_folder_is_asked_for_many_files_at_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(20):
        place.drop(ONE, f"csv_drop/XNYS/{i:04}.csv")
    listed, scandir, both = entries(place.landing), os.scandir, threading.Barrier(2)
    monkeypatch.setattr("lim_pipelines.sources.folder._BLOCK", 1)
    monkeypatch.setattr(
        "lim_pipelines.sources.folder.os.scandir",
        lambda path: [TwoAtOnce(entry, both) for entry in scandir(path)],
    )
    assert entries(place.landing) == listed


# The ledger: contents.


def test_the_ledger_says_what_is_in_a_file(place: Place) -> None:
    place.drop(TWO + "IBM,2018-11-26,1,1,1,many,1\n", "csv_drop/XNYS/history/ibm.csv")
    place.register()
    (line,) = place.ledger().iter_rows(named=True)
    assert (line["source"], line["exchange"], line["history"]) == ("csv_drop", "XNYS", True)
    assert (line["first_date"], line["last_date"]) == (date(2018, 11, 20), date(2018, 11, 26))
    assert (line["rows"], line["rows_rejected"], line["rule"]) == (2, 1, "")
    assert len(line["sha256"]) == 64
    assert line["arrived_at"] == line["modified_at"] == NOW - timedelta(hours=1)


def test_touching_a_file_is_no_news_and_it_is_not_read_again(place: Place) -> None:
    place.drop(ONE)
    place.register()
    assert place.news()
    place.drop(ONE, age=timedelta(minutes=1))
    assert place.look().is_news, "its time is new"
    assert (place.register().read, place.look().is_news, place.news()) == (0, False, [])
    (line,) = place.ledger().iter_rows(named=True)
    assert line["arrived_at"] == NOW - timedelta(hours=1), "it came when its content came"


def test_every_change_of_content_is_news_and_what_it_replaces_too(place: Place) -> None:
    day, other = date(2018, 11, 20), date(2018, 11, 23)
    for minutes, content, expected in (
        (30, ONE, [("XNYS", day, day)]),
        (29, TWO, [("XNYS", day, day), ("XNYS", day, other)]),
        (28, ONE, [("XNYS", day, day), ("XNYS", day, other)]),
    ):
        place.drop(content, age=timedelta(minutes=minutes))
        place.register()
        assert place.news() == expected
    assert states(place) == [(IBM, "present", 1), (IBM, "replaced", 2)]


def test_a_file_taken_away_is_gone_and_back_without_news(place: Place) -> None:
    file = place.drop(ONE)
    place.register()
    place.news()
    file.unlink()
    assert place.look().gone == (IBM,)
    assert place.register().gone == 1
    assert (states(place), place.news()) == ([(IBM, "gone", 1)], [])
    assert not place.look().is_news
    place.drop(ONE)
    place.register()
    assert (states(place), place.news()) == ([(IBM, "present", 1)], [])


def test_a_refused_file_is_named_once_with_rule_and_remedy(place: Place) -> None:
    place.drop("when,what\n1,2\n", "csv_drop/XNYS/bad.csv")
    place.drop(ONE, "nobody/XNYS/ibm.csv")
    place.drop(ONE, "loose.csv")
    place.drop(ONE, os.fsdecode(b"csv_drop/XNYS/caf\xe9.csv"))
    place.drop(ONE)
    place.register()
    found = {row["path"]: row for row in place.ledger().iter_rows(named=True)}
    assert {path: row["rule"] for path, row in found.items()} == {
        "csv_drop/XNYS/bad.csv": "wrong_columns",
        "nobody/XNYS/ibm.csv": "unknown_source",
        "loose.csv": "unknown_source",
        r"csv_drop/XNYS/caf\xe9.csv": "file_name",
        IBM: "",
    }
    assert "csv_drop" in found["loose.csv"]["reason"], "it names the folders that there are"
    assert place.news() == [("XNYS", date(2018, 11, 20), date(2018, 11, 20))]
    assert not place.look().is_news


def test_a_refused_correction_brings_nothing_and_the_next_good_one_brings_all(place: Place) -> None:
    far = HEADER + "IBM,2018-10-02,117,118,116,117.2,5000\n"
    for minutes, content, expected in (
        (30, far, [date(2018, 10, 2)]),
        (29, "when,what\n", []),
        (28, ONE, [date(2018, 10, 2), date(2018, 11, 20)]),
    ):
        place.drop(content, age=timedelta(minutes=minutes))
        place.register()
        assert [row[1] for row in place.news()] == expected


def test_a_reader_that_breaks_down_refuses_its_file_and_tries_it_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = CsvDrop.read

    def broken(self: CsvDrop, file: Any, landing: Path) -> Any:
        if file.path == IBM:
            raise KeyError("a mistake of ours")
        return read(self, file, landing)

    place.drop(ONE)
    place.drop(TWO, "csv_drop/XNYS/other.csv")
    with monkeypatch.context() as patch:
        patch.setattr(CsvDrop, "read", broken)
        place.register()
        assert not place.look().is_news, "not at every tick"
    assert dict(place.ledger().select("path", "rule").rows()) == {
        IBM: "reader_failed",
        "csv_drop/XNYS/other.csv": "",
    }
    place.news()
    assert place.register().read == 1
    assert len(place.news()) == 1


def test_a_full_disk_is_not_the_files_fault(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: CsvDrop, file: Any, landing: Path) -> Any:
        raise OSError(28, "No space left on device")

    place.drop(ONE)
    monkeypatch.setattr(CsvDrop, "read", full)
    with pytest.raises(OSError, match="No space left"):
        place.register()
    assert place.ledger().is_empty()


def test_a_file_that_changes_while_it_is_read_is_left_for_the_next_look(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = place.drop(ONE)
    place.drop(ONE, "csv_drop/XNYS/rests.csv")
    inspect = inspecting.inspect

    def grows(entry: Any, claims: Any, landing: Path) -> Any:
        found = inspect(entry, claims, landing)
        if entry.path == IBM:
            file.write_text(TWO)
        return found

    monkeypatch.setattr("lim_pipelines.landing.register.inspect", grows)
    done = place.register()
    assert (done.read, done.left) == (1, 1)
    assert states(place) == [("csv_drop/XNYS/rests.csv", "present", 1)]


def test_a_killed_run_has_kept_its_blocks(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(7):
        place.drop(ONE, f"csv_drop/XNYS/{i}.csv")
    monkeypatch.setattr("lim_pipelines.landing.register.BLOCK", 2)
    inspect = inspecting.inspect

    def dies(entry: Any, claims: Any, landing: Path) -> Any:
        if entry.path.endswith("/5.csv"):
            raise MemoryError
        return inspect(entry, claims, landing)

    with monkeypatch.context() as patch:
        patch.setattr("lim_pipelines.landing.register.inspect", dies)
        with pytest.raises(MemoryError):
            place.register()
    assert [path[-5] for path, *_ in states(place)] == ["0", "1", "2", "3"]
    assert place.register().read == 3
    assert len(states(place)) == 7


def test_files_that_trickle_in_leave_a_ledger_of_few_files(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lim_pipelines.landing.register.SCATTERED", 3)
    for i in range(10):
        place.drop(ONE, f"csv_drop/XNYS/{i}.csv")
        place.register()
        assert len(place.lake.file_uris(LANDING_FILES)) <= 3
        assert len(place.news()) == 1, "only the new file is news"
    assert [state for _, state, _ in states(place)] == ["present"] * 10


def test_a_look_that_finds_the_ledger_as_it_was_reads_nothing_of_it(place: Place) -> None:
    place.drop(ONE)
    place.register()
    place.news()
    for file in place.lake.file_uris(LANDING_FILES):
        Path(file).unlink()
    assert place.news() == []


def test_a_ledger_that_was_removed_is_made_again(place: Place) -> None:
    import shutil

    place.drop(ONE)
    for age in (3, 2):
        place.drop(TWO, age=timedelta(minutes=age))
        place.register()
    place.news()
    place.seen += 50
    shutil.rmtree(place.lake.uri(LANDING_FILES))
    place.lake = Lake(place.lake.root)
    assert place.look().is_news
    place.register()
    assert len(place.news()) == 1


# The loads.


def spans(*rows: tuple[str, int, int]) -> pl.DataFrame:
    start = date(2018, 10, 1)
    return pl.DataFrame(
        [(mic, start + timedelta(days=a), start + timedelta(days=b), f"{mic}{a}") for mic, a, b in rows],
        schema=SPAN,
        orient="row",
    )


FIRST, LAST = date(2018, 10, 1), date(2019, 12, 31)


def rectangles(loads: list[Load]) -> list[tuple[str, int, int]]:
    return [(load.exchange, (load.first - FIRST).days, (load.last - FIRST).days) for load in loads]


def test_one_load_an_exchange_unless_dates_lie_far_apart() -> None:
    found = spans(("XNYS", 0, 3), ("XNAS", 5, 5), ("XNYS", 1, 1), ("XNYS", 20, 21), ("XNYS", 90, 95))
    assert rectangles(coalesce(found, FIRST, LAST, APART)) == [
        ("XNAS", 5, 5),
        ("XNYS", 0, 21),
        ("XNYS", 90, 95),
    ]


def test_what_lies_outside_is_cut_off() -> None:
    found = spans(("XNYS", -9, -1), ("XNAS", -9, 4))
    assert rectangles(coalesce(found, FIRST, LAST, APART)) == [("XNAS", 0, 4)]
    assert coalesce(spans(), FIRST, LAST, APART) == []


_SPANS = st.lists(
    st.tuples(st.sampled_from(["A", "B"]), st.integers(-50, 500), st.integers(0, 60)).map(
        lambda t: (t[0], t[1], t[1] + t[2])
    ),
    max_size=12,
)


@given(_SPANS, st.randoms())
@settings(max_examples=60)
def test_loads_cover_all_that_is_asked_for_in_any_order_and_lie_apart(
    rows: list[tuple[str, int, int]], random: Any
) -> None:
    loads = coalesce(spans(*rows), FIRST, LAST, APART)
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert coalesce(spans(*shuffled), FIRST, LAST, APART) == loads
    found = rectangles(loads)
    reach = (LAST - FIRST).days
    for mic, start, end in rows:
        start, end = max(start, 0), min(end, reach)
        assert start > end or any(m == mic and a <= start and end <= b for m, a, b in found)
    for (m, _, end), (n, start, _) in pairwise(found):
        assert m != n or start - end > APART.days
