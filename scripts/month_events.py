"""What arrives in the month: a file a session and exchange, and everything that goes wrong with files.

What does not belong here: the processes (`month_machine.py`), what they make of it (`month.py`).

The bars are those of the embedded data under names of their own, as feeds with a mapping, because embedded
data need no file. Each feed begins with its history. `December 2018` has what a year has: a day of mourning
(2018-12-05), Christmas, and half a day before it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path

import polars as pl
import yaml

from lim_pipelines.exchanges import sessions
from lim_pipelines.sources import collect

EXCHANGES = ("XNAS", "XNYM", "XNYS", "XSIM")
FIRST, LAST = date(2018, 11, 27), date(2018, 12, 31)
ARCHIVED_TO = date(2018, 9, 30)
"""What came before is imported at once; from then on history has daily partitions."""
BROUGHT = timedelta(hours=23, minutes=30)
"""Time of day, UTC, at which the vendor brings the files of a session: all have closed."""
MORNING = timedelta(hours=12)
WEEKEND = timedelta(days=1, hours=4)
"""From a Friday's midnight to when the weekly schedules have ticked."""
DRIFT_FROM, DRIFT = date(2018, 11, 12), 40.0
"""Session from which volumes of XSIM are that many times higher, as if the vendor had changed their unit.

The drift check compares 40 sessions, and half of the instruments of XSIM, the embedded ones, do not drift:
it needs weeks to be sure (docs/month.md)."""
LEFT_OUT, REMEMBERED = date(2018, 10, 15), 9
"""Session that XSIM's history leaves out, and number of the session on whose morning it comes after all.

It is declared history, known when it happened, so what was trained without it is stale. (A correction is
known from its arrival on: no cutoff before has read it.)"""
QUIET = {
    datetime(2018, 12, 24, 18, 20, tzinfo=UTC): "half a day is over",
    datetime(2019, 1, 1, 0, 10, tzinfo=UTC): "a new month has begun",
    datetime(2019, 1, 4, 0, 10, tzinfo=UTC): "the new month is three days old",
}
"""Moments at which nothing arrives and the platform has something to do, beside the weekends."""

_COLUMNS = ("symbol", "open", "high", "low", "close", "volume")


@dataclass(frozen=True)
class Trouble:
    """Something that goes wrong with a file.

    Parameters
    ----------
    kind
        late, corrected, duplicate, touched, truncated, wrong column or missing.
    exchange
        Market identifier.
    session
        Number of the session, from 0.
    after
        Sessions that pass until the file, or its second version, arrives.
    """

    kind: str
    exchange: str
    session: int
    after: int = 1


TROUBLES = (
    Trouble("corrected", "XSIM", 0),
    Trouble("corrected", "XNYS", 0),
    Trouble("late", "XNYS", 1, after=2),
    Trouble("duplicate", "XNAS", 2),
    Trouble("missing", "XNYM", 4),
    Trouble("truncated", "XNYS", 6),
    Trouble("touched", "XNAS", 8),
    Trouble("wrong column", "XNAS", 10),
    Trouble("corrected", "XNYS", 11, after=4),
    Trouble("late", "XNYM", 12, after=2),
)
"""`wrong column` is never mended."""


@dataclass(frozen=True)
class Arrival:
    """A file that arrives.

    Parameters
    ----------
    moment
        When, UTC; also the file's time.
    path
        Below the landing folder.
    content
        What is in it.
    about
        For people: what is odd about it; empty for what is as it should be.
    """

    moment: datetime
    path: str
    content: str
    about: str = ""

    def lay_down(self, landing: Path) -> None:
        """Put the file there, as the landing folder wants it: finished first, then named."""
        where = landing / self.path
        where.parent.mkdir(parents=True, exist_ok=True)
        part = where.with_name(f"{where.name}.part")
        part.write_text(self.content, encoding="utf-8")
        os.utime(part, (self.moment.timestamp(), self.moment.timestamp()))
        part.replace(where)


def days(count: int) -> list[date]:
    """Return the first sessions of the month, of all exchanges."""
    grid = sessions("XNYS", FIRST, LAST)
    return grid["date"].unique().sort().to_list()[:count]


def sessions_until(moment: Moment) -> list[date]:
    """Return the sessions of the month whose files have come at a moment, but for the late ones."""
    return [day for day in days(99) if _at(day, BROUGHT) <= moment.when]


@dataclass(frozen=True)
class Moment:
    """A moment at which the platform has something to do.

    Parameters
    ----------
    when
        UTC.
    files
        What arrives then.
    about
        For people: what happens if nothing arrives.
    """

    when: datetime
    files: tuple[Arrival, ...]
    about: str = ""


def moments(count: int, exchanges: Sequence[str] = EXCHANGES) -> list[Moment]:
    """Return the moments of the month's first sessions, in order; the first one brings the history.

    Parameters
    ----------
    count
        Sessions, 1 to 23.
    exchanges
        Market identifiers, of `EXCHANGES`.
    """
    end = _at(days(count + 1)[-1], MORNING) if count < len(days(99)) else max(QUIET) + MORNING
    arriving = groupby(arrivals(count, exchanges), lambda arrival: arrival.moment)
    quiet = QUIET | {
        _at(day, WEEKEND): "weekend: validation, drift, late data"
        for day in days(count)
        if day.weekday() == 4
    }
    found = [Moment(when, tuple(files)) for when, files in arriving]
    found += [Moment(when, (), about) for when, about in quiet.items() if when < end]
    return sorted(found, key=lambda moment: moment.when)


