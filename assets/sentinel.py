"""The sentinel: no partition stays failed, no run hangs, no session is left out, without somebody knowing.

What does not belong here: runs that fail (`alerts.py` tells of each), asks of sensors (each asks for its own
again).

Asked for again: what a schedule asked for at a close or for the trailing week, because a schedule has no
memory; and results that are there without Dagster's record or check (`unrecorded.py`); by `requests.tries`,
with its pauses, until it succeeds. Everything else is told of, once: a partition
that is still failed `LEFT_FAILED` after its run, a run that works or waits longer than `STUCK`, a session
overdue.
Why not have all of it made again: what people started, people know why; a training that failed fails again.
"""

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta

import dagster as dg
from dagster import AssetKey, DagsterInstance, DagsterRunStatus, RunRecord, RunsFilter

from assets import unrecorded
from assets.arrivals import exchange_date_run, load_quotes
from assets.failed import FIRST, LAST, MOST, failed_this_week, partitions_of, since, still_failed
from assets.partitions import exchanges
from assets.requests import CAUSE, EXCHANGE, IN_PROGRESS, TAG, run_key, tries
from lim_pipelines import alerts, clock
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.freshness import freshness, words
from lim_pipelines.strategies.spec import StrategySpec
from resources.home import Home

LEFT_FAILED = timedelta(hours=6)
STUCK = timedelta(hours=12)
"""Longer than any load; the longest training has a pool and a limit of its own (`deploy/dagster.yaml`)."""

_SCHEDULED = ("close:", "trailing:")


def build_sentinel(specs: Sequence[StrategySpec], configs: Sequence[FoundationConfig]) -> dg.SensorDefinition:
    """Make the sensor."""

    @dg.sensor(
        minimum_interval_seconds=300,
        jobs=[load_quotes, *unrecorded.JOBS],
        description="Asks again for sessions whose load failed, and for the record and the check of results"
        " whose run died between; tells of partitions that stay failed, runs that hang, and sessions that are"
        " overdue; each once.",
    )
    def sentinel(context: dg.SensorEvaluationContext, home: Home) -> dg.SensorResult:
        """Look at everything that should not stay as it is."""
        instance = context.instance
        failed = failed_this_week(instance)
        never = instance.get_run_records(RunsFilter(statuses=[DagsterRunStatus.NOT_STARTED]), limit=MOST)
        requests = list(_again(instance, [*failed, *never]))
        with dg.partition_loading_context(dynamic_partitions_store=instance):
            left = _left_failed(instance, context, failed)
        wrong = {
            **_stuck(instance),
            **left,
            **_overdue(home, instance.get_dynamic_partitions(exchanges.name or "")),
        }
        try:
            requests += unrecorded.ask_for_records(instance, home, specs, configs, failed)
        except Exception as error:  # whatever results raise: the sentinel stands guard over all the rest, too
            wrong[f"records:{type(error).__name__}"] = f"results cannot be compared: {error}"
        told = [cause for cause in json.loads(context.cursor or "[]") if cause in wrong]
        news = {cause: said for cause, said in wrong.items() if cause not in told}
        if news:
            _tell(context, news)
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None
            if requests
            else "; ".join(wrong.values()) or "nothing failed, hangs or is overdue",
            cursor=json.dumps([*told, *news]),
        )

    return sentinel


def _tell(context: dg.SensorEvaluationContext, news: dict[str, str]) -> None:
    """Tell people; where somebody cannot be told, what failed is asked for again all the same."""
    try:
        alerts.tell(f"still wrong: {len(news)}", "\n".join(news.values()))
    except alerts.AlertError as error:
        context.log.error("not everybody was told of %s: %s", "; ".join(news.values()), error)


def _again(instance: DagsterInstance, records: Iterable[RunRecord]) -> Iterator[dg.RunRequest]:
    """Ask again for what a schedule asked for and no run has made since, though its run was never queued."""
    asks: dict[str, dg.DagsterRun] = {}
    for record in records:
        ask = record.dagster_run.tags.get(TAG, "")
        if ask.startswith(_SCHEDULED):
            asks.setdefault(ask, record.dagster_run)
    for ask, run in asks.items():
        past = tries(instance, ask)
        if past.due and not past.succeeded:
            mic, (first, last) = run.tags[EXCHANGE], (run.tags[tag][:10] for tag in (FIRST, LAST))
            yield exchange_date_run(
                mic,
                mic,
                date.fromisoformat(first),
                date.fromisoformat(last),
                run_key=run_key(ask, past.runs),
                job_name=load_quotes.name,
                tags={name: run.tags[name] for name in (TAG, CAUSE) if name in run.tags},
            )


def _stuck(instance: DagsterInstance) -> dict[str, str]:
    """Find runs that work or wait for too long."""
    found = {}
    for record in instance.get_run_records(RunsFilter(statuses=IN_PROGRESS)):
        began = record.start_time or record.create_timestamp.timestamp()
        hours = (time.time() - began) / 3600
        if timedelta(hours=hours) > STUCK:
            run = record.dagster_run
            state = run.status.value.lower()
            found[f"stuck:{run.run_id}"] = f"run {run.run_id} of {run.job_name} is {state} for {hours:.0f} h"
    return found


def _left_failed(
    instance: DagsterInstance, context: dg.SensorEvaluationContext, failed: Iterable[RunRecord]
) -> dict[str, str]:
    """Find partitions that a run of this week left failed and no later run has made."""
    repository = context.repository_def
    if repository is None:
        raise RuntimeError("the sentinel needs the code location's assets and jobs")
    graph = repository.asset_graph
    by_run: dict[tuple[str, str], list[str]] = {}
    wanted: dict[AssetKey, dict[str, str]] = {}
    for record in failed:
        run = record.dagster_run
        if since(record) < LEFT_FAILED:
            continue
        for key in run.asset_selection or _assets_of(repository, run.job_name):
            definition = graph.get(key).partitions_def if graph.has(key) else None
            for name in partitions_of(definition, run) if definition else []:
                wanted.setdefault(key, {}).setdefault(name, run.run_id)
    # One question an asset, however many runs have failed.
    for key, runs in sorted(wanted.items()):
        for name in still_failed(instance, key, list(runs), graph.get(key).partitions_def):
            by_run.setdefault((key.to_user_string(), runs[name]), []).append(name)
    return {
        f"failed:{run}:{asset}": (
            f"{asset}: {len(names)} partitions from {min(names)} to {max(names)} are failed since run {run}"
        )
        for (asset, run), names in by_run.items()
    }


def _assets_of(repository: dg.RepositoryDefinition, job: str) -> set[AssetKey]:
    """Return what a run makes that was started with all assets of its job."""
    found = repository.get_job(job) if repository.has_job(job) else None
    return set(found.asset_layer.executable_asset_keys) if found else set()


def _overdue(home: Home, mics: Iterable[str]) -> dict[str, str]:
    """Find sessions that should be there."""
    late = freshness(home.lake(), mics, clock.now()).filter("overdue")
    return {f"overdue:{row['exchange']}:{row['due']}": words(row) for row in late.iter_rows(named=True)}
