"""The present moment: the machine's, or the one a replayed month is in; and nobody asks another clock."""

from __future__ import annotations

import ast
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lim_pipelines import clock

ROOT = Path(__file__).resolve().parents[2]
OWN = {
    "lim_pipelines/clock.py": "it is the clock",
    "assets/requests.py": "compares with when Dagster says a run ended, by the machine's clock",
}


def test_without_a_file_it_is_the_machines() -> None:
    before = datetime.now(UTC)
    assert before <= clock.now() <= datetime.now(UTC)


def test_a_file_says_the_moment_in_any_zone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "clock"
    path.write_text("2018-12-03T23:30:00+01:00\n")
    monkeypatch.setenv(clock.VARIABLE, str(path))
    assert clock.now() == datetime(2018, 12, 3, 22, 30, tzinfo=UTC)
    assert clock.now().utcoffset() == timedelta(0)
    path.write_text("2018-12-04T00:00:00+00:00")
    assert clock.now().day == 4


@pytest.mark.parametrize("text", ["2018-12-03T23:30:00", "soon", None])
def test_a_file_that_says_no_moment_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    path = tmp_path / "clock"
    if text is not None:
        path.write_text(text)
    monkeypatch.setenv(clock.VARIABLE, str(path))
    with pytest.raises(clock.ClockError, match=str(path)):
        clock.now()


def test_nobody_asks_another_clock() -> None:
    asked = []
    for path in sorted([*(ROOT / "lim_pipelines").rglob("*.py"), *(ROOT / "assets").rglob("*.py")]):
        name = path.relative_to(ROOT).as_posix()
        if name in OWN:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in ("now", "today", "utcnow"):
                owner = ast.unparse(node.value)
                if owner in ("datetime", "date", "datetime.datetime", "datetime.date"):
                    asked.append(f"{name}:{node.lineno}: {ast.unparse(node)}")
    assert not asked
