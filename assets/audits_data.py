"""Asset checks `no_look_ahead` on tables of data, and the long audit of everything.

A check makes a few rows of its run again as of a few moments; `look_ahead_audit` makes many, and trains
again. What does not belong here: the audits (`lim_pipelines/audit`), checks of models (`audits_models.py`).
"""

from collections.abc import Sequence

import dagster as dg
import polars as pl

from assets.audits_models import NAME, cutoffs_of, result, shown
from assets.catalogue import CODE_VERSION, OWNERS, column_schema, table_metadata
from assets.gate_checks import run_window
from assets.partitions import BARS, INPUTS, whole
from lim_pipelines.audit import verdict
from lim_pipelines.audit.data import ARCHIVES, ASSETS, audit_asset, audit_data, strength
from lim_pipelines.audit.inputs import VECTORS, audit_vectors
from lim_pipelines.audit.models import audit_models
from lim_pipelines.foundation.config import FOUNDATIONS
from lim_pipelines.schemas import AUDIT_RESULTS
from lim_pipelines.strategies.spec import StrategySpec
from resources.home import Home

SECONDS = 1800.0
"""Time for each half of the long audit: after it no further audit is begun."""

DATED = ("aligned_bars", "validated_bars", "resampled_bars", "model_inputs")
"""Assets with a partition a session."""

WHAT = (
    "Some of the rows that the run made are made again from what was known at some moments in the past, as if"
    " nothing had happened since: they must come out the same to the bit. No row counts as known before its"
    " session, its filing or its file could be known. If it fails, nothing that is made of it runs. How it"
    " works: docs/look-ahead.md."
)


def build_check(asset: str) -> dg.AssetChecksDefinition:
    """Make the check of one asset."""

    @dg.asset_check(asset=asset, name=NAME, blocking=True, description=WHAT)
    def check(context: dg.AssetCheckExecutionContext, home: Home) -> dg.AssetCheckResult:
        where = None
        if asset in DATED:
            where = run_window(context)
        elif asset in ARCHIVES:
            where = _exchange_of(context)
        lake = home.lake()
        return result(lake, audit_asset(lake, home.vectors, asset, where, *strength(asset)))

    return check


def build_vector_check(asset: str) -> dg.AssetChecksDefinition:
    """Make the check of one asset of vectors."""

    @dg.asset_check(
        asset=asset,
        name=NAME,
        blocking=True,
        description="No vector of a text counts as known before the text; nodes of a cutoff were learnt from"
        " the graph known at it. If it fails, nothing that is made of it runs. How it works:"
        " docs/look-ahead.md.",
    )
    def check(context: dg.AssetCheckExecutionContext, home: Home) -> dg.AssetCheckResult:
        lake, newest = home.lake(), cutoffs_of(context) if asset == "graph_embeddings" else []
        return result(lake, audit_vectors(lake, home.vectors, asset, newest))

    return check


def _exchange_of(context: dg.AssetCheckExecutionContext) -> pl.Expr | None:
    """Partitions of an archive's run; everything if it was started by hand."""
    tags = context.run.tags
    mic = tags.get("dagster/partition") or tags.get("dagster/asset_partition_range_start")
    return None if mic is None else pl.col("exchange") == mic


def build_look_ahead_audit(specs: Sequence[StrategySpec]) -> dg.AssetsDefinition:
    """Make the asset of the long audit."""
    made = [name for spec in specs for name in (f"{spec.name}_targets", f"{spec.name}_backtest")]

    @dg.asset(
        group_name="validation",
        kinds={"polars", "pytorch"},
        owners=OWNERS,
        code_version=CODE_VERSION,
        deps=[*BARS, *INPUTS, *whole(*made)],
        pool="training",
        metadata={"dagster/column_schema": column_schema(AUDIT_RESULTS)},
        check_specs=[
            dg.AssetCheckSpec(
                NAME,
                asset="look_ahead_audit",
                blocking=True,
                description="No audit of everything found anything of the future. How it works:"
                " docs/look-ahead.md.",
            )
        ],
    )
    # Of an asset with checks dagster knows only the bare name of its result.
    def look_ahead_audit(home: Home) -> dg.MaterializeResult:  # type: ignore[type-arg]  # beside checks Dagster takes the bare class only
        """Everything again on truncated history: data, models trained anew, decisions, backtests."""
        lake = home.lake()
        data = audit_data(lake, home.vectors, SECONDS)
        models = audit_models(lake, home.models, list(FOUNDATIONS.values()), specs, SECONDS)
        verdicts = [*data.verdicts, *models.verdicts]
        verdict.record(lake, verdicts, whole=True)
        found = verdict.rows(verdicts).sort("passed", "asset", "partition", "moment")
        failed = found.filter(~pl.col("passed"))
        by_asset = found.group_by("asset", "audit").agg(
            audits=pl.len(), compared=pl.col("compared").sum(), failed=(~pl.col("passed")).sum()
        )
        return dg.MaterializeResult(
            metadata={
                "dagster/uri": lake.uri(AUDIT_RESULTS),
                "dagster/row_count": found.height,
                "failed": failed.height,
                "findings": table_metadata(failed),
                "by_asset": table_metadata(by_asset.sort("asset", "audit"), rows=200),
                "no_time_for": ", ".join([*data.left, *models.left]) or "nothing was left out",
            },
            check_results=[shown(verdicts)],
        )

    return look_ahead_audit


CHECKS = [*(build_check(asset) for asset in ASSETS), *(build_vector_check(asset) for asset in VECTORS)]

weekly_look_ahead_audit = dg.ScheduleDefinition(
    name="weekly_look_ahead_audit",
    cron_schedule="0 7 * * 6",
    target=dg.AssetSelection.assets("look_ahead_audit"),
    description="Audits everything on Saturday, when exchanges with weekends are closed.",
)
