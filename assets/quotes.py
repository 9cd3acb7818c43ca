"""Market data: raw quotes, aligned bars, validated bars, and the bulk archive.

What does not belong here: the steps themselves (`lim_pipelines/ingest.py`).
"""

from datetime import date, timedelta
from typing import Any

import dagster as dg
import polars as pl

from assets.catalogue import held_back, table_asset, table_metadata, warned, written
from assets.partitions import FIRST_SESSION, exchange_date_scope, exchange_dates, exchanges
from assets.retries import INPUT_OUTPUT
from lim_pipelines import ingest
from lim_pipelines.bulk import import_history
from lim_pipelines.exchanges import FIRST_CALENDAR_YEAR, sessions
from lim_pipelines.schemas import ALIGNED_BARS, RAW_QUOTES, VALIDATED_BARS
from resources.home import Home

GROUP = "quotes"

MARKED = 50
"""Held partitions that say so on their own page; of a run over thousands each costs milliseconds."""


def _session_summary(scope: pl.DataFrame) -> dict[str, Any]:
    """How many of the run's partitions are sessions; the others materialise empty."""
    opened = 0
    for mic in scope["exchange"].unique():
        days = scope.filter(pl.col("exchange") == mic)["date"].to_list()
        opened += sessions(mic, min(days), max(days)).filter(pl.col("date").is_in(days)).height
    return {"sessions": opened, "closed_sessions": scope.height - opened}


def _held_back(step: ingest.Step) -> dict[str, Any]:
    by_rule = step.quarantined.group_by("exchange", "rule").len("rows").sort("exchange", "rule")
    return {
        **held_back(step.rows_in, by_rule),
        "quarantine_sample": table_metadata(
            step.quarantined.select("exchange", "date", "rule", "symbol", "file", "line", "reason"), rows=5
        ),
    }


def _not_published(step: ingest.Step) -> dict[str, Any]:
    return {
        "partitions_held": step.held.height,
        "rows_not_published": int(step.held["rows"].sum()),
        "held": table_metadata(step.held.select("exchange", "date", "rule", "rows", "reason")),
    }


def _files(step: ingest.Step) -> dict[str, Any]:
    return {
        "files_read": len(step.files),
        "files": table_metadata(
            pl.DataFrame(
                {"file": [f.path for f in step.files], "bytes": [f.bytes for f in step.files]},
                schema={"file": pl.String, "bytes": pl.Int64},
            )
        ),
    }


@table_asset(RAW_QUOTES, GROUP, partitions_def=exchange_dates, retry_policy=INPUT_OUTPUT)
def raw_quotes(context: dg.AssetExecutionContext, home: Home) -> dg.MaterializeResult[Any]:
    """Vendor quotes parsed to the canonical columns, nothing dropped silently."""
    scope, lake = exchange_date_scope(context), home.lake()
    step = ingest.load_raw_quotes(lake, home.landing, scope)
    return written(
        lake, RAW_QUOTES, step.commit, scope, {**_held_back(step), **_files(step), **_session_summary(scope)}
    )


@table_asset(ALIGNED_BARS, GROUP, partitions_def=exchange_dates, deps=[raw_quotes], retry_policy=INPUT_OUTPUT)
def aligned_bars(context: dg.AssetExecutionContext, home: Home) -> dg.MaterializeResult[Any]:
    """Bars on the exchange's session grid, under stable instrument ids, in UTC."""
    scope, lake = exchange_date_scope(context), home.lake()
    step = ingest.align_quotes(lake, scope)
    return written(lake, ALIGNED_BARS, step.commit, scope, {**_held_back(step), **_session_summary(scope)})


@table_asset(
    VALIDATED_BARS, GROUP, partitions_def=exchange_dates, deps=[aligned_bars], retry_policy=INPUT_OUTPUT
)
def validated_bars(context: dg.AssetExecutionContext, home: Home) -> dg.MaterializeResult[Any]:
    """Bars that pass every blocking rule; the others are in quarantine with the rule and the reason.

    A partition that fails a blocking rule of partitions stays as it was until a file puts it right or
    somebody releases it.
    """
    scope, lake = exchange_date_scope(context), home.lake()
    step = ingest.validate_bars(lake, scope)
    metadata = {
        **_held_back(step),
        **_not_published(step),
        **warned(step.warnings),
        **_session_summary(scope),
    }
    for exchange, day, rule, reason in step.held.head(MARKED)[
        "exchange", "date", "rule", "reason"
    ].iter_rows():
        context.add_asset_metadata(
            {"not_published": f"{rule}: {reason}"},
            partition_key=dg.MultiPartitionKey({"date": str(day), "exchange": exchange}),
        )
    return written(lake, VALIDATED_BARS, step.commit, scope, metadata)


@table_asset(
    VALIDATED_BARS,
    GROUP,
    partitions_def=exchanges,
    retry_policy=INPUT_OUTPUT,
    description=f"Bulk import of the history before {FIRST_SESSION}, through the same three steps into"
    " the same tables: raw quotes, aligned bars, validated bars.",
)
def archive(context: dg.AssetExecutionContext, home: Home) -> dg.MaterializeResult[Any]:
    """Bulk import of the history before the first daily partition."""
    lake, first, last = home.lake(), date(FIRST_CALENDAR_YEAR, 1, 1), FIRST_SESSION - timedelta(days=1)
    metadata: dict[str, Any] = {}
    versions, published = [], 0
    for mic in context.partition_keys:
        done = import_history(
            lake, home.landing, mic, first, last, lambda day, rows: context.log.info("%s: %d rows", day, rows)
        )
        published += done.published
        versions.append(done.version)
        metadata |= {
            f"{mic}/rows_in": done.rows_in,
            f"{mic}/rows_published": done.published,
            f"{mic}/held_back": table_metadata(done.held),
            f"{mic}/warnings": warned(done.warnings)["warnings"],
            f"{mic}/files_read": len(done.files),
            f"{mic}/files_refused": len(done.refused),
            f"{mic}/partitions_changed": done.changed,
        }
    return dg.MaterializeResult(
        data_version=dg.DataVersion("-".join(versions)),
        metadata={
            "dagster/row_count": published,
            "dagster/uri": lake.uri(VALIDATED_BARS),
            "lake_version": lake.version(VALIDATED_BARS),
            **metadata,
        },
    )


ASSETS = [archive, raw_quotes, aligned_bars, validated_bars]
