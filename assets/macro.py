"""Macro series, the alternative source: raw, aligned, validated, each with its publication time.

What does not belong here: the steps themselves (`lim_pipelines/ingest.py`). Series are few and short, so
these assets have no partitions; joins are as of `known_at`.
"""

from typing import Any

import dagster as dg

from assets.catalogue import held_back, table_asset, table_metadata, warned, written
from assets.retries import INPUT_OUTPUT
from lim_pipelines import ingest
from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.schemas import ALIGNED_MACRO, RAW_MACRO, VALIDATED_MACRO, Table
from resources.home import Home

GROUP = "alternative_data"


def _written(lake: Lake, table: Table, step: ingest.Step) -> dg.MaterializeResult[Any]:
    rows = lake.read(table, as_of=LATEST).collect()
    newest = rows.sort("ts").group_by("series_id", maintain_order=True).last()
    return written(
        lake,
        table,
        step.commit,
        rows.select("series_id").unique(),
        {
            **held_back(step.rows_in, step.quarantined.group_by("source", "rule").len("rows")),
            **(warned(step.warnings) if step.warnings else {}),
            "newest_values": table_metadata(newest.select("series_id", "ts", "value", "unit", "known_at")),
        },
    )


@table_asset(RAW_MACRO, GROUP, retry_policy=INPUT_OUTPUT)
def raw_macro(home: Home) -> dg.MaterializeResult[Any]:
    """Macro series as the vendor ships them, with publication times."""
    lake = home.lake()
    return _written(lake, RAW_MACRO, ingest.load_raw_macro(lake, home.landing))


@table_asset(ALIGNED_MACRO, GROUP, deps=[raw_macro], retry_policy=INPUT_OUTPUT)
def aligned_macro(home: Home) -> dg.MaterializeResult[Any]:
    """Macro series on period ends in UTC."""
    lake = home.lake()
    return _written(lake, ALIGNED_MACRO, ingest.align_macro_series(lake))


@table_asset(VALIDATED_MACRO, GROUP, deps=[aligned_macro], retry_policy=INPUT_OUTPUT)
def validated_macro(home: Home) -> dg.MaterializeResult[Any]:
    """Macro series that pass every blocking rule."""
    lake = home.lake()
    return _written(lake, VALIDATED_MACRO, ingest.validate_macro_series(lake))


ASSETS = [raw_macro, aligned_macro, validated_macro]
