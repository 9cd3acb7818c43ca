"""What trainings took in the last seven days, those that failed too: they used the machine all the same.

What does not belong here: what the next ones will take (`lim_pipelines/retraining/expected.py`), what of it
the budget allows (`budget.py` there).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path

import dagster as dg

from lim_pipelines.retraining import expected
from lim_pipelines.retraining.budget import WEEK
from lim_pipelines.retraining.expected import Training


def spent(instance: dg.DagsterInstance, models: Path, subjects: Sequence[str], now: datetime) -> float:
    """Seconds of the trainings that ended in the last seven days.

    What ended well says itself what it took. Of runs that failed, were cancelled or were killed the wall time
    counts, less what their own trainings say: a run of three months may die in the third.

    Parameters
    ----------
    instance
        Dagster's runs.
    models
        Where models lie.
    subjects
        Families and strategies.
    now
        Present moment, UTC.
    """
    done = [one for subject in subjects for one in expected.trainings(models, subject)]
    assets = {name for subject in subjects for name in (subject, f"{subject}_model")}
    return expected.spent(done, now) + sum(_lost(instance, assets, done, now))


def _lost(
    instance: dg.DagsterInstance, assets: Collection[str], done: Sequence[Training], now: datetime
) -> list[float]:
    """Seconds of each run of the week that trained and did not end well."""
    failed = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
    lost = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=failed, updated_after=now - WEEK)):
        trains = any(key.to_user_string() in assets for key in record.dagster_run.asset_selection or ())
        if not trains or record.start_time is None:
            continue
        # Of a run whose worker was killed somebody else noted the end.
        first, last = record.start_time, record.end_time or record.update_timestamp.timestamp()
        kept = sum(one.seconds for one in done if first <= one.moment.timestamp() <= last)
        if (now - WEEK).timestamp() < last <= now.timestamp():
            lost.append(max(0.0, last - first - kept))
    return lost
