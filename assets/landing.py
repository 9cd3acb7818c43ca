"""The landing folder's ledger: every file dropped, by content, and what became of it.

What does not belong here: reading the files (`lim_pipelines/landing/`), noticing new ones (`arrivals.py`).
"""

from typing import Any

import dagster as dg
import polars as pl

from assets.catalogue import table_asset, table_metadata
from assets.retries import INPUT_OUTPUT
from lim_pipelines.lake import fingerprint
from lim_pipelines.landing.register import register
from lim_pipelines.landing.survey import PRESENT
from lim_pipelines.schemas import LANDING_FILES
from resources.home import Home


@table_asset(LANDING_FILES, "landing", retry_policy=INPUT_OUTPUT)
def landing_files(context: dg.AssetExecutionContext, home: Home) -> dg.MaterializeResult[Any]:
    """Every file seen in the landing folder, by content, and what became of it."""
    lake = home.lake()
    done = register(lake, home.landing)
    ledger = lake.revisions(LANDING_FILES).collect().sort(LANDING_FILES.row_key)
    present = ledger.filter(pl.col("state") == PRESENT)
    refused = present.filter(pl.col("rule") != "")
    for path, rule, reason in refused.select("path", "rule", "reason").head(100).iter_rows():
        context.log.warning("refused %s: %s: %s", path, rule, reason)
    by_exchange = present.group_by("source", "exchange").agg(
        files=pl.col("path").n_unique(),
        rows=pl.col("rows").sum(),
        rows_rejected=pl.col("rows_rejected").sum(),
        first_date=pl.col("first_date").min(),
        last_date=pl.col("last_date").max(),
    )
    return dg.MaterializeResult(
        data_version=dg.DataVersion(fingerprint(ledger)),
        metadata={
            "dagster/row_count": ledger.height,
            "dagster/uri": lake.uri(LANDING_FILES),
            "files": present["path"].n_unique(),
            "files_read": done.read,
            "files_touched": done.touched,
            "files_gone": done.gone,
            "files_left_alone": done.left,
            "refused": refused.height,
            "refused_files": table_metadata(refused.select("path", "rule", "reason")),
            "by_exchange": table_metadata(by_exchange.sort("source", "exchange"), rows=60),
            "lake_version": done.version,
        },
    )
