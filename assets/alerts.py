"""Alerts: whoever `LIM_ALERTS` names hears of each run that failed, with its cause and what happens next.

What does not belong here: how people are told (`lim_pipelines/alerts.py`), what stays failed or hangs
(`sentinel.py`).

Why each run and not each partition: a range run fails as one, and what is asked for again rests ever longer
between two tries: a fault that stays costs a few messages a day. Of runs that people stopped nobody is told.
"""

import dagster as dg
from dagster import DagsterRun

from assets.requests import CAUSE, TAG
from lim_pipelines import alerts

_FIRST, _LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
_LONGEST = 2000
"""Characters of an error that are told; the whole of it is in the UI."""


@dg.run_failure_sensor(
    name="alerts_sensor",
    minimum_interval_seconds=30,
    description=f"Tells whoever the environment variable {alerts.VARIABLE} names of each run that failed.",
)
def alerts_sensor(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
    """Tell of one run that failed."""
    title, body = message(context.dagster_run, errors(context))
    if alerts.tell(title, body) == 0:
        return dg.SkipReason(f"nobody to tell: {alerts.VARIABLE} is not set; {title}")
    return None


def errors(context: dg.RunFailureSensorContext) -> str:
    """Return what the run's steps failed of, the cause first; without steps, what the run says itself."""
    found = []
    for event in context.get_step_failure_events():
        error = event.step_failure_data.error
        while error is not None and error.cause is not None:
            error = error.cause
        found.append(f"{event.step_key}: {error.message.strip() if error else event.message}")
    return "\n".join(found) or str(context.failure_event.message)


def message(run: DagsterRun, error: str) -> tuple[str, str]:
    """Say which run failed, of what, and whether it is asked for again.

    Parameters
    ----------
    run
        The run.
    error
        What it failed of.

    Returns
    -------
    title, body
    """
    tags = run.tags
    first = tags.get(_FIRST, tags.get("dagster/partition", ""))
    last = tags.get(_LAST, first)
    span = first if first == last else f"{first} to {last}"
    what = run.job_name if not run.job_name.startswith("__") else ", ".join(_assets(run))
    asked = (
        f"asked for as {tags[TAG]}; its sensor asks again after a pause"
        if TAG in tags
        else "started by hand or by a schedule; not asked for again by itself"
    )
    body = [f"cause: {tags[CAUSE]}"] if CAUSE in tags else []
    body += [error[:_LONGEST], asked, f"run {run.run_id}"]
    return f"failed: {what}{' ' + span if span else ''}", "\n".join(body)


def _assets(run: DagsterRun) -> list[str]:
    return sorted(key.to_user_string() for key in run.asset_selection or ())


SENSORS = [alerts_sensor]
