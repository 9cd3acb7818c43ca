"""Results that are there while Dagster does not know of them, or of their check: asked for once more.

A run may die between the commit of a result and Dagster's record of it, or before the check of what it has
made. Sensors go by content and do not ask for what is there, so its partition would stay failed, its check
without a verdict. Made once more it comes out as it is: models are found and not trained, targets and
backtests are decided from the same rows. Then it is recorded, and checked. All that as of the moment of
asking: what is corrected while the run waits is a matter of the run, as for any other.

What does not belong here: results that are missing or stale (`retraining.py`, `results.py`, `redo.py`), data
(`arrivals.py`, and `sentinel.py` for closes), runs that people started.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date

import dagster as dg
from dagster import AssetKey, AssetRecordsFilter, DagsterInstance, RunRecord, RunsFilter
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as Status

from assets.audits_models import NAME
from assets.failed import FIRST, LAST, partitions_of, since
from assets.partitions import cutoffs
from assets.requests import CAUSE, RETRY_AFTER, TAG, at_work, neglected, run_key, tries
from assets.results import BOARDS, decide, evaluate
from lim_pipelines.foundation.config import FOUNDATIONS, FoundationConfig
from lim_pipelines.stale import made, stale
from lim_pipelines.stale.redo import blocks
from lim_pipelines.strategies.spec import StrategySpec
from resources.home import Home

record_models = dg.define_asset_job(
    "record_models",
    dg.AssetSelection.assets(*FOUNDATIONS) | dg.AssetSelection.key_substring("_model"),
    description="Has Dagster record models that are there; nothing is trained.",
)
JOBS = [record_models, decide, evaluate]

_PREFIX = "record:"
_UNRECORDED = "is there; its run {} died before Dagster knew"
_UNCHECKED = "is there; its run {} died before it was checked"
_LOOKED_AT = 50
"""Newest evaluations of a check that are looked through for a later verdict."""

_Result = tuple[str, str]
"""Asset and partition; empty where it has none."""


def ask_for_records(
    instance: DagsterInstance,
    home: Home,
    specs: Sequence[StrategySpec],
    configs: Sequence[FoundationConfig],
    failed: Sequence[RunRecord],
) -> Iterator[dg.RunRequest]:
    """Ask for what failed runs have made and not recorded, or not had checked.

    Parameters
    ----------
    instance, home
        Where runs and results are.
    specs, configs
        All strategies and families.
    failed
        Runs that failed, the newest first.
    """
    jobs = _jobs(specs, configs)
    found = _lacking(instance, jobs, failed)
    if not found:
        return
    there, working = _there(home, specs, configs), at_work(instance)
    spans: dict[tuple[str, str, str], list[str]] = {}
    for (asset, partition), (run, words) in found.items():
        if asset not in working and there(asset, partition):
            spans.setdefault((asset, _origin(run), words), []).append(partition)
    for (asset, origin, words), partitions in spans.items():
        for first, last in _blocks(partitions):
            ask = f"{_PREFIX}{asset}@{first}..{last}@{origin}"
            past = tries(instance, ask)
            if past.due and not past.succeeded:
                ends = {FIRST: first, LAST: last} if first else {}
                yield dg.RunRequest(
                    run_key=run_key(ask, past.runs),
                    job_name=jobs[asset],
                    asset_selection=[AssetKey(asset)],
                    tags={TAG: ask, CAUSE: f"{asset} {first} {words.format(origin)}"[:200], **ends},
                )


def _jobs(specs: Sequence[StrategySpec], configs: Sequence[FoundationConfig]) -> dict[str, str]:
    """Name the assets that sensors go by the content of, and the job that makes each."""
    return {
        **{config.name: record_models.name for config in configs},
        **{f"{spec.name}_model": record_models.name for spec in specs},
        **{f"{spec.name}_targets": decide.name for spec in specs},
        **{f"{spec.name}_backtest": evaluate.name for spec in specs},
        **dict.fromkeys(BOARDS, evaluate.name),
    }


def _lacking(
    instance: DagsterInstance, jobs: Mapping[str, str], failed: Sequence[RunRecord]
) -> dict[_Result, tuple[dg.DagsterRun, str]]:
    """Find what Dagster lacks of the results of failed runs: the record, or the verdict of the check."""
    found: dict[_Result, tuple[dg.DagsterRun, str]] = {}
    for one in failed:
        run = one.dagster_run
        assets = [name for key in run.asset_selection or () if (name := key.to_user_string()) in jobs]
        if not assets or not _left_to_us(instance, one):
            continue
        # Of a step that never began Dagster says failed, too; that is no sign of a result.
        began = {step.step_key for step in instance.get_run_step_stats(run.run_id) if step.start_time}
        for name in began.intersection(assets):
            partitions = [""] if jobs[name] == evaluate.name else partitions_of(cutoffs, run)
            for partition in _unmade(instance, AssetKey(name), partitions, one):
                found.setdefault((name, partition), (run, _UNRECORDED))
            if partitions and _unanswered(instance, AssetKey(name), run):
                # As the check itself: the newest cutoff of the run.
                found.setdefault((name, max(partitions)), (run, _UNCHECKED))
    return found


def _left_to_us(instance: DagsterInstance, one: RunRecord) -> bool:
    """Whether a sensor asked for a run, and could have asked again for a while."""
    ask = one.dagster_run.tags.get(TAG)
    if ask is None or since(one) < RETRY_AFTER:
        return False
    return ask.startswith(_PREFIX) or neglected(instance, ask)


def _origin(run: dg.DagsterRun) -> str:
    """Short id of the run that died first: what recorded its results and died as well names it."""
    ask = run.tags[TAG]
    return ask.rpartition("@")[2] if ask.startswith(_PREFIX) else run.run_id[:8]


def _unmade(instance: DagsterInstance, key: AssetKey, partitions: Sequence[str], one: RunRecord) -> list[str]:
    """Return the partitions that have not been recorded since their run began."""
    if not partitions:
        return []
    # Not by their status: that says nothing of runs that people cancelled.
    made_since = AssetRecordsFilter(
        key,
        asset_partitions=None if partitions == [""] else partitions,
        after_timestamp=one.start_time or one.create_timestamp.timestamp(),
    )
    events = instance.fetch_materializations(made_since, limit=1_000).records
    recorded = {event.partition_key or "" for event in events}
    return [partition for partition in partitions if partition not in recorded]


def _unanswered(instance: DagsterInstance, key: AssetKey, run: dg.DagsterRun) -> bool:
    """Whether an asset's check came to no verdict in a run, nor since of the same cutoff."""
    check = dg.AssetCheckKey(key, NAME)
    history = instance.event_log_storage.get_asset_check_execution_history(check, limit=_LOOKED_AT)
    runs = instance.get_runs(RunsFilter(run_ids=[record.run_id for record in history])) if history else []
    newest = {one.run_id: max(partitions_of(cutoffs, one), default="") for one in runs}
    for record in history:
        if record.run_id == run.run_id:
            return record.status == Status.PLANNED
        if record.status != Status.PLANNED and newest.get(record.run_id) == newest.get(run.run_id):
            return False
    return False


def _there(
    home: Home, specs: Sequence[StrategySpec], configs: Sequence[FoundationConfig]
) -> Callable[[str, str], bool]:
    """Return what says whether the result of a partition is there and would come out the same today."""
    lake = home.lake()
    otherwise = set(stale(lake, home.models, specs, configs).select("result", "partition").iter_rows())
    as_it_is = made(lake, home.models, specs, configs) - otherwise
    models = {f"{spec.name}_model": spec.cadence for spec in specs}
    cadences = models | {f"{spec.name}_targets": spec.cadence for spec in specs}

    def there(asset: str, partition: str) -> bool:
        if asset in cadences and not cadences[asset].begun(date.fromisoformat(partition)):
            # Nothing is ever made of it.
            return True
        if asset in models:
            # Months that train nothing go on with the models of an earlier one.
            partition = models[asset].trained_at(date.fromisoformat(partition)).isoformat()
        return (asset, partition) in as_it_is

    return there


def _blocks(partitions: Sequence[str]) -> list[tuple[str, str]]:
    """Return the first and last of partitions that follow one another; empty where there are none."""
    days = [date.fromisoformat(partition) for partition in partitions if partition]
    return [(str(first), str(last)) for first, last in blocks(days)] or [("", "")]
