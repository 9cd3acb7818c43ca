"""Results that are there while Dagster does not know of them, or of their check: asked for once more.

A run may die between the commit of a result and Dagster's record of it, or before the check of what it has
made. Sensors go by content and do not ask for what is there, so its partition would stay failed, its check
without a verdict. Made once more it comes out as it is: models are found and not trained, targets and
backtests are decided from the same rows. Then it is recorded, and checked.

What does not belong here: results that are missing or stale (`retraining.py`, `results.py`, `redo.py`), data
(`arrivals.py`, and `sentinel.py` for closes), runs that people started.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date

import dagster as dg
from dagster import AssetKey, DagsterInstance, RunRecord
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as Status

from assets.audits_models import NAME
from assets.failed import partitions_of, since, still_failed
from assets.partitions import cutoffs
from assets.requests import CAUSE, RETRY_AFTER, TAG, at_work, run_key, tries
from assets.results import BOARDS, decide, evaluate
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.stale import made, stale
from lim_pipelines.strategies.spec import StrategySpec
from resources.home import Home

record = dg.define_asset_job(
    "record", dg.AssetSelection.groups("foundation") | dg.AssetSelection.key_substring("_model")
)
JOBS = [record, decide, evaluate]

_PREFIX = "record:"
_UNRECORDED = "is there; its run {} died before Dagster knew"
_UNCHECKED = "is there; its run {} died before it was checked"

_Found = tuple[str, str]
"""Asset and partition; empty where it has none."""


def unrecorded(
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
        Runs that failed, the newest first. One that ended less than a pause ago is left to whoever asked.
    """
    jobs = _jobs(specs, configs)
    runs = [one for one in failed if _by_sensor(one.dagster_run) and since(one) >= RETRY_AFTER]
    wanted = _lacking(instance, jobs, runs)
    if not wanted:
        return
    there = _as_they_are(home, specs, configs)
    working = at_work(instance)
    for (asset, partition), (run, words) in wanted.items():
        ask = f"{_PREFIX}{asset}@{partition}@{run.run_id[:8]}"
        past = tries(instance, ask)
        if _of(specs, asset, partition) in there and asset not in working and past.due and not past.succeeded:
            yield dg.RunRequest(
                run_key=run_key(ask, past.runs),
                job_name=jobs[asset],
                partition_key=partition or None,
                asset_selection=[AssetKey(asset)],
                tags={TAG: ask, CAUSE: f"{asset} {partition} {words.format(run.run_id[:8])}"[:200]},
            )


def _jobs(specs: Sequence[StrategySpec], configs: Sequence[FoundationConfig]) -> dict[str, str]:
    """Name the assets that sensors go by the content of, and the job that makes each."""
    return {
        **{config.name: record.name for config in configs},
        **{f"{spec.name}_model": record.name for spec in specs},
        **{f"{spec.name}_targets": decide.name for spec in specs},
        **{f"{spec.name}_backtest": evaluate.name for spec in specs},
        **dict.fromkeys(BOARDS, evaluate.name),
    }


def _by_sensor(run: dg.DagsterRun) -> bool:
    """Whether a sensor asked for a run, other than this one: of those the first that died is the cause."""
    return TAG in run.tags and not run.tags[TAG].startswith(_PREFIX)


def _lacking(
    instance: DagsterInstance, assets: Collection[str], runs: Sequence[RunRecord]
) -> dict[_Found, tuple[dg.DagsterRun, str]]:
    """Find what Dagster lacks of the results of failed runs: the record, or the verdict of the check."""
    of_asset: dict[str, dict[str, RunRecord]] = {}
    for one in runs:
        for key in one.dagster_run.asset_selection or ():
            if (name := key.to_user_string()) in assets:
                for partition in partitions_of(cutoffs, one.dagster_run) or [""]:
                    of_asset.setdefault(name, {}).setdefault(partition, one)
    found: dict[_Found, tuple[dg.DagsterRun, str]] = {}
    for name, by_partition in of_asset.items():
        for partition in _unmade(instance, AssetKey(name), by_partition):
            found[name, partition] = by_partition[partition].dagster_run, _UNRECORDED
        died = _unchecked(instance, AssetKey(name), [one.dagster_run for one in runs])
        if died is not None:
            # As the check itself: the newest cutoff of the run.
            newest = max(partitions_of(cutoffs, died), default="")
            found.setdefault((name, newest), (died, _UNCHECKED))
    return found


def _unmade(instance: DagsterInstance, key: AssetKey, runs: Mapping[str, RunRecord]) -> list[str]:
    """Return the partitions that have not been made since their run failed."""
    if "" not in runs:
        return still_failed(instance, key, list(runs), cutoffs)
    event = instance.get_latest_materialization_event(key)
    began = runs[""].start_time or runs[""].create_timestamp.timestamp()
    return [] if event is not None and event.timestamp >= began else [""]


def _unchecked(
    instance: DagsterInstance, key: AssetKey, runs: Sequence[dg.DagsterRun]
) -> dg.DagsterRun | None:
    """Return the run, among failed ones, that died before the newest evaluation of an asset's check."""
    check = dg.AssetCheckKey(key, NAME)
    newest = instance.event_log_storage.get_asset_check_execution_history(check, limit=1)
    died = {one.run_id: one for one in runs}
    return died.get(newest[0].run_id) if newest and newest[0].status == Status.PLANNED else None


def _as_they_are(
    home: Home, specs: Sequence[StrategySpec], configs: Sequence[FoundationConfig]
) -> set[_Found]:
    """Return what was made and would come out the same today; empty stands for what is never made."""
    lake = home.lake()
    otherwise = set(stale(lake, home.models, specs, configs).select("result", "partition").iter_rows())
    return {("", ""), *made(lake, home.models, specs, configs)} - otherwise


def _of(specs: Sequence[StrategySpec], asset: str, partition: str) -> _Found:
    """Name the result behind a partition: models of months that train nothing are those of an earlier one."""
    for spec in specs:
        if asset in (f"{spec.name}_model", f"{spec.name}_targets"):
            cutoff = date.fromisoformat(partition)
            if not spec.cadence.begun(cutoff):
                return "", ""
            if asset == f"{spec.name}_model":
                return asset, spec.cadence.trained_at(cutoff).isoformat()
    return asset, partition
