"""Backfills: the newest sessions once a week for what came late, and long ranges on demand, piece by piece.

What does not belong here: files that came (`arrivals.py` loads each), stale results (`redo.py`).

`trailing_backfill`: why weekly and why at all, where the landing sensor loads each file: a listing, a mapping
or a reader that changed touches no file, and sessions missed while everything was switched off are nobody's
news. What has not changed commits nothing, so the price is a run an exchange. Never more than `TRAILING`
sessions: what is older is asked for by people.

`backfill` (a job; config: exchange, first, last, chunk): why not the UI's own backfill: that is one run for
the whole rectangle, which holds memory and its place for hours and begins anew when it dies. Here one piece
is loaded at a time, over all backfills, behind the day's sessions; the next is asked for when it has ended. A
piece that fails rests, as everything that is asked for, while other backfills go on. Never before the first
daily partition: `archive` does that. Delete the run of `backfill` to give it up.
"""

import json
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import dagster as dg
import polars as pl
from dagster import DagsterRunStatus, RunsFilter
from pydantic import Field

from assets.arrivals import exchange_date_run, load_quotes
from assets.partitions import FIRST_SESSION, dates, exchanges
from assets.requests import CAUSE, TAG, Tries, run_key, tries
from lim_pipelines.exchanges.chunks import chunks
from lim_pipelines.exchanges.closes import ended

TRAILING = 5
"""Sessions that are loaded again each week: a week of trading."""

_WINDOW = timedelta(days=30)


