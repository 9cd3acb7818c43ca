"""Bars made from validated bars: longer ones from shorter ones, continuous futures from contracts.

What does not belong here: how they are made (`lim_pipelines/derive.py`).
"""

from typing import Any

import dagster as dg
import polars as pl

from assets.catalogue import table_asset, table_metadata, written
from assets.partitions import BARS, exchange_date_scope, exchange_dates
from assets.quotes import validated_bars
from assets.reference import futures_rolls
from assets.retries import INPUT_OUTPUT
from lim_pipelines import derive
from lim_pipelines.lake import LATEST
from lim_pipelines.schemas import CONTINUOUS_FUTURES, RESAMPLED_BARS
from resources.home import Home

GROUP = "derived_bars"


@table_asset(
    RESAMPLED_BARS, GROUP, partitions_def=exchange_dates, deps=[validated_bars], retry_policy=INPUT_OUTPUT
)
def resampled_bars(context: dg.AssetExecutionContext, home: Home) -> dg.MaterializeResult[Any]:
    """Longer bars made from validated ones, where the vendors give none, by the exchange's sessions."""
    scope, lake = exchange_date_scope(context), home.lake()
    return written(lake, RESAMPLED_BARS, derive.resample_bars(lake, scope), scope)


@table_asset(CONTINUOUS_FUTURES, GROUP, deps=[*BARS, futures_rolls], retry_policy=INPUT_OUTPUT)
def continuous_futures(context: dg.AssetExecutionContext, home: Home) -> dg.MaterializeResult[Any]:
    """Futures contracts stitched at their rolls: prices as traded of the contract held."""
    lake = home.lake()
    stitched = derive.stitch_futures(lake)
    for reason in stitched.refused:
        context.log.error("not stitched, what the lake holds of the series stays: %s", reason)
    rows = lake.read(CONTINUOUS_FUTURES, as_of=LATEST).collect()
    shown = rows.group_by("instrument_id").agg(
        first=pl.col("date").min(),
        last=pl.col("date").max(),
        bars=pl.len(),
        contracts=pl.col("contract").n_unique(),
    )
    return written(
        lake,
        CONTINUOUS_FUTURES,
        stitched.commit,
        rows.select(CONTINUOUS_FUTURES.partition_key).unique(),
        {
            "series": table_metadata(shown.sort("instrument_id")),
            "refused": table_metadata(
                pl.DataFrame({"refused": stitched.refused}, schema={"refused": pl.String})
            ),
        },
    )


ASSETS = [resampled_bars, continuous_futures]
