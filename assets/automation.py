"""What runs by itself: new files (`arrivals.py`), the end of a trading day, retraining.

All of it is off until switched on in the UI. What does not belong here: what the runs do. Each sensor's
reasons for not running are written for people.
"""

import json
from collections.abc import Iterator

import dagster as dg
import polars as pl

from assets import drift
from assets.arrivals import (
    exchange_date_run,
    import_archive,
    landing_sensor,
    load_alternative,
    load_quotes,
    register_landing_files,
)
from assets.inputs_sensor import inputs_sensor
from assets.partitions import FIRST_CUTOFF, exchanges
from assets.releases import releases_sensor
from lim_pipelines import clock, retraining
from lim_pipelines.foundation.config import FOUNDATIONS, FoundationConfig
from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.schemas import DRIFT_RESULTS, MODEL_INPUTS, TARGETS, VALIDATED_BARS
from lim_pipelines.validate.drift.inputs import EVERY_CLASS
from resources.home import Home

decide = dg.define_asset_job("decide", dg.AssetSelection.key_substring("_targets"))
evaluate = dg.define_asset_job(
    "evaluate", dg.AssetSelection.key_substring("_backtest") | dg.AssetSelection.assets("leaderboard")
)


# After the last close of all, that of NYMEX (23:00 UTC in winter), plus the feeds' lag; every day, because
# crypto venues have no weekend.
@dg.schedule(
    cron_schedule="30 23 * * *",
    job=load_quotes,
    description="Loads the day's quotes of every exchange, in one run, after the last close.",
)
def daily_quotes(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Ask for today's partition of every exchange."""
    today = context.scheduled_execution_time.date()
    mics = context.instance.get_dynamic_partitions(exchanges.name or "")
    if not mics:
        return dg.SkipReason("no exchange has quotes yet; drop files into landing/<source>/")
    return exchange_date_run(mics[0], mics[-1], today, today, run_key=f"quotes:{today}")


daily_reference = dg.ScheduleDefinition(
    name="daily_reference",
    cron_schedule="45 23 * * *",
    target=dg.AssetSelection.groups("reference") | dg.AssetSelection.assets("continuous_futures"),
    description="Loads corporate actions, rolls and index members, and stitches futures, after the quotes.",
)

# Every day: tweets and news have no weekend either.
daily_alternative = dg.ScheduleDefinition(
    name="daily_alternative",
    cron_schedule="35 23 * * *",
    job=load_alternative,
    description="Loads macro series, corporate actions, rolls, index members and alternative data once a day,"
    " in this order, whatever the sensor has seen: a listing"
    " that came with the day's quotes links rows that waited. What has not changed commits nothing.",
)


# Before the housekeeping of the lake, and when exchanges with weekends are closed.
weekly_validation = dg.ScheduleDefinition(
    name="weekly_validation",
    cron_schedule="0 2 * * 6",
    # Releases are people's; the full audit takes long and has a schedule of its own.
    target=dg.AssetSelection.groups("validation") - dg.AssetSelection.assets("releases", "look_ahead_audit"),
    description="Shows once a week how the rules hold, as Data Docs, and whether anything drifted.",
)


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


@dg.sensor(
    minimum_interval_seconds=60,
    jobs=[decide, evaluate],
    description="Decides the newest cutoff again when bars or inputs have changed; backtests and"
    " leaderboard follow when targets have.",
)
def results_sensor(context: dg.SensorEvaluationContext, home: Home) -> dg.SensorResult | dg.SkipReason:
    """Keep targets, backtests and the leaderboard up to the newest bars."""
    lake = home.lake()
    bars, targets, inputs = (lake.version(table) for table in (VALIDATED_BARS, TARGETS, MODEL_INPUTS))
    seen = json.loads(context.cursor or '{"bars": -1, "targets": -1, "inputs": -1}')
    newest = lake.read(TARGETS, as_of=LATEST).group_by("strategy").agg(pl.col("cutoff").max())
    decided = dict(newest.sort("strategy").collect().iter_rows())
    requests = []
    if (bars, inputs) != (seen["bars"], seen.get("inputs", -1)):
        for name, cutoff in decided.items():
            requests.append(
                dg.RunRequest(
                    run_key=f"{name}_targets@{cutoff}@bars{bars}"
                    + (f"@inputs{inputs}" if inputs >= 0 else ""),
                    job_name=decide.name,
                    partition_key=cutoff.isoformat(),
                    asset_selection=[dg.AssetKey(f"{name}_targets")],
                )
            )
    if targets != seen["targets"]:
        results = [dg.AssetKey(f"{name}_backtest") for name in decided]
        requests.append(
            dg.RunRequest(
                run_key=f"results@targets{targets}",
                job_name=evaluate.name,
                asset_selection=[*results, dg.AssetKey("leaderboard")],
            )
        )
    if not decided:
        return dg.SkipReason(
            "no strategy has targets yet; materialise <strategy>_model and <strategy>_targets"
        )
    if not requests:
        return dg.SkipReason(f"nothing new since version {bars} of validated_bars and {targets} of targets")
    return dg.SensorResult(requests, cursor=json.dumps({"bars": bars, "targets": targets, "inputs": inputs}))


SENSORS = [landing_sensor, inputs_sensor, releases_sensor, retraining_sensor, results_sensor]
SCHEDULES = [daily_quotes, daily_alternative, daily_reference, weekly_validation]
JOBS = [load_quotes, load_alternative, import_archive, register_landing_files, decide, evaluate]
