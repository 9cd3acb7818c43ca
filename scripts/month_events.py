"""What arrives in the month: a file a session and exchange, and everything that goes wrong with files.

What does not belong here: the processes (`month_machine.py`), what they make of it (`month.py`).

The bars are those of the embedded data under names of their own, as feeds with a mapping, because embedded
data need no file. `December 2018` has what a year has: a day of mourning (2018-12-05), Christmas, and half a
day before it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import yaml

from lim_pipelines.exchanges import sessions
from lim_pipelines.sources import collect

EXCHANGES = ("XNAS", "XNYM", "XNYS", "XSIM")
FIRST, LAST = date(2018, 11, 27), date(2018, 12, 31)
FEW = 3
"""Simulated instruments that are taken: the others are like them."""
BROUGHT = timedelta(hours=23, minutes=30)
"""Time of day, UTC, at which the vendor brings the files of a session: all have closed."""
MORNING = timedelta(hours=12)
DRIFT_FROM, DRIFT = 15, 40.0
"""Session from which volumes of XSIM are that many times higher."""

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


def _of_exchange(mic: str, wanted: list[date]) -> list[Arrival]:
    folder = f"feed/month_{mic.lower()}"
    start = _at(wanted[0], MORNING)
    found = [Arrival(start, f"{folder}/mapping.yaml", _mapping(mic), "the feed's mapping")]
    contents = _contents(mic, wanted)
    odd = {trouble.session: trouble for trouble in TROUBLES if trouble.exchange == mic}
    for i, day in enumerate(wanted):
        if day not in contents:
            continue
        brought, path, content = _at(day, BROUGHT), f"{folder}/{day}.csv", contents[day]
        if i not in odd:
            found.append(Arrival(brought, path, content))
            continue
        trouble = odd[i]
        then = wanted[min(i + trouble.after, len(wanted) - 1)]
        later = _at(then, MORNING if then > day else BROUGHT + timedelta(minutes=10))
        found += _odd(trouble.kind, path, content, brought, later)
    return found


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


def _contents(mic: str, wanted: list[date]) -> dict[date, str]:
    """Return the embedded daily bars as a csv a session."""
    rows = collect({mic}, wanted[0], wanted[-1], Path("no landing folder")).rows
    few = sorted(rows.filter(pl.col("freq") == "1d")["symbol"].unique())[:FEW]
    drifts = pl.col("date").is_in(wanted[DRIFT_FROM:]) & pl.lit(mic == "XSIM")
    frame = (
        rows.filter((pl.col("freq") == "1d") & pl.col("symbol").is_in(few))
        .with_columns(
            date=pl.col("ts").dt.convert_time_zone("America/New_York").dt.date(),
            symbol=pl.lit("M_") + pl.col("symbol").str.to_uppercase(),
        )
        .with_columns(volume=pl.when(drifts).then(pl.col("volume") * DRIFT).otherwise("volume"))
        .select("symbol", "date", *_COLUMNS[1:])
        .sort("symbol")
    )
    return {day: part.write_csv() for (day,), part in frame.partition_by("date", as_dict=True).items()}


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
