"""Model inputs: what strategies read beside quotes, joined as of each session's decision.

What does not belong here: what the inputs are (`lim_pipelines/inputs`).
"""

from datetime import date, timedelta
from typing import Any

import dagster as dg
import polars as pl

from assets.catalogue import table_asset, table_metadata
from assets.partitions import FIRST_SESSION, exchange_date_scope, exchange_dates, exchanges, whole
from assets.quotes import archive, validated_bars
from assets.retries import INPUT_OUTPUT
from lim_pipelines.exchanges import FIRST_CALENDAR_YEAR
from lim_pipelines.inputs.build import Built, build_inputs
from lim_pipelines.lake import Lake, scope_of
from lim_pipelines.schemas import MODEL_INPUTS
from resources.home import Home

GROUP = "model_inputs"
FACTS = [
    dg.AssetDep("validated_macro"),
    *(dg.AssetDep(f"validated_{shape}") for shape in ("facts", "events", "texts")),
    dg.AssetDep("entity_links"),
    dg.AssetDep("text_embeddings"),
    *whole("graph_embeddings"),
]
"""What the blocks read beside bars."""


def only_macro(coverage: pl.DataFrame) -> dict[str, Any]:
    """Warn of exchanges none of whose instruments has a value beside macro series.

    Parameters
    ----------
    coverage
        As of `Built`.
    """
    beside = pl.col("with_value").filter(pl.col("block") != "macro").sum()
    found = coverage.group_by("exchange").agg(pl.col("decisions").max(), beside=beside)
    bare = found.filter(pl.col("decisions") > 0, pl.col("beside") == 0)["exchange"].sort()
    if bare.is_empty():
        return {}
    text = (
        f"No block but macro has a value for {', '.join(bare)}. That is right where no file tells of"
        " companies, as with futures. If alternative data was loaded after these inputs, switch"
        " `inputs_sensor` on, or materialize `archive_inputs` and `model_inputs` again."
    )
    return {"warning": dg.MetadataValue.md(text)}


def _result(lake: Lake, built: Built, scope: pl.DataFrame) -> dg.MaterializeResult[Any]:
    share = (100 * pl.col("with_value") / pl.col("decisions")).round(1).alias("% with a value")
    age = ((pl.col("decided") - pl.col("newest")).dt.total_minutes() / 1440).round(2).alias("age in days")
    return dg.MaterializeResult(
        data_version=dg.DataVersion(built.version),
        metadata={
            "dagster/row_count": built.rows,
            "dagster/uri": lake.uri(MODEL_INPUTS),
            "partitions_written": scope.height,
            "partitions_changed": built.changed,
            "lake_version": lake.version(MODEL_INPUTS),
            **only_macro(built.coverage),
            "coverage": table_metadata(
                built.coverage.select("exchange", "block", "decisions", share, "newest", age), rows=60
            ),
        },
    )


@table_asset(
    MODEL_INPUTS,
    GROUP,
    partitions_def=exchange_dates,
    deps=[dg.AssetDep(validated_bars), *FACTS],
    retry_policy=INPUT_OUTPUT,
)
def model_inputs(context: dg.AssetExecutionContext, home: Home) -> dg.MaterializeResult[Any]:
    """Model inputs of each instrument and session, as they were known when the decision could be taken."""
    scope, lake = exchange_date_scope(context), home.lake()
    built = build_inputs(lake, home.vectors, scope, lambda mic, day: context.log.info("%s: to %s", mic, day))
    return _result(lake, built, scope)


@table_asset(
    MODEL_INPUTS,
    GROUP,
    partitions_def=exchanges,
    retry_policy=INPUT_OUTPUT,
    deps=[dg.AssetDep(archive), *FACTS],
    description=f"Model inputs of the sessions before {FIRST_SESSION}, into the same table.",
)
def archive_inputs(context: dg.AssetExecutionContext, home: Home) -> dg.MaterializeResult[Any]:
    """History before the first daily partition: its model inputs."""
    lake = home.lake()
    days = pl.date_range(date(FIRST_CALENDAR_YEAR, 1, 1), FIRST_SESSION - timedelta(days=1), eager=True)
    scope = scope_of({"exchange": list(context.partition_keys), "date": days.to_list()})
    built = build_inputs(lake, home.vectors, scope, lambda mic, day: context.log.info("%s: to %s", mic, day))
    return _result(lake, built, scope)


ASSETS = [archive_inputs, model_inputs]
