"""What strategies ask of the data, checked before anything runs: in words, by `dg`, in editors."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from jsonschema import Draft202012Validator
from strategy_world import bars_of, macro, market, put_lake, session_days, spec

from lim_pipelines.finetune.samples import build_samples
from lim_pipelines.finetune.split import TooLittleHistoryError, split
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import LISTINGS
from lim_pipelines.strategies import check as checking
from lim_pipelines.strategies import schema
from lim_pipelines.strategies.document import SpecError
from lim_pipelines.strategies.registry import TASKS
from lim_pipelines.strategies.spec import StrategySpec
from lim_pipelines.strategies.template import EXAMPLES, examples, template

ROOT = Path(__file__).resolve().parents[2]
DEFS = ROOT / "lim_pipelines" / "defs"
SHIPPED = sorted([*DEFS.glob("*/defs.yaml"), *EXAMPLES.glob("*/defs.yaml")])
SESSIONS = session_days("XNYM", date(2015, 1, 2), date(2018, 7, 1))
OIL = template("oil")


def oil_lake(root: Path, count: int) -> Lake:
    """A lake with the last sessions of crude oil and nothing else."""
    days = SESSIONS[-count:]
    return put_lake(root, bars_of("XNYM:WTI", days, [50.0 + i % 7 for i in range(count)]), macro())


def put(folder: Path, name: str, *changes: tuple[str, str]) -> int:
    """Write the template with changes; the line of the last one."""
    text = template(name)
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    (folder / name).mkdir(parents=True)
    (folder / name / "defs.yaml").write_text(text)
    return text[: text.index(changes[-1][1])].count("\n") + 1 + changes[-1][1].rstrip("\n").count("\n")


HORIZON = ("horizon: 5", "horizon: 60")
WINDOW = ("method: head", "method: head\n  fit:\n    validation_sessions: 700")
FIRST = ("method: head", "method: head\n  cadence:\n    first_cutoff: 2016-02-01")
TYPO = ("XNYM:WTI", "XNYM:WTX")


@pytest.mark.parametrize(
    ("count", "change", "field", "remedy"),
    [
        (50, HORIZON, "horizon", "longer than the data: the lake holds 50 of XNYM:WTI"),
        (600, WINDOW, "fit.validation_sessions", "import more history"),
        (800, FIRST, "cadence.first_cutoff", "or later, or import more history"),
        (600, TYPO, "universe.instruments.0", "did you mean 'WTI'?"),
        (
            600,
            ("horizon: 5", "horizon: 5\n  universe:\n    exchanges: [XNYM]\n    asset_classes: [equity]"),
            "universe.asset_classes",
            "the lake holds commodity only",
        ),
    ],
)
def test_what_the_data_cannot_bear_is_named_with_line_and_remedy(
    tmp_path: Path, count: int, change: tuple[str, str], field: str, remedy: str
) -> None:
    lake = oil_lake(tmp_path / "lake", count)
    old = ('  universe:\n    instruments: ["XNYM:WTI"]\n', "") if "asset" in field else change
    line = (
        put(tmp_path / "defs", "oil", old, change) if old != change else put(tmp_path / "defs", "oil", change)
    )
    found = checking.check(tmp_path / "defs", lake)
    assert found.wrong == ()
    (words,) = found.unfit
    assert words.startswith(f"{tmp_path / 'defs' / 'oil' / 'defs.yaml'}:{line}: {field}: ")
    assert remedy in words


def test_the_first_cutoff_that_is_offered_can_be_trained_and_no_earlier_one(tmp_path: Path) -> None:
    one = spec("directional", features=[], controls=[], fit={"validation_sessions": 40})
    days = SESSIONS[-800:]
    bars = bars_of("XNYM:WTI", days, [50.0 + i % 7 for i in range(800)])
    there = pl.DataFrame(
        {"exchange": ["XNYM"], "instrument_id": ["XNYM:WTI"], "asset_class": ["commodity"], "dates": [days]}
    )
    early = one.model_copy(
        update={"cadence": one.cadence.model_copy(update={"first_cutoff": days[0].replace(day=1)})}
    )
    ((_, words),) = checking.unfit_for(early, there, set())
    offered = date.fromisoformat(words.split("write ")[1].split(" or later")[0])
    for cutoff, enough in ((offered, True), (days[checking.needed(one) - 2], False)):
        samples = build_samples(one, bars.filter(pl.col("date") < cutoff), pl.DataFrame(schema=_DECISIONS))
        if enough:
            split(one, samples, cutoff)
        else:
            with pytest.raises(TooLittleHistoryError):
                split(one, samples, cutoff)


_DECISIONS = {"exchange": pl.String, "date": pl.Date, "instrument_id": pl.String}


def test_instruments_of_vendors_listings_may_be_named(tmp_path: Path) -> None:
    lake = oil_lake(tmp_path / "lake", 600)
    put(tmp_path / "defs", "oil", ("XNYM:WTI", "XNYM:CL"))
    # Until a vendor's listing has come, nobody can say that it is wrong.
    assert checking.check(tmp_path / "defs", lake).unfit == ()
    row = {
        "source": "x",
        "symbol": "HO",
        "exchange": "XNYM",
        "instrument_id": "XNYM:HO",
        "name": "Heating oil",
    }
    row |= {"asset_class": "future", "currency": "USD", "file": "a.csv", "known_at": "2020-01-01"}
    rows = pl.DataFrame([row]).with_columns(
        pl.col("known_at").str.to_datetime(time_zone="UTC", time_unit="us")
    )
    listed = LISTINGS.conform(rows)
    lake.write(LISTINGS, listed, listed.select(LISTINGS.partition_key))
    (words,) = checking.check(tmp_path / "defs", lake).unfit
    assert "XNYM:CL is in no listing of XNYM" in words
    put(tmp_path / "more", "oil", ("XNYM:WTI", "XNYM:HO"))
    assert checking.check(tmp_path / "more", lake) == checking.Checked((), ())


@pytest.mark.parametrize("folder", [DEFS, EXAMPLES], ids=lambda folder: folder.name)
def test_of_data_that_has_not_come_nothing_is_said(tmp_path: Path, folder: Path) -> None:
    assert checking.check(folder, Lake(tmp_path / "none")) == checking.Checked((), ())
    assert checking.check(folder, oil_lake(tmp_path / "lake", 800)).wrong == ()


def test_the_universe_is_what_its_exchanges_hold_at_the_moment() -> None:
    bars = market()
    whole = spec(universe={"exchanges": ["XSIM"]}).universe
    assert bars.filter(whole.rows()).equals(bars)
    named = spec(universe={"instruments": ["XSIM:SIM01", "XSIM:SIM02"]}).universe
    assert sorted(bars.filter(named.rows())["instrument_id"].unique()) == ["XSIM:SIM01", "XSIM:SIM02"]
    none = spec(universe={"exchanges": ["XSIM"], "asset_classes": ["index"]}).universe
    assert bars.filter(none.rows()).is_empty()


def test_the_schema_for_editors_is_current() -> None:
    assert schema.PATH.read_text() == schema.text(), (
        "write it again: python -m lim_pipelines.strategies.schema"
    )


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.parent.name)
def test_shipped_strategies_name_the_schema_and_keep_to_it(path: Path) -> None:
    assert path.read_text().startswith(schema.LINE + "\n")
    assert (path.parent / schema.LINE.partition("$schema=")[2]).resolve() == schema.PATH
    content = {"type": schema.COMPONENT, "attributes": StrategySpec.from_yaml(path).model_dump(mode="json")}
    assert not list(Draft202012Validator(schema.schema()).iter_errors(content))


@pytest.mark.parametrize("name", ["Oil", "my-oil", "1oil", "oil.x"])
def test_a_name_that_cannot_be_is_refused_with_one_that_can(name: str) -> None:
    with pytest.raises(SpecError, match="small letters") as caught:
        template(name)
    assert StrategySpec.model_fields["name"].metadata
    template(str(caught.value).rpartition(" ")[2])


@pytest.mark.parametrize("example", examples())
def test_what_begins_as_an_example_is_the_example_but_for_its_name(tmp_path: Path, example: str) -> None:
    path = tmp_path / "mine" / "defs.yaml"
    path.parent.mkdir()
    path.write_text(template("mine", example))
    shipped = StrategySpec.from_yaml(EXAMPLES / example / "defs.yaml")
    assert StrategySpec.from_yaml(path) == shipped.model_copy(update={"name": "mine"})


def test_of_every_task_there_is_an_example_on_real_data_and_none_is_loaded() -> None:
    shipped = [StrategySpec.from_yaml(path) for path in SHIPPED]
    assert {one.task for one in shipped if not one.simulated} == set(TASKS)
    assert {path.parent.name for path in DEFS.glob("*/defs.yaml")}.isdisjoint(examples())


def test_an_example_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(
        SpecError, match=r"no example 'us_pears' \(did you mean 'us_pairs'\?\); there are oil, "
    ):
        template("mine", "us_pears")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, whose strategies may be changed."""
    root = tmp_path_factory.mktemp("project")
    for name in ("lim_pipelines", "assets", "resources", "dbt_project"):
        shutil.copytree(ROOT / name, root / name)
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


