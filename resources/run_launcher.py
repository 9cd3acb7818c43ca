"""The run launcher: Dagster's own, which also sees that a run worker is gone.

What does not belong here: what becomes of the run then (Dagster's run monitoring fails it,
`assets/requests.py` asks again).

Dagster's launcher leaves it to the code server to notice that a run worker died. A code server that died
with its runs (a machine or container that is started again), or whose watching thread died because the
database was away for a moment, notices nothing: the run stays started, and holds its exchange and its pool
for the days of `max_runtime_seconds`.
"""

import json

import psutil
from dagster import DagsterEventType, DagsterInstance, DagsterRun, DefaultRunLauncher
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG

_SPAWNED = "spawn_main"
"""What stands in the command line of each process that the code server spawns."""
_HERE = ("localhost", "127.0.0.1", "::1")


class WatchedRunLauncher(DefaultRunLauncher):
    """Starts runs through the code server, and says of each whether its process lives."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Tell the run monitoring that it may ask."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Look for the process of a run that has started.

        Parameters
        ----------
        run
            A run whose worker has said that it started.

        Returns
        -------
        CheckRunHealthResult
            `NOT_FOUND` if the process is gone. `RUNNING` if it is there, and also where it cannot be known:
            a run that works must not be taken for dead, because it would be asked for a second time.
        """
        if not _is_here(run):
            return CheckRunHealthResult(WorkerStatus.RUNNING, "its code server is on another machine")
        pid = _pid(self._instance, run)
        if pid is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "it has not said in which process it runs")
        if _works(pid):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, f"its process {pid} is gone")


def _is_here(run: DagsterRun) -> bool:
    """Whether the code server that started a run is on this machine."""
    where = json.loads(run.tags.get(GRPC_INFO_TAG, "{}"))
    return "socket" in where or where.get("host") in _HERE


def _pid(instance: DagsterInstance, run: DagsterRun) -> int | None:
    """Return the process that a run has said it runs in; the last one if there were several."""
    found = instance.get_records_for_run(run.run_id, of_type=DagsterEventType.ENGINE_EVENT, ascending=False)
    for record in found.records:
        event = record.event_log_entry.dagster_event
        pid = event.engine_event_data.metadata.get("pid") if event else None
        if pid is not None:
            return int(str(pid.value))
    return None


def _works(pid: int) -> bool:
    """Whether a process is there and may be a run worker: numbers are used again."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return any(_SPAWNED in part for part in process.cmdline())
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
