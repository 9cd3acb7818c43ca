"""Freshness of quotes: an hourly look at which exchange owes a session, by its own close.

What does not belong here: when a session is due (`lim_pipelines/freshness.py`), who is told (`sentinel.py`).

Why not Dagster's `FreshnessPolicy`: it knows when an asset was materialised last, and a partition of
`validated_bars` materialises also when no file has come; nor does it know an exchange's holidays.
"""

from typing import Any

import dagster as dg

from assets.catalogue import CODE_VERSION, OWNERS, table_metadata
from assets.partitions import exchanges
from lim_pipelines import clock
from lim_pipelines.freshness import freshness, words
from resources.home import Home

CHECK = "no_session_overdue"

_COLUMNS = {
    "exchange": "market identifier",
    "newest": "newest session with validated bars",
    "due": "newest session that should be there",
    "missing": "sessions from the one to the other",
    "due_since": "moment (UTC) from which the first of them is",
    "overdue": "whether any is missing",
}


@dg.asset(
    name="freshness",
    group_name="automation",
    owners=OWNERS,
    kinds={"polars"},
    code_version=CODE_VERSION,
    # No dependency: it is about what has not come, and must not wait for it.
    check_specs=[
        dg.AssetCheckSpec(
            CHECK,
            asset="freshness",
            description="Whether every exchange in use has the sessions that have closed, holidays and half"
            " days by its calendar; simulated exchanges owe nobody anything.",
        )
    ],
    metadata={
        "dagster/column_schema": dg.TableSchema(
            columns=[dg.TableColumn(name, description=text) for name, text in _COLUMNS.items()]
        )
    },
)
# Of an asset with checks dagster knows only the bare name of its result.
def freshness_of_quotes(context: dg.AssetExecutionContext, home: Home) -> dg.MaterializeResult:  # type: ignore[type-arg]  # beside checks Dagster takes the bare class only
    """Newest session of each exchange in use, and the one that is due."""
    mics = context.instance.get_dynamic_partitions(exchanges.name or "")
    found = freshness(home.lake(), mics, clock.now())
    said = [words(row) for row in found.filter("overdue").iter_rows(named=True)]
    shown: dict[str, Any] = {
        "exchanges": found.height,
        "overdue": len(said),
        "sessions": table_metadata(found.with_columns(found["due_since"].dt.to_string()), rows=60),
    }
    return dg.MaterializeResult(
        metadata=shown,
        check_results=[
            dg.AssetCheckResult(
                check_name=CHECK,
                passed=not said,
                severity=dg.AssetCheckSeverity.WARN,
                description="; ".join(said) or f"{found.height} exchanges have what is due",
            )
        ],
    )


# Late enough that what closed on the hour and came in time is loaded.
hourly_freshness = dg.ScheduleDefinition(
    name="hourly_freshness",
    cron_schedule="10 * * * *",
    target=dg.AssetSelection.assets(freshness_of_quotes),
    description="Looks once an hour which exchange owes a session that has closed.",
)

ASSETS = [freshness_of_quotes]
SCHEDULES = [hourly_freshness]
