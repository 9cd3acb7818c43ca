"""Runs that a sensor has asked for, remembered until they have succeeded: a run that fails is not forgotten.

What does not belong here: what is asked for (the sensors and schedules beside this file).

Every run that is asked for carries the tag `lim/ask`. Dagster asks for a run key once and never again, so a
run that has failed is asked for under its key and the number of tries, `<key>#2`, after a pause that doubles
each time: a fault that passes heals by itself, one that stays costs a few runs a day and is red in the UI.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

TAG = "lim/ask"
EXCHANGE = "lim/exchange"
"""Tag of loads with the exchange whose partitions they write: `deploy/` lets one of each run at a time."""
CAUSE = "lim/cause"
"""Tag that says why a run was asked for, for people."""

RETRY_AFTER = timedelta(minutes=10)
LONGEST_PAUSE = timedelta(hours=10)
NEVER_STARTED = timedelta(minutes=5)
"""A run that is younger and not enqueued is being launched; an older one was left behind by a daemon whose
database went away between the two steps."""

_ENDED = (DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED)
IN_PROGRESS = [status for status in DagsterRunStatus if status not in _ENDED]


@dataclass(frozen=True)
class Tries:
    """Runs of something that was asked for.

    Parameters
    ----------
    runs
        How many there were that began.
    succeeded
        Whether the last one did.
    working
        Whether the last one waits or works.
    due
        Whether it may be asked for (again): none waits or works, and the last one ended long enough ago.
    """

    runs: int
    succeeded: bool
    working: bool
    due: bool


def tries(instance: DagsterInstance, ask: str, now: datetime | None = None) -> Tries:
    """Look up what became of something that was asked for.

    Parameters
    ----------
    instance
        The Dagster instance.
    ask
        Value of the runs' tag `lim/ask`.
    now
        Moment of asking, UTC; the present one if absent.
    """
    of_it = RunsFilter(tags={TAG: ask})
    records = instance.get_run_records(of_it, limit=1)
    if not records:
        return Tries(0, succeeded=False, working=False, due=True)
    newest, status = records[0], records[0].dagster_run.status
    # All of them: their number is in the next one's key, and Dagster launches no key twice.
    runs = instance.get_runs_count(of_it)
    moment = now or datetime.now(UTC)
    if status == DagsterRunStatus.NOT_STARTED and moment - newest.create_timestamp >= NEVER_STARTED:
        # Not counted: under the key that it has Dagster finds this very run, and submits it.
        return Tries(runs - 1, succeeded=False, working=False, due=True)
    pause = min(RETRY_AFTER * 2 ** min(runs - 1, 10), LONGEST_PAUSE)
    since = newest.end_time or newest.update_timestamp.timestamp()
    rested = moment.timestamp() - since >= pause.total_seconds()
    ended = status in _ENDED
    return Tries(runs, succeeded=status == DagsterRunStatus.SUCCESS, working=not ended, due=ended and rested)


def neglected(instance: DagsterInstance, ask: str) -> bool:
    """Whether something could have been asked for again for a pause, and was not.

    Parameters
    ----------
    instance
        The Dagster instance.
    ask
        Value of the runs' tag `lim/ask`.
    """
    return tries(instance, ask, datetime.now(UTC) - RETRY_AFTER).due


def at_work(instance: DagsterInstance) -> set[str]:
    """Assets that runs which wait or work are making or will make, whoever asked for them.

    Parameters
    ----------
    instance
        The Dagster instance.
    """
    # A run that never reached the queue may stay so for ever.
    begun = [status for status in IN_PROGRESS if status != DagsterRunStatus.NOT_STARTED]
    runs = instance.get_runs(RunsFilter(statuses=begun))
    return {key.to_user_string() for run in runs for key in run.asset_selection or ()}


def run_key(ask: str, runs: int) -> str:
    """Run key under which something is asked for that has had some runs already."""
    return f"{ask}#{runs + 1}" if runs else ask
