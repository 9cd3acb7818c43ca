"""Housekeeping of the lake: many small files become few, files that no recent version needs go.

What does not belong here: facts. Nothing here changes what any read gives.
"""

from datetime import timedelta
from typing import Any

import dagster as dg

from assets.catalogue import OWNERS, table_metadata
from lim_pipelines.lake import maintain
from resources.home import Home

KEEP_DAYS = 30
"""How long old versions stay readable. A checkpoint that is older than that and is asked what has changed
since counts every partition committed since, which is more than needed and never less."""


@dg.asset(group_name="lake", owners=OWNERS, kinds={"deltalake"})
def lake_maintenance(home: Home) -> dg.MaterializeResult[Any]:
    """Compaction and retention of every table; all revisions of all facts stay."""
    done = maintain(home.lake(), timedelta(days=KEEP_DAYS))
    return dg.MaterializeResult(
        metadata={
            "tables": table_metadata(done, rows=done.height),
            "files_removed": int(done["files_removed"].sum()),
            "bytes": int(done["bytes"].sum()),
        }
    )


weekly_maintenance = dg.ScheduleDefinition(
    name="weekly_maintenance",
    cron_schedule="0 6 * * 6",
    target=dg.AssetSelection.assets(lake_maintenance),
    description="Compacts the lake on Saturday, when exchanges with weekends are closed.",
)
