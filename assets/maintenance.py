"""Housekeeping of the lake: many small files become few, files that no recent version needs go.

What does not belong here: facts. Nothing here changes what any read gives.
"""

from datetime import timedelta
from typing import Any

import dagster as dg

from assets.catalogue import CODE_VERSION, OWNERS, table_metadata
from lim_pipelines.foundation.store import clear
from lim_pipelines.lake import maintain
from resources.home import Home

KEEP_DAYS = 30
"""How long old versions stay readable. A checkpoint that is older than that and is asked what has changed
since counts every partition committed since, which is more than needed and never less."""


_COLUMNS = {
    "table": "name of the table",
    "version": "version afterwards",
    "rows": "rows, all revisions",
    "files_before": "files of the newest version before",
    "files_after": "files of the newest version afterwards",
    "files_removed": "old files deleted",
    "bytes": "size of the newest version",
    "seconds": "time it took",
}


@dg.asset(
    group_name="lake",
    owners=OWNERS,
    kinds={"deltalake"},
    code_version=CODE_VERSION,
    metadata={
        "dagster/column_schema": dg.TableSchema(
            columns=[dg.TableColumn(name, description=text) for name, text in _COLUMNS.items()]
        )
    },
)
def lake_maintenance(home: Home) -> dg.MaterializeResult[Any]:
    """Compaction and retention of every table: all revisions of all facts stay. Clears the window store."""
    done = maintain(home.lake(), timedelta(days=KEEP_DAYS))
    return dg.MaterializeResult(
        metadata={
            "tables": table_metadata(done, rows=done.height),
            "files_removed": int(done["files_removed"].sum()),
            "bytes": int(done["bytes"].sum()),
            "windows_freed_bytes": clear(home.windows),
        }
    )


weekly_maintenance = dg.ScheduleDefinition(
    name="weekly_maintenance",
    cron_schedule="0 6 * * 6",
    target=dg.AssetSelection.assets(lake_maintenance),
    description="Compacts the lake on Saturday, when exchanges with weekends are closed.",
)
