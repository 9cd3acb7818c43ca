"""The asset graph as a whole: a snapshot of it, and what every asset must carry.

`python tests/assets/test_graph.py` renews the snapshot after a wanted change; the diff of graph.json is then
part of the review.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets import closes
from assets.partitions import RANGES
from lim_pipelines.strategies.template import examples, template

ROOT = Path(__file__).resolve().parents[2]
SNAPSHOT = Path(__file__).with_name("graph.json")


def definitions() -> dg.Definitions:
    from lim_pipelines.definitions import defs

    return defs


def described(partitions: dg.PartitionsDefinition[Any] | None) -> Any:
    """A partitions definition as JSON; nothing in it depends on the present day."""
    if partitions is None:
        return None
    if isinstance(partitions, dg.MultiPartitionsDefinition):
        return {d.name: described(d.partitions_def) for d in partitions.partitions_defs}
    if isinstance(partitions, dg.TimeWindowPartitionsDefinition):
        return {
            "cron": partitions.cron_schedule,
            "start": partitions.start.date().isoformat(),
            "end_offset": partitions.end_offset,
        }
    if isinstance(partitions, dg.DynamicPartitionsDefinition):
        return {"dynamic": partitions.name}
    return sorted(partitions.get_partition_keys())


def present() -> dict[str, Any]:
    """The graph as it is."""
    graph = definitions().resolve_asset_graph()
    return {
        key.to_user_string(): {
            "group": graph.get(key).group_name,
            "deps": sorted(parent.to_user_string() for parent in graph.get(key).parent_keys),
            "partitions": described(graph.get(key).partitions_def),
            "pools": sorted(graph.get(key).pools),
            "checks": sorted(check.name for check in graph.get_check_keys_for_assets({key})),
        }
        for key in sorted(graph.get_all_asset_keys())
    }


def test_the_code_location_loads_with_all_jobs_of_sensors_and_schedules() -> None:
    dg.Definitions.validate_loadable(definitions())


def test_the_graph_is_the_one_in_the_snapshot() -> None:
    expected, found = json.loads(SNAPSHOT.read_text()), present()
    differing = [name for name in sorted({*expected, *found}) if expected.get(name) != found.get(name)]
    assert not differing, (
        f"the asset graph changed at {differing}. If that is meant, run"
        " `python tests/assets/test_graph.py` and commit graph.json with the change."
        + "".join(f"\n{n}:\n  was {expected.get(n)}\n  is  {found.get(n)}" for n in differing)
    )


def nodes() -> list[Any]:
    graph = definitions().resolve_asset_graph()
    return [graph.get(key) for key in sorted(graph.get_all_asset_keys())]


@pytest.mark.parametrize("node", nodes(), ids=lambda node: node.key.to_user_string())
def test_every_asset_says_what_it_is(node: Any) -> None:
    assert node.description
    assert node.owners == ["team:quant-platform"]
    assert node.kinds
    assert node.group_name not in (None, "default")
    assert node.code_version
    if "html" not in node.kinds:  # a page has no columns
        schema = node.metadata["dagster/column_schema"]
        assert schema.columns
        assert all(column.description for column in schema.columns)
    references = node.metadata["dagster/code_references"].code_references
    for reference in references:
        lines = Path(reference.file_path).read_text().splitlines()
        assert Path(reference.file_path).is_relative_to(ROOT)
        assert 1 <= (reference.line_number or 1) <= len(lines)


def test_a_range_of_partitions_is_one_run() -> None:
    # `dagster asset materialize --partition-range`, which the README shows, refuses any other asset.
    partitioned = [node for node in nodes() if node.partitions_def is not None]
    several = [node.key.to_user_string() for node in partitioned if node.backfill_policy != RANGES]
    assert len(partitioned) > 10
    assert several == []


def test_a_mart_leads_to_its_sql_and_a_strategy_to_its_yaml() -> None:
    for node in nodes():
        files = [
            Path(reference.file_path)
            for reference in node.metadata["dagster/code_references"].code_references
        ]
        if node.group_name == "marts":
            assert f"{node.key.to_user_string()}.sql" in [file.name for file in files]
        if "spec" in node.metadata:
            assert ROOT / "lim_pipelines/defs" / node.group_name / "defs.yaml" in files


def test_every_sensor_schedule_and_check_says_what_it_is() -> None:
    repository = definitions().get_repository_def()
    for automation in (*repository.sensor_defs, *repository.schedule_defs):
        assert automation.description, automation.name
    graph = definitions().resolve_asset_graph()
    assert {sensor.name for sensor in repository.sensor_defs} == {
        "alerts_sensor",
        "backfill_sensor",
        "champion_sensor",
        "inputs_sensor",
        "landing_sensor",
        "redo_sensor",
        "releases_sensor",
        "results_sensor",
        "retraining_sensor",
        "sentinel",
    }
    assert {schedule.name for schedule in repository.schedule_defs} == {
        *(schedule.name for schedule in closes.SCHEDULES),
        "daily_alternative",
        "daily_reference",
        "daily_retraining_plan",
        "hourly_freshness",
        "trailing_backfill",
        "weekly_look_ahead_audit",
        "weekly_maintenance",
        "weekly_validation",
    }
    for key in graph.asset_check_keys:
        if graph.get(key.asset_key).group_name != "marts":
            assert graph.get_check_spec(key).description, key


@pytest.mark.slow
def test_the_committed_manifest_is_that_of_the_marts() -> None:
    sys.path.insert(0, str(ROOT))
    from scripts.dbt_manifest import PROJECT, compiled, slim

    def ordered(value: Any) -> Any:
        """The same without the order of lists: dbt lists a model's sources in another order each time."""
        if isinstance(value, dict):
            return {key: ordered(item) for key, item in value.items()}
        return sorted(map(ordered, value), key=repr) if isinstance(value, (list, tuple)) else value

    committed = json.loads((PROJECT / "manifest.json").read_text())
    assert ordered(slim(compiled())) == ordered(committed), "run `make manifest` and commit the result"


