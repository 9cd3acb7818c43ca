"""SQL marts over the lake: dbt models as assets, dbt tests as asset checks.

What does not belong here: SQL (`dbt_project/models`). The assets are made from the slim manifest in
`dbt_project/manifest.json` (`make manifest`), because importing dagster_dbt takes longer than the rest of
the code location; it is loaded when the marts run.
"""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

from assets.catalogue import OWNERS
from lim_pipelines.schemas import TABLES
from resources.home import Home
from resources.warehouse import Warehouse

PROJECT = Path(__file__).resolve().parent.parent / "dbt_project"
MANIFEST: dict[str, Any] = json.loads((PROJECT / "manifest.json").read_text())


def _upstream(unique_id: str) -> list[dg.AssetKey]:
    """Python assets behind a model: its sources, each named in `sources.yml` under meta.dagster.asset_key."""
    nodes = [*MANIFEST["nodes"][unique_id]["depends_on"]["nodes"]]
    keys = []
    for node in nodes:
        if node in MANIFEST["sources"]:
            keys.append(dg.AssetKey(MANIFEST["sources"][node]["meta"]["dagster"]["asset_key"]))
            if keys[-1] == dg.AssetKey("validated_bars"):
                keys.append(dg.AssetKey("archive"))  # writes the same table
        else:
            keys.append(dg.AssetKey(MANIFEST["nodes"][node]["name"]))
    return sorted(set(keys))


def _column_lineage(unique_id: str, columns: list[str]) -> dg.TableColumnLineage:
    """Columns that keep their name from a source keep their lineage."""
    sources = [
        MANIFEST["sources"][n]
        for n in MANIFEST["nodes"][unique_id]["depends_on"]["nodes"]
        if n in MANIFEST["sources"]
    ]
    origins: dict[str, list[dg.TableColumnDep]] = {}
    for column in columns:
        keys = {
            tuple(s["meta"]["dagster"]["asset_key"])
            for s in sources
            if s["name"] in TABLES and column in TABLES[s["name"]].columns
        }
        origins[column] = [dg.TableColumnDep(dg.AssetKey(key), column) for key in sorted(keys)]
    return dg.TableColumnLineage(origins)


def _spec(unique_id: str, node: dict[str, Any]) -> dg.AssetSpec:
    columns = node["columns"]
    return dg.AssetSpec(
        key=node["name"],
        deps=_upstream(unique_id),
        description=node["description"],
        group_name="marts",
        owners=OWNERS,
        kinds={"dbt", "duckdb"},
        code_version=node["checksum"]["checksum"][:12],
        metadata={
            "dagster/column_schema": dg.TableSchema(
                [dg.TableColumn(name, description=column["description"]) for name, column in columns.items()]
            ),
            "dagster/column_lineage": _column_lineage(unique_id, list(columns)),
            "dagster/table_name": f"marts.{node['name']}",
            "dagster/code_references": dg.CodeReferencesMetadataValue(
                code_references=[
                    dg.LocalFileCodeReference(file_path=str(PROJECT / node["original_file_path"]))
                ]
            ),
        },
    )


_MODELS = {
    unique_id: node for unique_id, node in MANIFEST["nodes"].items() if node["resource_type"] == "model"
}
_TESTS = {unique_id: node for unique_id, node in MANIFEST["nodes"].items() if node["resource_type"] == "test"}


def _tested_model(node: dict[str, Any]) -> str:
    return str(next(_MODELS[n]["name"] for n in node["depends_on"]["nodes"] if n in _MODELS))


@dg.multi_asset(
    name="marts",
    specs=[_spec(unique_id, node) for unique_id, node in _MODELS.items()],
    check_specs=[dg.AssetCheckSpec(node["name"], asset=_tested_model(node)) for node in _TESTS.values()],
    # A DuckDB file admits one process at a time.
    pool="warehouse",
)
def marts(
    context: dg.AssetExecutionContext, home: Home, warehouse: Warehouse
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """Build and test all dbt models."""
    from dagster_dbt import DbtCliResource

    warehouse.expose_lake()
    dbt = DbtCliResource(
        project_dir=str(PROJECT),
        profiles_dir=str(PROJECT),
        dbt_executable=shutil.which("dbt", path=str(Path(sys.executable).parent)) or "dbt",
    )
    work = home.path / "dbt"
    invocation = dbt.cli(
        ["build", "--vars", json.dumps({"warehouse": str(warehouse.path)}), "--log-path", str(work / "logs")],
        manifest=MANIFEST,
        target_path=work / "target",
        raise_on_error=False,
    )
    del context
    yield from _results(invocation, warehouse)
    invocation.wait()
    if (error := invocation.get_error()) is not None:
        raise error


def _results(
    invocation: Any, warehouse: Warehouse
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """Dagster's events for dbt's, with row counts."""
    built: list[dg.AssetMaterialization] = []
    checks: list[dg.AssetCheckEvaluation] = []
    for event in invocation.stream():
        (built if isinstance(event, dg.AssetMaterialization) else checks).append(event)
    with warehouse.connect() as connection:
        for event in built:
            table = event.asset_key.path[-1]
            rows = connection.execute(f"SELECT count(*) FROM marts.{table}").fetchone()
            yield dg.MaterializeResult(
                asset_key=event.asset_key,
                metadata={**event.metadata, "dagster/row_count": rows[0] if rows else 0},
            )
    for check in checks:
        yield dg.AssetCheckResult(
            passed=check.passed,
            asset_key=check.asset_key,
            check_name=check.check_name,
            severity=check.severity,
            metadata=check.metadata,
        )