def arrivals(count: int, exchanges: Sequence[str] = EXCHANGES) -> list[Arrival]:
    """Return everything that arrives, in order.

    Parameters
    ----------
    count
        Sessions, 1 to 23.
    exchanges
        Market identifiers, of `EXCHANGES`.
    """
    found = [arrival for mic in exchanges for arrival in _of_exchange(mic, days(count))]
    return sorted(found, key=lambda arrival: (arrival.moment, arrival.path))


def _of_exchange(mic: str, wanted: list[date]) -> Iterator[Arrival]:
    folder, bars = f"feed/month_{mic.lower()}", _bars(mic)
    yield from _history(mic, folder, bars, wanted)
    contents = {
        day: part.write_csv()
        for (day,), part in bars.filter(pl.col("date").is_in(wanted))
        .partition_by("date", as_dict=True)
        .items()
    }
    odd = {trouble.session: trouble for trouble in TROUBLES if trouble.exchange == mic}
    for i, day in enumerate(wanted):
        if day not in contents:
            continue
        brought, path, content = _at(day, BROUGHT), f"{folder}/{day}.csv", contents[day]
        if i not in odd:
            yield Arrival(brought, path, content)
            continue
        trouble = odd[i]
        then = wanted[min(i + trouble.after, len(wanted) - 1)]
        later = _at(then, MORNING if then > day else BROUGHT + timedelta(minutes=10))
        yield from _odd(trouble.kind, path, content, brought, later)


def _history(mic: str, folder: str, bars: pl.DataFrame, wanted: list[date]) -> Iterator[Arrival]:
    """Return the feed's mapping, and what the vendor says happened before the first session."""
    start = _at(wanted[0], MORNING)
    yield Arrival(start, f"{folder}/mapping.yaml", _mapping(mic), "the feed's mapping")
    before = bars.filter(pl.col("date") < FIRST)
    old, new = before.filter(pl.col("date") <= ARCHIVED_TO), before.filter(pl.col("date") > ARCHIVED_TO)
    yield Arrival(start, f"{folder}/history/to_{ARCHIVED_TO}.csv", old.write_csv(), "history")
    left_out = new.filter((pl.col("date") == LEFT_OUT) & pl.lit(mic == "XSIM"))
    new = new.join(left_out, on=["symbol", "date"], how="anti")
    yield Arrival(start, f"{folder}/history/since_{ARCHIVED_TO}.csv", new.write_csv(), "history")
    if left_out.height and len(wanted) > REMEMBERED:
        then, text = _at(wanted[REMEMBERED], MORNING), left_out.write_csv()
        yield Arrival(then, f"{folder}/history/{LEFT_OUT}.csv", text, "history that was left out")


def _odd(kind: str, path: str, content: str, brought: datetime, later: datetime) -> list[Arrival]:
    """Return what arrives instead of one file: at its time, and later."""
    if kind == "missing":
        return []
    if kind == "late":
        return [Arrival(later, path, content, kind)]
    if kind == "wrong column":
        return [Arrival(brought, path, content.replace("close", "last", 1), kind)]
    if kind == "duplicate":
        other = path.replace(".csv", "_again.csv")
        return [Arrival(brought, path, content), Arrival(later, other, content, kind)]
    if kind == "touched":
        return [Arrival(brought, path, content), Arrival(later, path, content, kind)]
    if kind == "corrected":
        return [
            Arrival(brought, path, _off(content), "a close is wrong"),
            Arrival(later, path, content, kind),
        ]
    cut = content[: len(content) * 2 // 3]
    return [Arrival(brought, path, cut, kind), Arrival(later, path, content, "mended")]


def _off(content: str) -> str:
    """Return the table with another close in its first row: the middle of its day's range."""
    header, first, *rest = content.splitlines(keepends=True)
    cells = first.rstrip("\n").split(",")
    high, low = float(cells[3]), float(cells[4])
    cells[5] = repr(round((high + low) / 2, 6))
    return "".join([header, ",".join(cells) + "\n", *rest])


def _bars(mic: str) -> pl.DataFrame:
    """Return the embedded daily bars of what trades in the month, under other names, by session."""
    rows = collect({mic}, date(1980, 1, 1), LAST, Path("no landing folder")).rows
    drifts = (pl.col("date") >= DRIFT_FROM) & pl.lit(mic == "XSIM")
    return (
        rows.filter((pl.col("freq") == "1d") & (pl.col("date").max().over("symbol") >= FIRST))
        .with_columns(
            date=pl.col("ts").dt.convert_time_zone("America/New_York").dt.date(),
            symbol=pl.lit("M_") + pl.col("symbol").str.to_uppercase(),
        )
        .with_columns(volume=pl.when(drifts).then(pl.col("volume") * DRIFT).otherwise("volume"))
        .select("symbol", "date", *_COLUMNS[1:])
        .sort("date", "symbol")
    )


def _mapping(mic: str) -> str:
    kind = {"XNYM": "commodity", "XSIM": "equity"}.get(mic, "index")
    return yaml.safe_dump(
        {
            "exchange": mic,
            "freq": "1d",
            "time": {"columns": ["date"]},
            "columns": {name: name for name in _COLUMNS},
            "listed_as": {"asset_class": kind, "currency": "USD"},
        },
        sort_keys=False,
    )


def _at(day: date, time_of_day: timedelta) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + time_of_day
