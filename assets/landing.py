"""The landing folder's ledger: every file dropped, by content, and what became of it.

What does not belong here: parsing (`lim_pipelines/sources/csv_drop.py`), noticing new files
(`automation.py`).
"""

from typing import Any

import dagster as dg
import polars as pl

from assets.catalogue import table_asset, table_metadata, written
from lim_pipelines import ingest
from lim_pipelines.lake import LATEST
from lim_pipelines.schemas import LANDING_FILES
from resources.home import Home


@table_asset(LANDING_FILES, "landing")
def landing_files(home: Home) -> dg.MaterializeResult[Any]:
    """Every file seen in the landing folder, by content, and what became of it."""
    lake = home.lake()
    step = ingest.register_landing_files(lake, home.landing)
    ledger = lake.read(LANDING_FILES, as_of=LATEST).collect()
    refused = ledger.filter(pl.col("rule") != "")
    return written(
        lake,
        LANDING_FILES,
        step.commit,
        ledger.select(LANDING_FILES.partition_key),
        {"files": ledger.height, "refused": refused.height, "refused_files": table_metadata(refused)},
    )