@dg.schedule(
    cron_schedule="0 3 * * 6",
    job=load_quotes,
    description=f"Loads the last {TRAILING} sessions of each exchange again, for what came late.",
)
def trailing_backfill(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
    """Ask for the newest sessions of every exchange."""
    mics = sorted(context.instance.get_dynamic_partitions(exchanges.name or ""))
    if not mics:
        return dg.SkipReason("no exchange has quotes yet; drop files into landing/<source>/")
    now = context.scheduled_execution_time
    over = ended(mics, now - _WINDOW, now)
    newest = over.group_by("exchange", maintain_order=True).tail(TRAILING).group_by("exchange")
    spans = newest.agg(first=pl.col("date").min(), last=pl.col("date").max()).sort("exchange")
    return [
        exchange_date_run(
            mic,
            mic,
            max(first, FIRST_SESSION),
            last,
            run_key=key,
            tags={TAG: key, CAUSE: f"the last {TRAILING} sessions of {mic}, once a week"},
        )
        for mic, first, last in spans.iter_rows()
        if last >= FIRST_SESSION and (key := f"trailing:{mic}:{first}..{last}")
    ]


class Range(dg.Config):
    """What is loaded again."""

    exchange: str = Field(description="market identifier of an exchange in use, such as XNYS")
    first: str = Field(description="first date, such as 2018-10-01")
    last: str = Field(description="last date, included")
    chunk: int = Field(default=20, description="sessions a run; fewer need less memory, more less time")


@dataclass(frozen=True)
class Backfill:
    """A backfill that people asked for.

    Parameters
    ----------
    request
        Id of the run that asked for it.
    exchange
        Market identifier.
    first, last
        Dates, both included.
    chunk
        Sessions a piece.
    """

    request: str
    exchange: str
    first: date
    last: date
    chunk: int

    def pieces(self) -> list[tuple[date, date]]:
        """Return first and last date of each piece."""
        return chunks(self.exchange, self.first, self.last, self.chunk)


def parsed(request: str, config: Range, used: list[str]) -> Backfill:
    """Return the backfill that a config asks for.

    Parameters
    ----------
    request
        Id of the run.
    config
        What was written.
    used
        Exchanges that have partitions.

    Raises
    ------
    dg.Failure
        It is none; what to write instead.
    """
    if config.exchange not in used:
        raise dg.Failure(
            f"exchange: {config.exchange!r} is not in use; write one of {', '.join(sorted(used))}"
        )
    try:
        first, last = date.fromisoformat(config.first), date.fromisoformat(config.last)
    except ValueError as error:
        raise dg.Failure(f"first and last: {error}; write dates such as 2018-11-20") from error
    newest = date.fromisoformat(dates.get_last_partition_key() or str(FIRST_SESSION))
    if not FIRST_SESSION <= first <= last <= newest:
        raise dg.Failure(
            f"first and last: {first} to {last} is no range within the daily partitions, {FIRST_SESSION} to"
            f" {newest}; what is older materialises with archive"
        )
    if config.chunk < 1:
        raise dg.Failure(f"chunk: {config.chunk}; write at least 1 session")
    return Backfill(request, config.exchange, first, last, config.chunk)


@dg.op
def record_backfill(context: dg.OpExecutionContext, config: Range) -> None:
    """Refuse what is no backfill; else say what the sensor will do."""
    used = context.instance.get_dynamic_partitions(exchanges.name or "")
    pieces = parsed(context.run_id, config, list(used)).pieces()
    if not pieces:
        raise dg.Failure(f"{config.exchange} has no session from {config.first} to {config.last}")
    context.log.info(f"{len(pieces)} runs, one after the other: {pieces[0][0]} to {pieces[-1][1]}")
    context.log.info("backfill_sensor asks for them; switch it on under Automation")


@dg.job(
    description="Loads a range of dates of an exchange again, a few sessions a run: fill in the config, and"
    " switch backfill_sensor on."
)
def backfill() -> None:
    """Record a backfill; `backfill_sensor` asks for its runs."""
    record_backfill()


@dg.sensor(
    minimum_interval_seconds=30,
    jobs=[load_quotes],
    description="Asks for the next piece of a backfill when the piece before has ended: one at a time.",
)
def backfill_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Go on with the oldest backfill that can, unless a piece of any is being loaded."""
    reached: dict[str, int] = json.loads(context.cursor or "{}")
    wanted = RunsFilter(job_name=backfill.name, statuses=[DagsterRunStatus.SUCCESS])
    # All there are, and not the newest: one that has not finished may be older than any number of others.
    runs = context.instance.get_runs(wanted)
    reached = {run.run_id: reached.get(run.run_id, 0) for run in runs}
    places = []
    for run in reversed(runs):
        if reached[run.run_id] != _FINISHED:
            place = _place(context.instance, _of(run), reached[run.run_id])
            reached[run.run_id] = _FINISHED if place is None else place.number
            places += [place] if place else []
    busy = any(place.past.working for place in places)
    due = [place for place in places if place.past.due and not busy][:1]
    return dg.SensorResult(
        run_requests=[place.request() for place in due],
        skip_reason=None
        if due
        else "; ".join(place.words() for place in places) or "no backfill is asked for, or all are finished",
        cursor=json.dumps(reached),
    )


_FINISHED = -1


@dataclass(frozen=True)
class _Place:
    """Where a backfill is: its first piece that has not succeeded."""

    of: Backfill
    number: int
    pieces: list[tuple[date, date]]
    past: Tries

    def words(self) -> str:
        first, last = self.pieces[self.number]
        state = f"failed {self.past.runs} times and rests" if self.past.runs else "waits"
        state = "is being loaded" if self.past.working else state
        return (
            f"{self.of.exchange}: piece {self.number + 1} of {len(self.pieces)}, {first} to {last}, {state}"
        )

    def request(self) -> dg.RunRequest:
        ask = _ask(self.of, self.pieces[self.number])
        return exchange_date_run(
            self.of.exchange,
            self.of.exchange,
            *self.pieces[self.number],
            run_key=run_key(ask, self.past.runs),
            job_name=load_quotes.name,
            tags={TAG: ask, "dagster/priority": "-1", CAUSE: f"backfill {self.of.request}"},
        )


def _place(instance: dg.DagsterInstance, one: Backfill, number: int) -> _Place | None:
    """Return where a backfill is, from a piece on; None if it is finished."""
    pieces = one.pieces()
    for i in range(number, len(pieces)):
        past = tries(instance, _ask(one, pieces[i]))
        if not past.succeeded:
            return _Place(one, i, pieces, past)
    return None


def _of(run: dg.DagsterRun) -> Backfill:
    ops: Any = run.run_config["ops"]
    config = ops[record_backfill.name]["config"]
    return Backfill(
        run.run_id,
        config["exchange"],
        date.fromisoformat(config["first"]),
        date.fromisoformat(config["last"]),
        config.get("chunk", Range.model_fields["chunk"].default),
    )


def _ask(one: Backfill, piece: tuple[date, date]) -> str:
    return f"backfill:{one.request}:{one.exchange}:{piece[0]}..{piece[1]}"


SCHEDULES = [trailing_backfill]
SENSORS = [backfill_sensor]
JOBS = [backfill]
