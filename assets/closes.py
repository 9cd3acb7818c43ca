"""The end of a trading day: a schedule a zone, at the hours at which its exchanges close, half days included.

What does not belong here: the hours and which sessions are over (`lim_pipelines/exchanges/closes.py`).

Why a schedule beside the landing sensor: files tell of what came, the calendar of what should have come.
After a close the session's partition is made whatever arrived, so that an empty one can be seen.
Why not one schedule after the last close of all: Tokyo would wait half a day for New York.
Why not `AutomationCondition.on_cron`: it knows no holiday and asks for a date of every exchange.
It never asks for an exchange whose session has not ended since the last tick (holiday, weekend, half day that
is asked for already), nor for one that has no partition.
Of the ticks that a stopped daemon has missed Dagster makes up for the newest only, because the schedule is of
no partitions. So a tick asks for all that ended since the last one that was evaluated, for a week; what ended
before comes with its files, or is people's (`backfill`).
"""

from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster import DagsterInstance

from assets.arrivals import exchange_date_run, load_quotes
from assets.partitions import FIRST_SESSION, exchanges
from assets.requests import CAUSE, TAG
from lim_pipelines.exchanges import EXCHANGES
from lim_pipelines.exchanges.closes import CLOSES, ended, tick_before, ticks

_SHOWN = "%Y-%m-%d %H:%M UTC"
_LONGEST = timedelta(days=7)
"""A daemon that was stopped for longer leaves what ended before to people."""
_TICKS = 50
"""Newest ticks among which the last one that was evaluated is looked for."""


def _crons(zone: str) -> list[str]:
    return [f"{tick.minute} {tick.hour} * * *" for tick in ticks(zone)]


def _close_schedule(zone: str) -> dg.ScheduleDefinition:
    members = [mic for mic, exchange in EXCHANGES.items() if exchange.timezone == zone]
    name = f"close_{zone.replace('/', '_').lower()}"

    @dg.schedule(
        name=name,
        cron_schedule=_crons(zone),
        execution_timezone=zone,
        job=load_quotes,
        description=f"Loads the session that is just over, on the clock of {zone}: {', '.join(members)}.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        used = set(context.instance.get_dynamic_partitions(exchanges.name or ""))
        moment = context.scheduled_execution_time
        since = last_look(context.instance, name, zone, moment)
        return closed_sessions(zone, [mic for mic in members if mic in used], since, moment)

    return schedule


def last_look(instance: DagsterInstance, name: str, zone: str, moment: datetime) -> datetime:
    """Return since when a tick has to look: from the tick before, or from the last that was evaluated.

    Parameters
    ----------
    instance
        The Dagster instance.
    name, zone
        The schedule, and its IANA zone.
    moment
        When it ticks, with a zone.

    Returns
    -------
    datetime
        UTC, the earlier of the two, at most a week before `moment`. Switching on counts as evaluated.
    """
    before = tick_before(zone, moment)
    evaluated: list[float] = []
    for state in instance.all_instigator_state():
        if state.instigator_name == name:
            ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=_TICKS)
            evaluated += [tick.timestamp for tick in ticks if tick.is_completed and not tick.is_failure]
            evaluated.append(getattr(state.instigator_data, "start_timestamp", None) or before.timestamp())
    since = min(before, datetime.fromtimestamp(max(evaluated, default=before.timestamp()), UTC))
    return max(since, moment.astimezone(UTC) - _LONGEST)


def closed_sessions(
    zone: str, mics: list[str], since: datetime, moment: datetime
) -> list[dg.RunRequest] | dg.SkipReason:
    """Ask for each session that is over since the last look, or say why there is none.

    Parameters
    ----------
    zone
        IANA zone of the schedule.
    mics
        Exchanges of the zone that have partitions.
    since, moment
        The last look, and when the schedule ticks, with zones.
    """
    if not mics:
        return dg.SkipReason(f"no exchange of {zone} has quotes yet; drop files into landing/<source>/")
    over = ended(mics, since, moment)
    if over.is_empty():
        return dg.SkipReason(
            f"no session of {', '.join(mics)} has ended since {since.strftime(_SHOWN)}: closed, or half a day"
        )
    return [
        exchange_date_run(
            mic,
            mic,
            day,
            day,
            run_key=f"close:{mic}:{day}",
            tags={TAG: f"close:{mic}:{day}", CAUSE: f"{mic} closed at {close.strftime(_SHOWN)}"},
        )
        for mic, day, close, _ in over.iter_rows()
        if day >= FIRST_SESSION
    ]


SCHEDULES = [_close_schedule(zone) for zone in CLOSES]