def run(project: Path, home: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(project), "LIM_HOME": str(home), "COLUMNS": "400"}
    command = (str(Path(sys.executable).with_name(command[0])), *command[1:])
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_dg_takes_an_example_and_all_of_them_pass_and_are_loaded(project: Path, tmp_path: Path) -> None:
    defs = project / "lim_pipelines" / "defs"
    scaffold = ("dg", "scaffold", "defs", schema.COMPONENT)
    unknown = run(project, tmp_path, *scaffold, "mine", "--example", "us_pears")
    assert unknown.returncode != 0
    assert "did you mean 'us_pairs'?" in unknown.stdout + unknown.stderr
    assert not (defs / "mine").exists()

    names = {f"my_{example}": example for example in examples()}
    made = run(project, tmp_path, *scaffold, "my_us_pairs", "--example", "us_pairs")
    assert made.returncode == 0, made.stderr
    assert (defs / "my_us_pairs" / "defs.yaml").read_text() == template("my_us_pairs", "us_pairs")
    for name, example in names.items():
        (defs / name).mkdir(exist_ok=True)
        (defs / name / "defs.yaml").write_text(template(name, example))
    passed = run(project, tmp_path, "dg", "check", "yaml")
    assert passed.returncode == 0, passed.stdout + passed.stderr
    keys = "sorted(key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys())"
    code = f"from lim_pipelines.definitions import defs; print('assets:', *{keys})"
    loaded = run(project, tmp_path, "python", "-c", code)
    assert loaded.returncode == 0, loaded.stderr
    made_of = {f"{name}_{asset}" for name in names for asset in ("model", "targets", "backtest")}
    assert made_of <= set(loaded.stdout.split())
    for name in names:
        shutil.rmtree(defs / name)


