"""What runs by itself: schedules of a day and a week, and the sensors, which have files of their own.

All of it is off until switched on in the UI. What does not belong here: what the runs do. Each sensor's
reasons for not running are written for people.
"""

import dagster as dg

from assets import alerts, backfills, closes, freshness
from assets.arrivals import (
    import_archive,
    landing_sensor,
    load_alternative,
    load_quotes,
    register_landing_files,
)
from assets.inputs_sensor import inputs_sensor
from assets.releases import releases_sensor
from assets.requests import CAUSE, EXCHANGE
from assets.results import decide, evaluate
from assets.retraining import daily_retraining_plan
from assets.unrecorded import record_models
from lim_pipelines.sources.base import QUARANTINE_AS

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
    # As the landing sensor's: two loads of it never run at once.
    tags={EXCHANGE: QUARANTINE_AS, CAUSE: "once a day"},
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


SENSORS = [landing_sensor, inputs_sensor, releases_sensor]
SENSORS += [*backfills.SENSORS, *alerts.SENSORS]
SCHEDULES = [*closes.SCHEDULES, daily_alternative, daily_reference, weekly_validation, daily_retraining_plan]
SCHEDULES += [*backfills.SCHEDULES, *freshness.SCHEDULES]
JOBS = [
    load_quotes,
    load_alternative,
    import_archive,
    register_landing_files,
    decide,
    evaluate,
    record_models,
]
