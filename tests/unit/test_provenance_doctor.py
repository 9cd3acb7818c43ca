"""The doctor on homes with real damage: it names what is broken, and never breaks itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from lake_rows import bar, days, frame
from packaging.requirements import Requirement
from polars.exceptions import PanicException
from provenance_world import drop, home

from lim_pipelines.places import Places
from lim_pipelines.provenance import doctor
from lim_pipelines.provenance.doctor import Check, examine
from lim_pipelines.schemas import VALIDATED_BARS

BARS = "lake/validated_bars"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Places:
    places = home(tmp_path_factory.mktemp("home"))
    (places.root / "dagster").mkdir()
    shutil.copy(doctor.ROOT / "deploy" / "dagster.local.yaml", places.root / "dagster" / "dagster.yaml")
    folder = places.models / "small" / "2018-06-01" / ("a" * 16)
    folder.mkdir(parents=True)
    header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    (folder / "meta.json").write_text("{}")
    (folder.parent / "current.json").write_text(json.dumps({"digest": "a" * 64}))
    return places


@pytest.fixture
def places(original: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return Places(shutil.copytree(original.root, tmp_path / "home"))


def wrong(places: Places, fast: bool = False) -> list[Check]:
    """Lines about the home that are not well; those about the machine are not the home's fault."""
    ours = ("home", "dagster", "landing", "lake", "models", "vectors", "files", "table", "warehouse")
    return [one for one in examine(places, fast) if one.status != "ok" and one.name.startswith(ours)]


def parquet(places: Places, table: str = BARS) -> Path:
    return sorted((places.root / table).rglob("*.parquet"))[0]


def test_a_home_that_is_well(places: Places) -> None:
    before = sorted(path for path in places.root.rglob("*"))
    assert wrong(places) == []
    names = [one.name for one in examine(places)]
    assert {"python", "packages", "extra text", "hardware", "home", "disk", "lake", "models"} <= set(names)
    assert sorted(path for path in places.root.rglob("*")) == before, "no file is left behind"


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def scramble_footer(places: Places) -> None:
    path = parquet(places)
    content = path.read_bytes()
    path.write_bytes(content[:-60] + bytes(60))


DAMAGE: dict[str, tuple[Callable[[Places], object], str, bool]] = {
    "file cut off": (lambda at: cut(parquet(at)), "not what was committed", True),
    "file emptied": (lambda at: parquet(at).write_bytes(b""), "has 0 bytes, not what was committed", False),
    "ledger emptied": (
        lambda at: parquet(at, "lake/landing_files").write_bytes(b""),
        "landing_files cannot be read: a file of it is not whole",
        True,
    ),
    "file gone": (lambda at: parquet(at).unlink(), "is gone", True),
    "footer scrambled": (scramble_footer, "cannot be read", False),
    "log gone": (
        lambda at: shutil.rmtree(at.root / BARS / "_delta_log"),
        "half of it was deleted",
        True,
    ),
    "log damaged": (
        lambda at: sorted((at.root / BARS / "_delta_log").glob("*.json"))[-1].write_text("{nonsense"),
        "log cannot be read",
        True,
    ),
    "weights cut off": (
        lambda at: cut_weights(at),
        "is cut off",
        True,
    ),
    "meta gone": (lambda at: next(at.models.rglob("meta.json")).unlink(), "meta.json", True),
    "pointer damaged": (lambda at: next(at.models.rglob("current.json")).write_text("{"), "2018-06-01", True),
    "settings damaged": (
        lambda at: (at.root / "dagster" / "dagster.yaml").write_text("a: [b"),
        "dagster.yaml",
        True,
    ),
    "settings gone": (lambda at: (at.root / "dagster" / "dagster.yaml").unlink(), "is not there", True),
    "warehouse damaged": (
        lambda at: (at.root / "warehouse.duckdb").write_bytes(b"no database" * 500),
        "not a valid DuckDB",
        False,
    ),
    "vectors damaged": (
        lambda at: (at.vectors / "texts_x.lance").mkdir(parents=True),
        "no version is left",
        True,
    ),
}


def cut_weights(places: Places) -> None:
    path = next(places.models.rglob("model.safetensors"))
    path.write_bytes(path.read_bytes()[:-4])


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_named_with_a_remedy(
    places: Places, damage: str, capfd: pytest.CaptureFixture[str]
) -> None:
    do, words, at_once = DAMAGE[damage]
    do(places)
    found = wrong(places, fast=at_once)
    assert any(one.status == "fail" and words in one.detail for one in found), found
    assert all(one.remedy for one in found)
    assert "panicked" not in capfd.readouterr().err, "what is known to be torn is not read"


def test_files_in_the_landing_folder_that_nobody_registered_are_a_warning(places: Places) -> None:
    file = drop(places)
    shutil.copy2(file, file.with_name("other.csv"))
    (found,) = wrong(places, fast=True)
    assert (found.status, found.name) == ("warn", "landing")
    assert "1 files are not in the ledger" in found.detail


def test_a_table_of_other_code_is_named(places: Places) -> None:
    from deltalake import DeltaTable

    path = places.root / "lake" / "trials"
    DeltaTable.create(str(path), schema=frame(bar(days(1)[0])).to_arrow().schema, description="layout 1")
    (found,) = wrong(places, fast=True)
    assert (found.status, found.name) == ("fail", "table trials")
    assert "another version of this code" in found.detail
    assert VALIDATED_BARS.name not in found.detail


@pytest.mark.parametrize("left", ["models", "reports", "vectors"])
def test_a_home_that_lost_its_lake_is_not_new(places: Places, left: str) -> None:
    shutil.rmtree(places.root / "lake")
    for name in ("landing", "models"):
        shutil.rmtree(places.root / name)
    (fresh,) = [one for one in wrong(places, fast=True) if one.name == "lake"]
    assert fresh.status == "warn"
    (places.root / left).mkdir()
    (places.root / left / "something").mkdir()
    (lost,) = [one for one in wrong(places, fast=True) if one.name == "lake"]
    assert lost.status == "fail"
    assert f"made from one lie in {left}" in lost.detail


def test_a_home_that_is_not_there_or_is_a_file(tmp_path: Path) -> None:
    for root in (tmp_path / "nowhere", tmp_path / "file"):
        (tmp_path / "file").write_text("")
        found = examine(Places(root))
        assert any(one.name == "home" and one.status == "fail" for one in found)


def test_packages_are_compared_by_version() -> None:
    assert doctor._unmet(Requirement("polars>=2")) is None
    assert "not >=99" in (doctor._unmet(Requirement("polars>=99")) or "")
    assert doctor._unmet(Requirement("no-such-package")) == "no-such-package is not installed"


@pytest.mark.parametrize("error", [RuntimeError, PanicException])
def test_an_examination_that_breaks_is_a_line(error: type[BaseException]) -> None:
    def broken(_: Places) -> object:
        raise error("out of order")

    (found,) = doctor._alone("part", broken, Places(Path("x")))  # type: ignore[arg-type]
    assert (found.status, found.detail) == ("fail", f"{error.__name__}: out of order")
