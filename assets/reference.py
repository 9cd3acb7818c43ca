"""Facts about instruments beside their quotes: corporate actions, roll calendars, index members.

What does not belong here: reading vendors' files (`lim_pipelines/sources/`), what symbols mean: sources
register that with the quotes (`lim_pipelines/reference.py`). These tables are small and have no partitions.
"""

from typing import Any

import dagster as dg
import polars as pl

from assets.catalogue import table_asset, table_metadata, written
from assets.retries import INPUT_OUTPUT
from lim_pipelines.lake import LATEST
from lim_pipelines.reference import load_reference
from lim_pipelines.schemas import CORPORATE_ACTIONS, INDEX_MEMBERS, ROLLS, Table
from resources.home import Home

GROUP = "reference"


def _loaded(context: dg.AssetExecutionContext, home: Home, table: Table) -> dg.MaterializeResult[Any]:
    lake = home.lake()
    loaded = load_reference(lake, home.landing, table)
    for error in loaded.refused:
        context.log.error("refused, what the lake holds of the source stays: %s", error)
    newest = lake.read(table, as_of=LATEST).sort("known_at", descending=True).collect()
    refused = pl.DataFrame(
        {"refused": [str(error) for error in loaded.refused]}, schema={"refused": pl.String}
    )
    return written(
        lake,
        table,
        loaded.commit,
        newest.select(table.partition_key).unique(),
        {"newest": table_metadata(newest), "refused": table_metadata(refused)},
    )


@table_asset(CORPORATE_ACTIONS, GROUP, retry_policy=INPUT_OUTPUT)
def corporate_actions(context: dg.AssetExecutionContext, home: Home) -> dg.MaterializeResult[Any]:
    """Corporate actions as vendors report them; bars carry their effect as ex_factor."""
    return _loaded(context, home, CORPORATE_ACTIONS)


@table_asset(ROLLS, GROUP, retry_policy=INPUT_OUTPUT)
def futures_rolls(context: dg.AssetExecutionContext, home: Home) -> dg.MaterializeResult[Any]:
    """Roll calendars of futures: from when which contract stands for the root."""
    return _loaded(context, home, ROLLS)


@table_asset(INDEX_MEMBERS, GROUP, retry_policy=INPUT_OUTPUT)
def index_members(context: dg.AssetExecutionContext, home: Home) -> dg.MaterializeResult[Any]:
    """Members of indices over time."""
    return _loaded(context, home, INDEX_MEMBERS)


ASSETS = [corporate_actions, futures_rolls, index_members]
