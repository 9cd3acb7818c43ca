"""When models are trained again: asks for what `lim_pipelines/retraining.py` says is due.

What does not belong here: why something is due (there), training (`foundation.py`, `strategies.py`).
"""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from assets import drift
from assets.partitions import FIRST_CUTOFF
from lim_pipelines import clock, retraining
from lim_pipelines.foundation.config import FOUNDATIONS, FoundationConfig
from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.schemas import DRIFT_RESULTS
from lim_pipelines.validate.drift.inputs import EVERY_CLASS
from resources.home import Home


@dg.sensor(
    minimum_interval_seconds=60,
    target=dg.AssetSelection.groups("foundation")
    | dg.AssetSelection.key_substring("_model")
    | dg.AssetSelection.key_substring("_targets"),
    description=f"Trains the next cutoff after at least {retraining.NEW_SESSIONS} new or corrected"
    " sessions, or when something drifted that it is trained on.",
)
def retraining_sensor(
    context: dg.SensorEvaluationContext, home: Home
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Ask for the newest cutoff of every family for which there is a cause."""
    failed = _failed_drift_check(context.instance)
    drifted = _drifted(home.lake()) if failed else pl.DataFrame()
    reasons = []
    for family, config in FOUNDATIONS.items():
        # What drifted elsewhere is no cause.
        cause = failed if failed and not drifted.filter(_read_by(config)).is_empty() else ""
        plan = retraining.plan(home.lake(), home.models, config, clock.now(), FIRST_CUTOFF, cause)
        if not plan.due:
            reasons.append(f"{family}: {plan.reason}")
            continue
        graph = context.repository_def.asset_graph if context.repository_def else None
        if graph is None:
            raise RuntimeError("retraining_sensor needs the code location's asset graph")
        downstream = {
            key
            for key in dg.AssetSelection.assets(family).downstream().resolve(graph)
            if key.to_user_string().endswith(("_model", "_targets"))
        }
        # All cutoffs since the last one that is trained: a month that is left out has no decisions.
        yield dg.RunRequest(
            run_key=plan.key,
            asset_selection=[dg.AssetKey("window_store"), dg.AssetKey(family), *sorted(downstream)],
            tags={
                "dagster/asset_partition_range_start": plan.first.isoformat(),
                "dagster/asset_partition_range_end": plan.cutoff.isoformat(),
                "lim/cause": plan.reason[:200],
            },
        )
    if len(reasons) == len(FOUNDATIONS):
        yield dg.SkipReason("; ".join(reasons))


DRIFT_CHECK = dg.AssetCheckKey(drift.drift_report.key, drift.CHECK)


def _drifted(lake: Lake) -> pl.DataFrame:
    """Exchanges and asset classes on which something drifted."""
    found = lake.read(DRIFT_RESULTS, as_of=LATEST, where=pl.col("drifted"))
    return found.select("exchange", "asset_class").unique().collect()


def _read_by(config: FoundationConfig) -> pl.Expr:
    """Rows of `_drifted` that concern what a family is trained on."""
    classes = [*config.asset_classes, EVERY_CLASS]
    return pl.col("exchange").is_in(config.exchanges) & pl.col("asset_class").is_in(classes)


def _failed_drift_check(instance: dg.DagsterInstance) -> str:
    """Id of the newest drift check if it failed, else nothing."""
    record = instance.event_log_storage.get_latest_asset_check_execution_by_key([DRIFT_CHECK]).get(
        DRIFT_CHECK
    )
    if record is None or record.event is None:
        return ""
    evaluation = (
        record.event.dagster_event.asset_check_evaluation_data if record.event.dagster_event else None
    )
    return "" if evaluation is None or evaluation.passed else str(record.id)
