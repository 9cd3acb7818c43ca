"""What runs by itself: new files, the end of a trading day, retraining.

All of it is off until switched on in the UI. What does not belong here: what the runs do. Each sensor's
reasons for not running are written for people.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
import polars as pl

from assets.partitions import FIRST_CUTOFF, FIRST_SESSION
from lim_pipelines import landing, retraining
from lim_pipelines.exchanges import EXCHANGES
from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.config import FOUNDATIONS
from lim_pipelines.lake import LATEST
from lim_pipelines.schemas import TARGETS, VALIDATED_BARS
from resources.home import Home

QUOTE_ASSETS = [dg.AssetKey(name) for name in ("raw_quotes", "aligned_bars", "validated_bars")]
MACRO_ASSETS = [dg.AssetKey(name) for name in ("raw_macro", "aligned_macro", "validated_macro")]

# All assets of a job share one partitions definition: a sensor that asks for several kinds has several jobs.
load_quotes = dg.define_asset_job("load_quotes", dg.AssetSelection.assets(*QUOTE_ASSETS))
import_archive = dg.define_asset_job("import_archive", dg.AssetSelection.assets("archive"))
register_landing_files = dg.define_asset_job(
    "register_landing_files", dg.AssetSelection.assets("landing_files")
)
decide = dg.define_asset_job("decide", dg.AssetSelection.key_substring("_targets"))
evaluate = dg.define_asset_job(
    "evaluate", dg.AssetSelection.key_substring("_backtest") | dg.AssetSelection.assets("leaderboard")
)


def exchange_date_run(first: str, last: str, start: date, end: date, **request: Any) -> dg.RunRequest:
    """One run over the rectangle of exchanges `first`..`last` and dates `start`..`end`."""
    tags = {
        "dagster/asset_partition_range_start": f"{start}|{first}",
        "dagster/asset_partition_range_end": f"{end}|{last}",
    }
    return dg.RunRequest(asset_selection=QUOTE_ASSETS, tags={**tags, **request.pop("tags", {})}, **request)


@dg.sensor(
    minimum_interval_seconds=30,
    jobs=[load_quotes, import_archive, register_landing_files],
    description="New or changed files in the landing folder: their partitions, first to last date.",
)
def landing_sensor(context: dg.SensorEvaluationContext, home: Home) -> dg.SensorResult:
    """Ask for the partitions of every file whose content is new."""
    seen = {path: landing.Seen(**entry) for path, entry in json.loads(context.cursor or "{}").items()}
    survey = landing.survey(home.landing, seen)
    cursor = json.dumps({path: entry.__dict__ for path, entry in survey.seen.items()})
    if not survey.arrivals and not survey.refused:
        # A touched file is no news, but its new time stamp is: without it the file is read at every tick.
        return dg.SensorResult(skip_reason=survey.summary(), cursor=cursor)
    requests = [*_arrival_runs(survey.arrivals)]
    requests.append(
        dg.RunRequest(
            run_key=f"landing_files@{_digest(survey.keys())}",
            job_name=register_landing_files.name,
            asset_selection=[dg.AssetKey("landing_files")],
        )
    )
    for refused in survey.refused:
        context.log.error("refused %s: %s", refused.path, refused.reason)
    return dg.SensorResult(run_requests=requests, cursor=cursor)


def _digest(keys: Iterable[str]) -> str:
    """One short key for many; thousands of files may arrive at once."""
    return hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()[:16]


def _arrival_runs(arrivals: tuple[landing.Arrival, ...]) -> Iterator[dg.RunRequest]:
    for arrival in arrivals:
        tags = {"lim/file": arrival.path[:200]}
        recent = [day for day in arrival.dates if day >= FIRST_SESSION]
        if recent:
            yield exchange_date_run(
                arrival.exchange,
                arrival.exchange,
                min(recent),
                max(recent),
                run_key=arrival.key,
                tags=tags,
                job_name=load_quotes.name,
            )
        if len(recent) < len(arrival.dates):
            yield dg.RunRequest(
                run_key=f"archive:{arrival.key}",
                job_name=import_archive.name,
                partition_key=arrival.exchange,
                asset_selection=[dg.AssetKey("archive")],
                tags=tags,
            )


# After the last close of all, that of NYMEX (23:00 UTC in winter), plus the feeds' lag.
@dg.schedule(
    cron_schedule="30 23 * * 1-5",
    job=load_quotes,
    description="Loads the day's quotes of every exchange, in one run, after the last close.",
)
def daily_quotes(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Ask for today's partition of every exchange."""
    today = context.scheduled_execution_time.date()
    mics = sorted(EXCHANGES)
    return exchange_date_run(mics[0], mics[-1], today, today, run_key=f"quotes:{today}")


