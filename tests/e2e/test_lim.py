"""The command `lim` as it is installed: words for people, JSON for machines, exit codes for scripts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from provenance_world import IBM, KEY, home

from lim_pipelines.places import Places
from lim_pipelines.provenance.cli import main
from lim_pipelines.schemas import VALIDATED_BARS

HEAVY = ("torch", "great_expectations", "pandas", "lightning", "dagster", "lancedb", "scipy", "cvxpy")


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    return home(tmp_path_factory.mktemp("home"))


@dataclass
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


@pytest.fixture
def lim(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)

    def run(where: Places, *words: str) -> Said:
        code = main([*words, "--home", str(where.root)])
        return Said(code, *capsys.readouterr())

    return run


def test_the_installed_command_prints_a_tree(places: Places) -> None:
    environment = {**os.environ, "LIM_HOME": str(places.root)}
    command = [Path(sys.executable).with_name("lim"), "trace", KEY]
    said = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=True)
    assert said.stdout.startswith("validated_bars@2018-11-20|XNYS\n")
    assert f"landing/{IBM}" in said.stdout


def test_trace_tells_people_and_machines_the_same(places: Places, lim: Callable[..., Said]) -> None:
    shown = lim(places, "trace", KEY)
    assert (shown.code, shown.err) == (0, "")
    tree = json.loads(lim(places, "trace", KEY, "--json").out)
    assert tree["facts"]["fingerprint"] in shown.out
    assert tree["children"][0]["what"] == "aligned_bars"
    short = lim(places, "trace", KEY, "--depth", "0")
    assert "(--depth)" in short.out
    assert IBM not in short.out


def test_verify_says_by_its_exit_code(places: Places, tmp_path: Path, lim: Callable[..., Said]) -> None:
    well = lim(places, "verify", KEY)
    assert (well.code, well.out.splitlines()[-1]) == (0, f"{KEY}: equal")
    other = Places(shutil.copytree(places.root, tmp_path / "home"))
    lake, where = other.lake(), pl.col("date") == pl.date(2018, 11, 20)
    rows = lake.revisions(VALIDATED_BARS, where).collect()
    lake.write(VALIDATED_BARS, rows.with_columns(volume=pl.lit(1.0)), rows.select("exchange", "date"))
    wrong = lim(other, "verify", KEY, "--json")
    assert (wrong.code, json.loads(wrong.out)["verdict"]) == (1, "differs")
    (other.landing / IBM).unlink()
    lake.write(VALIDATED_BARS, rows, rows.select("exchange", "date"))
    gone = lim(other, "verify", KEY)
    assert gone.code == 2
    assert f"{IBM} is gone" in gone.out


@pytest.mark.parametrize(
    "words",
    [
        ("trace", "nonsense"),
        ("trace", "2018-11-20|XXXX"),
        ("trace", "validated_macro@nope"),
        ("trace", "trials"),
        ("verify", "2018-01-01|XNYS"),
    ],
    ids=" ".join,
)
def test_what_is_not_there_is_one_line_and_code_2(
    places: Places, lim: Callable[..., Said], words: tuple[str, ...]
) -> None:
    said = lim(places, *words)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("lim: ")


def test_the_home_is_named_before_the_command_or_behind_it(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    home = ["--home", str(places.root)]
    said = []
    for words in ([*home, "trace", KEY], ["trace", KEY, *home]):
        assert main(words) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]


def test_an_arm_without_a_metric_is_refused(places: Places, lim: Callable[..., Said]) -> None:
    said = lim(places, "trace", "small", "--arm", "full")
    assert (said.code, said.out) == (2, "")
    assert "--metric" in said.err


def test_a_depth_below_zero_is_refused(places: Places, lim: Callable[..., Said]) -> None:
    with pytest.raises(SystemExit, match="2"):
        lim(places, "trace", KEY, "--depth", "-1")


def test_a_report_whose_lake_is_gone_is_one_line_and_code_2(tmp_path: Path, lim: Callable[..., Said]) -> None:
    places = Places(tmp_path)
    places.reports.mkdir()
    (places.reports / "small.html").write_text("")
    said = lim(places, "trace", "small")
    assert (said.code, said.out) == (2, "")
    assert "holds no results of small" in said.err


@pytest.mark.parametrize("command", ["trace", "verify"])
@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"")], ids=["gone", "empty"])
def test_a_damaged_home_is_one_line_and_code_2(
    places: Places,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    damage: Callable[[Path], object],
    command: str,
) -> None:
    broken = Places(shutil.copytree(places.root, tmp_path / "home"))
    for path in (broken.root / "lake" / "validated_bars").rglob("*.parquet"):
        damage(path)
    assert main([command, KEY, "--home", str(broken.root)]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("lim: table validated_bars: ")
    assert len(err.splitlines()) == 1


def test_doctor_judges_a_home_by_its_exit_code(
    places: Places, tmp_path: Path, lim: Callable[..., Said]
) -> None:
    said = lim(places, "doctor", "--json")
    assert said.code == 0, said.out
    assert {one["status"] for one in json.loads(said.out)} <= {"ok", "warn"}
    broken = Places(shutil.copytree(places.root, tmp_path / "home"))
    next((broken.root / "lake" / "raw_quotes").rglob("*.parquet")).unlink()
    said = lim(broken, "doctor", "--fast")
    assert said.code == 1
    assert "table raw_quotes" in said.out
    assert "bring it back from a backup" in said.out


def test_the_quick_commands_import_nothing_heavy(places: Places) -> None:
    code = (
        "import sys; from lim_pipelines.provenance.cli import main;"
        "main(['doctor', '--fast']); main(['trace', '2018-11-20|XNYS']);"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    environment = {**os.environ, "LIM_HOME": str(places.root)}
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=300, check=True
    )
    assert said.stdout.splitlines()[-1] == "[]"
