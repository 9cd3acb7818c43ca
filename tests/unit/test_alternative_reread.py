"""Files of alternative data that land late, and files that are read by other code, or another mapping."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import permutations
from pathlib import Path

import pytest
from alternative_world import WIRE, Row, fact, rows_of, send

from lim_pipelines.alternative.load import load_raw
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import RAW_FACTS


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
