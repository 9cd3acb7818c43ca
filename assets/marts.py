"""SQL marts over the lake: dbt models as assets, dbt tests as asset checks.

What does not belong here: SQL (`dbt_project/models`). The assets are made from the slim manifest in
`dbt_project/manifest.json` (`make manifest`), because importing dagster_dbt takes longer than the rest of
the code location; it is loaded when the marts run. Why the marts have no partitions: docs/marts.md.
"""

import hashlib
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


def _asset_key(unique_id: str) -> dg.AssetKey | None:
    """Asset behind a model or a source (`sources.yml` names it under meta.dagster.asset_key), if any."""
    if unique_id not in MANIFEST["sources"]:
        return dg.AssetKey(MANIFEST["nodes"][unique_id]["name"])
    meta = MANIFEST["sources"][unique_id]["meta"]
    return dg.AssetKey(meta["dagster"]["asset_key"]) if meta else None


def _upstream(unique_id: str) -> list[dg.AssetKey]:
    """Assets behind a model."""
    keys = {key for node in MANIFEST["nodes"][unique_id]["depends_on"]["nodes"] if (key := _asset_key(node))}
    if keys & {dg.AssetKey("validated_bars"), dg.AssetKey("resampled_bars")}:
        keys.add(dg.AssetKey("archive"))  # writes the same tables
    return sorted(keys)


def _column_lineage(model: str) -> dg.TableColumnLineage:
    """Where a model's columns come from, as `scripts/dbt_manifest.py` found in the compiled SQL."""
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(key, name) for node, name in origins if (key := _shown(node, name))]
            for column, origins in MANIFEST["column_lineage"][model].items()
        }
    )


def _shown(unique_id: str, column: str) -> dg.AssetKey | None:
    """Asset that shows a column in the catalogue; side tables of an asset and hidden columns have none."""
    key, source = _asset_key(unique_id), MANIFEST["sources"].get(unique_id)
    if key is None or source is None:
        return key
    side = source["name"] in TABLES and source["name"] != key.path[-1]
    return None if side or column not in TABLES[key.path[-1]].columns else key


def _spec(unique_id: str, node: dict[str, Any]) -> dg.AssetSpec:
    columns = node["columns"]
    return dg.AssetSpec(
        key=node["name"],
        deps=_upstream(unique_id),
        description=node["description"],
        group_name="marts",
        owners=OWNERS,
        kinds={"dbt", "duckdb"},
        code_version=MANIFEST["code_versions"][node["name"]],
        metadata={
            "dagster/column_schema": dg.TableSchema(
                [dg.TableColumn(name, description=column["description"]) for name, column in columns.items()]
            ),
            "dagster/column_lineage": _column_lineage(node["name"]),
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
    return str(_MODELS[node["attached_node"]]["name"])


CODE = hashlib.sha256(json.dumps(MANIFEST["code_versions"], sort_keys=True).encode()).hexdigest()
"""Of all models together: rows that other SQL made are made again."""


NAMES = tuple(sorted(node["name"] for node in _MODELS.values()))
"""Of all marts; they are built together."""


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
    """Build and test all dbt models: of the sessions whose inputs changed since they were last built."""
    from dagster_dbt import DbtCliResource

    build = warehouse.prepare(CODE)
    context.log.info("sessions to build: %d", build.sessions)
    dbt = DbtCliResource(
        project_dir=str(PROJECT),
        profiles_dir=str(PROJECT),
        dbt_executable=shutil.which("dbt", path=str(Path(sys.executable).parent)) or "dbt",
    )
    work = home.path / "dbt"
    given = json.dumps({"warehouse": str(warehouse.path)})
    arguments = ["build", "--vars", given, "--log-path", str(work / "logs")]
    invocation = dbt.cli(
        [*arguments, *(["--full-refresh"] if build.full else [])],
        manifest=MANIFEST,
        target_path=work / "target",
        raise_on_error=False,
    )
    yield from _results(invocation, warehouse, {"sessions_built": build.sessions, "full_build": build.full})
    invocation.wait()
    if (error := invocation.get_error()) is not None:
        raise error
    warehouse.built(build)


def _results(
    invocation: Any, warehouse: Warehouse, metadata: dict[str, Any]
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
                metadata={**event.metadata, **metadata, "dagster/row_count": rows[0] if rows else 0},
            )
    for check in checks:
        yield dg.AssetCheckResult(
            passed=check.passed,
            asset_key=check.asset_key,
            check_name=check.check_name,
            severity=check.severity,
            metadata=check.metadata,
        )