@pytest.mark.slow
def test_dg_makes_a_strategy_that_passes_and_names_everything_that_does_not(
    project: Path, tmp_path: Path
) -> None:
    defs = project / "lim_pipelines" / "defs"
    made = run(project, tmp_path, "dg", "scaffold", "defs", schema.COMPONENT, "my_oil")
    assert made.returncode == 0, made.stderr
    path = defs / "my_oil" / "defs.yaml"
    assert StrategySpec.from_yaml(path).name == "my_oil"
    # A date without quotes is a date to YAML, not the text that JSON schema would have.
    path.write_text(path.read_text() + "  cadence:\n    first_cutoff: 2016-01-01\n")
    passed = run(project, tmp_path, "dg", "check", "yaml")
    assert passed.returncode == 0, passed.stdout + passed.stderr

    oil_lake(tmp_path / "lake", 400)
    bad = {
        "key": ("horizon: 5", "horizont: 5"),
        "empty": ('["XNYM:WTI"]', "[]"),
        "method": ("method: head", "method: haed"),
        "long": WINDOW,
        "cutoff": FIRST,
    }
    lines = {name: put(defs, f"bad_{name}", change) for name, change in bad.items()}
    failed = run(project, tmp_path, "dg", "check", "yaml")
    said = failed.stdout + failed.stderr
    assert failed.returncode != 0
    for words in (
        f"bad_key/defs.yaml:{lines['key']}: horizont: unknown key (did you mean 'horizon'?)",
        f"bad_empty/defs.yaml:{lines['empty'] - 1}: universe: no instrument is left in it",
        f"bad_method/defs.yaml:{lines['method']}: method: ",
        "(did you mean 'head'?)",
        f"bad_long/defs.yaml:{lines['long']}: fit.validation_sessions: ",
        f"bad_cutoff/defs.yaml:{lines['cutoff']}: cadence.first_cutoff: ",
    ):
        assert words in said, said
    # The code location says the same when it is loaded; what is the data's affair does not stop it.
    loaded = run(project, tmp_path, "python", "-c", "import lim_pipelines.definitions")
    assert loaded.returncode != 0
    assert f"bad_method/defs.yaml:{lines['method']}: method: " in loaded.stderr
    for name in ("key", "empty", "method"):
        shutil.rmtree(defs / f"bad_{name}")
    loaded = run(project, tmp_path, "python", "-c", "import lim_pipelines.definitions")
    assert loaded.returncode == 0, loaded.stderr
    assert f"bad_cutoff/defs.yaml:{lines['cutoff']}: cadence.first_cutoff: " in loaded.stderr
