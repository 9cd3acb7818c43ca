"""The end of a trading day: a schedule a zone, at the hours at which its exchanges close, half days included.

What does not belong here: the hours and which sessions are over (`lim_pipelines/exchanges/closes.py`).

Why a schedule beside the landing sensor: files tell of what came, the calendar of what should have come.
After a close the session's partition is made whatever arrived, so that an empty one can be seen.
Why not one schedule after the last close of all: Tokyo would wait half a day for New York.
Why not `AutomationCondition.on_cron`: it knows no holiday and asks for a date of every exchange.
It never asks for an exchange whose session has not ended since the last tick (holiday, weekend, half day that
is asked for already), nor for one that has no partition. The last five ticks that a stopped daemon has missed
are made up for by Dagster, older sessions by `trailing_backfill`.
"""

from datetime import datetime

import dagster as dg

from assets.arrivals import exchange_date_run, load_quotes
from assets.partitions import FIRST_SESSION, exchanges
from assets.requests import CAUSE, TAG
from lim_pipelines.exchanges import EXCHANGES
from lim_pipelines.exchanges.closes import CLOSES, ended, tick_before, ticks

_SHOWN = "%Y-%m-%d %H:%M UTC"


def _crons(zone: str) -> list[str]:
    return [f"{tick.minute} {tick.hour} * * *" for tick in ticks(zone)]


def _close_schedule(zone: str) -> dg.ScheduleDefinition:
    members = [mic for mic, exchange in EXCHANGES.items() if exchange.timezone == zone]

    @dg.schedule(
        name=f"close_{zone.replace('/', '_').lower()}",
        cron_schedule=_crons(zone),
        execution_timezone=zone,
        job=load_quotes,
        description=f"Loads the session that is just over, on the clock of {zone}: {', '.join(members)}.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        used = set(context.instance.get_dynamic_partitions(exchanges.name or ""))
        return closed_sessions(
            zone, [mic for mic in members if mic in used], context.scheduled_execution_time
        )

    return schedule


def closed_sessions(zone: str, mics: list[str], moment: datetime) -> list[dg.RunRequest] | dg.SkipReason:
    """Ask for each session that is over since the schedule's tick before, or say why there is none.

    Parameters
    ----------
    zone
        IANA zone of the schedule.
    mics
        Exchanges of the zone that have partitions.
    moment
        When the schedule ticks, with a zone.
    """
    if not mics:
        return dg.SkipReason(f"no exchange of {zone} has quotes yet; drop files into landing/<source>/")
    before = tick_before(zone, moment)
    over = ended(mics, before, moment)
    if over.is_empty():
        since = before.strftime(_SHOWN)
        return dg.SkipReason(
            f"no session of {', '.join(mics)} has ended since {since}: closed, or half a day"
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