GOOD_YAML = (ROOT / "lim_pipelines/defs/wti_transfer/defs.yaml").read_text()


def load(folder: Path, yaml: str, name: str = "wti_transfer") -> dg.Definitions:
    """What Dagster's own component loader makes of a strategy folder in a project of its own."""
    strategy = folder / "pocket" / "defs" / name
    strategy.mkdir(parents=True)
    (folder / "pocket" / "__init__.py").touch()
    (folder / "pocket" / "defs" / "__init__.py").touch()
    (strategy / "defs.yaml").write_text(yaml)
    (folder / "pyproject.toml").write_text(
        '[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "pocket"\n'
    )
    tree = dg.ComponentTree.for_project(folder)
    return tree.build_defs_at_path(tree.defs_module_path)


def causes(error: BaseException | None) -> str:
    """Messages of an error and of all that caused it."""
    return "" if error is None else f"{error}\n{causes(error.__cause__ or error.__context__)}"


@pytest.fixture
def pocket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name == "pocket" or name.startswith("pocket.")]:
        del sys.modules[name]


@pytest.mark.parametrize("example", examples())
def test_an_example_that_is_taken_becomes_its_assets_with_their_audits(pocket: Path, example: str) -> None:
    made = load(pocket, template("mine", example), "mine")
    assets = [one for one in made.assets or () if isinstance(one, dg.AssetsDefinition)]
    names = {f"mine_{asset}" for asset in ("model", "targets", "backtest")}
    assert {key.to_user_string() for one in assets for key in one.keys} == names | {"mine_robustness"}
    checked = [key.asset_key for one in made.asset_checks or () for key in one.check_keys]
    # What is tested afterwards decides nothing: there is nothing to look ahead.
    assert {key.to_user_string() for key in checked} == names


def test_an_unknown_key_is_refused_with_file_and_line(pocket: Path) -> None:
    wrong = GOOD_YAML.replace("  horizon: 5", "  horizont: 5")
    line = wrong.splitlines().index("  horizont: 5") + 1
    with pytest.raises(Exception, match="wti_transfer") as refused:
        load(pocket, wrong)
    said = causes(refused.value)
    assert f"defs.yaml:{line}" in said
    assert "horizont" in said


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    SNAPSHOT.write_text(json.dumps(present(), indent=1) + "\n")
    print(f"wrote {SNAPSHOT.relative_to(ROOT)}")
