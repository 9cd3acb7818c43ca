"""Alternative data: files to raw tables, then each shape aligned to entities and validated.

What does not belong here: the steps themselves (`lim_pipelines/alternative/`), macro series (`macro.py`), who
is who (`entities.py`). None of it has partitions: tables grow by source, and joins are as of `known_at`.
"""

from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import polars as pl

from assets.catalogue import held_back, table_asset, table_attributes, table_metadata, warned
from assets.retries import INPUT_OUTPUT
from lim_pipelines import clock
from lim_pipelines.alternative.load import READERS, load_raw, refused_files
from lim_pipelines.alternative.steps import SHAPES, Shape, ShapeStep, align_shape, validate_shape
from lim_pipelines.alternative.summary import by_source, content_version
from lim_pipelines.lake import Lake, fingerprint
from lim_pipelines.schemas import ALTERNATIVE_FILES, Table
from lim_pipelines.sources.alternative import RAW_TABLES
from resources.home import Home

GROUP = "alternative_data"
LINKS = "entity_links"
"""Asset of the links that alignment reads."""


def _result(lake: Lake, table: Table, metadata: dict[str, Any]) -> dg.MaterializeResult[Any]:
    """Show what a table holds by source, and what was done to it."""
    sources = by_source(lake, table, clock.now())
    return dg.MaterializeResult(
        asset_key=table.name,
        data_version=dg.DataVersion(content_version(lake, table)),
        metadata={
            "dagster/row_count": int(sources["rows"].sum()),
            "dagster/uri": lake.uri(table),
            "lake_version": lake.version(table),
            **metadata,
            "by_source": table_metadata(sources, rows=60),
        },
    )


@dg.multi_asset(
    name="load_alternative_files",
    retry_policy=INPUT_OUTPUT,
    specs=[
        dg.AssetSpec(table.name, **{**table_attributes(table, GROUP), "code_version": READERS})
        for table in (*RAW_TABLES.values(), ALTERNATIVE_FILES)
    ],
)
def raw_tables(context: dg.AssetExecutionContext, home: Home) -> Iterator[dg.MaterializeResult[Any]]:
    """Read each new or changed file of alternative data once, into the five raw tables."""
    lake = home.lake()
    done = load_raw(lake, home.landing)
    for error in done.refused:
        context.log.warning("refused: %s", error)
    for name, table in RAW_TABLES.items():
        yield _result(lake, table, {"rows_read": done.rows[name], "partitions_changed": done.changed[name]})
    files, refused = (
        lake.revisions(ALTERNATIVE_FILES).collect().sort(ALTERNATIVE_FILES.key),
        refused_files(lake),
    )
    yield dg.MaterializeResult(
        asset_key=ALTERNATIVE_FILES.name,
        data_version=dg.DataVersion(fingerprint(files)),
        metadata={
            "dagster/row_count": files.height,
            "dagster/uri": lake.uri(ALTERNATIVE_FILES),
            "files_read": done.read,
            "files_unchanged": done.unchanged,
            "rows_rejected": done.rows_rejected,
            "refused": refused.height,
            "refused_files": table_metadata(refused.select("path", "rule", "reason")),
            "by_source": table_metadata(_files_by_source(files), rows=60),
        },
    )


def _files_by_source(files: pl.DataFrame) -> pl.DataFrame:
    return (
        files.group_by("source")
        .agg(
            files=pl.len(),
            rows=pl.col("rows").sum(),
            rows_rejected=pl.col("rows_rejected").sum(),
            refused=(pl.col("rule") != "").sum(),
            first_ts=pl.col("first_ts").min(),
            last_ts=pl.col("last_ts").max(),
        )
        .sort("source")
    )


def _step(
    table: Table, deps: list[str], run: Callable[[Lake, str], ShapeStep], shape: str
) -> dg.AssetsDefinition:
    """One step of one shape."""

    @table_asset(table, GROUP, name=table.name, deps=deps, retry_policy=INPUT_OUTPUT)
    def step(home: Home) -> dg.MaterializeResult[Any]:
        lake = home.lake()
        done = run(lake, shape)
        shown = {**held_back(done.rows_in, done.quarantined), "partitions_changed": done.changed}
        return _result(lake, table, shown | (warned(done.warnings) if done.warnings else {}))

    return step


def _steps(name: str, shape: Shape) -> list[dg.AssetsDefinition]:
    return [
        _step(shape.aligned, [shape.raw.name, LINKS], align_shape, name),
        _step(shape.validated, [shape.aligned.name], validate_shape, name),
    ]


ASSETS = [raw_tables, *(asset for name, shape in SHAPES.items() for asset in _steps(name, shape))]
