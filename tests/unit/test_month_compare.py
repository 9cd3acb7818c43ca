"""The comparison at the end of a replayed month sees what differs, and only that."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from lake_rows import DAY, bar, days, frame

from lim_pipelines.lake import Lake
from lim_pipelines.schemas import VALIDATED_BARS

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from month import differences

LAST = days(3)[-1]


def held(folder: Path, *rows: dict[str, Any]) -> Lake:
    lake = Lake(folder)
    bars = frame(*rows)
    lake.write(VALIDATED_BARS, bars, bars.select(VALIDATED_BARS.partition_key).unique())
    return lake


@pytest.mark.parametrize(
    ("other", "apart"),
    [
        ([bar(), bar(days(2)[1])], 0),
        ([bar(known_day=LAST), bar(days(2)[1])], 0),  # known at another moment
        ([bar(), bar(days(2)[1]), bar(days(9)[-1])], 0),  # after the month
        ([bar(), bar(days(2)[1], close=1.5)], 2),
        ([bar()], 1),
        ([bar(), bar(days(2)[1]), bar(LAST)], 1),
    ],
)
def test_what_differs_is_counted(tmp_path: Path, other: list[dict[str, Any]], apart: int) -> None:
    one = held(tmp_path / "one", bar(), bar(days(2)[1]))
    found = {
        name: (rows, differing)
        for name, rows, differing in differences(one, held(tmp_path / "b", *other), DAY, LAST)
    }
    assert found["validated_bars"] == (2, apart)