daily_macro = dg.ScheduleDefinition(
    name="daily_macro",
    cron_schedule="35 23 * * 1-5",
    target=dg.AssetSelection.assets(*MACRO_ASSETS),
    description="Loads the macro series once a day; what has not changed commits nothing.",
)


@dg.sensor(
    minimum_interval_seconds=60,
    target=dg.AssetSelection.groups("foundation")
    | dg.AssetSelection.key_substring("_model")
    | dg.AssetSelection.key_substring("_targets"),
    description=f"Trains the next cutoff after at least {retraining.NEW_SESSIONS} new or corrected"
    " sessions, or when the drift check fails.",
)
def retraining_sensor(
    context: dg.SensorEvaluationContext, home: Home
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Ask for the newest cutoff of every family for which there is a cause."""
    drifted = _failed_drift_check(context.instance)
    reasons = []
    for family, config in FOUNDATIONS.items():
        plan = retraining.plan(home.lake(), home.models, config, datetime.now(UTC), FIRST_CUTOFF, drifted)
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
            asset_selection=[dg.AssetKey(family), *sorted(downstream)],
            tags={
                "dagster/asset_partition_range_start": plan.first.isoformat(),
                "dagster/asset_partition_range_end": plan.cutoff.isoformat(),
                "lim/cause": plan.reason[:200],
            },
        )
    if len(reasons) == len(FOUNDATIONS):
        yield dg.SkipReason("; ".join(reasons))


DRIFT_CHECK = dg.AssetCheckKey(dg.AssetKey("validated_bars"), "drift")


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
    description="Decides the newest trained cutoff again when bars have changed; backtests and leaderboard"
    " follow when targets have.",
)
def results_sensor(context: dg.SensorEvaluationContext, home: Home) -> dg.SensorResult | dg.SkipReason:
    """Keep targets, backtests and the leaderboard up to the newest bars."""
    lake = home.lake()
    bars, targets = lake.version(VALIDATED_BARS), lake.version(TARGETS)
    seen = json.loads(context.cursor or '{"bars": -1, "targets": -1}')
    decided = (
        lake.read(TARGETS, as_of=LATEST).select(pl.col("strategy").unique().sort()).collect()["strategy"]
    )
    requests = []
    if bars != seen["bars"]:
        for name in decided:
            cutoff = max(checkpoint.cutoffs(home.models, name))
            requests.append(
                dg.RunRequest(
                    run_key=f"{name}_targets@{cutoff}@bars{bars}",
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
    if not decided.len():
        return dg.SkipReason(
            "no strategy has targets yet; materialise <strategy>_model and <strategy>_targets"
        )
    if not requests:
        return dg.SkipReason(f"nothing new since version {bars} of validated_bars and {targets} of targets")
    return dg.SensorResult(requests, cursor=json.dumps({"bars": bars, "targets": targets}))


SENSORS = [landing_sensor, retraining_sensor, results_sensor]
SCHEDULES = [daily_quotes, daily_macro]
JOBS = [load_quotes, import_archive, register_landing_files, decide, evaluate]
