"""What runs by itself: new files (`arrivals.py`), the end of a trading day, retraining (`retraining.py`).

All of it is off until switched on in the UI. What does not belong here: what the runs do. Each sensor's
reasons for not running are written for people.
"""

import json

import dagster as dg
import polars as pl

from assets import alerts, backfills, closes, freshness, sentinel
from assets.arrivals import (
    import_archive,
    landing_sensor,
    load_alternative,
    load_quotes,
    register_landing_files,
)
from assets.inputs_sensor import inputs_sensor
from assets.releases import releases_sensor
from assets.retraining import daily_retraining_plan
from lim_pipelines.lake import LATEST
from lim_pipelines.schemas import MODEL_INPUTS, TARGETS, VALIDATED_BARS
from resources.home import Home

decide = dg.define_asset_job("decide", dg.AssetSelection.key_substring("_targets"))
evaluate = dg.define_asset_job(
    "evaluate", dg.AssetSelection.key_substring("_backtest") | dg.AssetSelection.assets("leaderboard")
)


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


SENSORS = [landing_sensor, inputs_sensor, releases_sensor, results_sensor]
SENSORS += [*backfills.SENSORS, *sentinel.SENSORS, *alerts.SENSORS]
SCHEDULES = [*closes.SCHEDULES, daily_alternative, daily_reference, weekly_validation, daily_retraining_plan]
SCHEDULES += [*backfills.SCHEDULES, *freshness.SCHEDULES]
JOBS = [load_quotes, load_alternative, import_archive, register_landing_files, decide, evaluate]
JOBS += backfills.JOBS
