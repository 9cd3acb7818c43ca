"""Files of alternative data that land late, and files that are read by other code, or another mapping."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from alternative_world import WIRE, Row, Wire, fact, rows_of, send
from landing_files import drop

from lim_pipelines.alternative import load
from lim_pipelines.alternative.load import load_raw
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import RAW_FACTS
from lim_pipelines.sources.base import ParsedTables, SourceFile
from lim_pipelines.sources.facts_feed import FactsFeed


@pytest.fixture(autouse=True)
def _the_wire_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lim_pipelines.sources.ALTERNATIVE_SOURCES", (WIRE,))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    return tmp_path / "landing"


def told(lake: Lake) -> list[tuple[float, str]]:
    """Values in order, and since when they are known."""
    return [(value, f"{known:%m-%d}") for value, known in rows_of(lake, RAW_FACTS, ["value", "known_at"])]


def land(folder: Path, files: Iterable[tuple[str, Row]]) -> Lake:
    """Land files, and load each before the next one."""
    lake = Lake(folder / "lake")
    for name, row in files:
        send(folder / "landing", name, row)
        load_raw(lake, folder / "landing")
    return lake


def test_history_that_lands_out_of_order_undoes_no_correction(tmp_path: Path) -> None:
    files = [("q", fact(known="2015-05-01", value=100.0)), ("qa", fact(known="2015-08-01", value=90.0))]
    files += [("z", fact(known="2015-09-01", value=95.0))]
    for number, order in enumerate(permutations(files)):
        assert told(land(tmp_path / str(number), order)) == [
            (100.0, "05-01"),
            (90.0, "08-01"),
            (95.0, "09-01"),
        ]


def test_an_earlier_delivery_of_what_held_already_is_none(tmp_path: Path) -> None:
    files = [("1", fact(known="2015-05-01")), ("3", fact(known="2015-08-01", value=3.0))]
    lake = land(tmp_path, [*files, ("2", fact(known="2015-06-01"))])
    assert told(lake) == [(1.0, "05-01"), (3.0, "08-01")]


def test_an_edited_file_whose_figure_was_replaced_since_changes_nothing(tmp_path: Path) -> None:
    first, second = fact(known="2015-05-01", value=1.0), fact(known="2015-08-01", value=3.0)
    lake = land(tmp_path, [("a", first), ("b", second), ("a", {**first, "value": 2.5})])
    assert told(lake) == [(1.0, "05-01"), (3.0, "08-01")]


def later_by(days: int, years: int = 0) -> Any:
    """Parse the wire as a reader would that was mended: all is known later, and is about other years."""
    parse = Wire.parse

    def mended(self: Wire, lines: Sequence[str], file: SourceFile) -> ParsedTables:
        found = parse(self, lines, file)
        moved = [
            pl.col("known_at") + timedelta(days=days),
            pl.col("ts").dt.offset_by(f"{years}y"),
            pl.col("year") + years,
        ]
        return ParsedTables(
            {name: rows.with_columns(moved) for name, rows in found.rows.items()}, found.rejected
        )

    return mended


@pytest.mark.parametrize("years", [0, -1])
@pytest.mark.parametrize("files", [1, 400])
def test_mended_readers_leave_what_they_alone_would_have_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int, years: int
) -> None:
    facts = [fact(known="2015-05-01", value=1.0), fact(known="2015-06-01", value=1.0)]
    facts += [fact(known="2015-07-01", value=3.0), fact("BBB", known="2015-07-01")]
    lake = land(tmp_path, [(str(number), row) for number, row in enumerate(facts)])
    monkeypatch.setattr(load, "BATCH_FILES", files)
    monkeypatch.setattr(load, "READERS", "another")
    monkeypatch.setattr(Wire, "parse", later_by(31, years))
    load_raw(lake, tmp_path / "landing")
    anew = Lake(tmp_path / "anew")
    load_raw(anew, tmp_path / "landing")
    assert rows_of(lake, RAW_FACTS) == rows_of(anew, RAW_FACTS)
    assert told(lake) == [(1.0, "06-01"), (3.0, "08-01"), (1.0, "08-01")]


def test_a_file_that_other_readers_refuse_keeps_its_rows(
    lake: Lake, landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(landing, "a", fact())
    load_raw(lake, landing)
    send(landing, "a", "refuse")
    monkeypatch.setattr(load, "READERS", "another")
    assert load_raw(lake, landing).refused
    assert told(lake) == [(1.0, "05-01")]


MAPPING = """\
shape: facts
columns: {symbol: sym, ts: day, value: val}
constants: {field: revenues, period: Q, unit: USD}
lag_days: LAG
"""


def test_a_mapping_that_comes_or_is_mended_is_read_with_and_no_file_need_be_touched(
    lake: Lake, landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lim_pipelines.sources.ALTERNATIVE_SOURCES", (FactsFeed(),))
    drop(landing, "facts_feed/acme/history/a.csv", "sym,day,val\nAAA,2015-03-31,5\n", history=False)

    def loaded_with(lag: str) -> list[str]:
        if lag:
            drop(landing, "facts_feed/acme/mapping.yaml", MAPPING.replace("LAG", lag), history=False)
        refused = {error.rule for error in load_raw(lake, landing).refused}
        assert load_raw(lake, landing).read == 0, "without news nothing is read again"
        return [*sorted(refused), *(known for _, known in told(lake))]

    assert loaded_with("") == ["no_mapping"]
    assert loaded_with("soon") == ["wrong_mapping"]
    assert loaded_with("1") == ["04-01"]
    assert loaded_with("soon") == ["wrong_mapping", "04-01"], "what entered stays"
    assert loaded_with("45") == ["05-15"]
