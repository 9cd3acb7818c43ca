"""Staleness: how long each source has been quiet, against its own habit.

What does not belong here: how it is drawn (`staleness_plot.py`), retraining when news arrives, whether a
delivery is complete (`coverage.py`).

A source's habit is the gaps between the moments at which its rows became known, over its last two years:
the median is its usual gap, the 99th percentile the longest that is no news. It is late after 1.25 times the
longest, silent after five times. Quotes are measured in sessions of their exchange, so that no weekend or
holiday makes one late; everything else in days.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import numpy as np
import polars as pl

from lim_pipelines.exchanges import FIRST_CALENDAR_YEAR, sessions
from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.schemas import (
    ALTERNATIVE_FILES,
    LANDING_FILES,
    VALIDATED_BARS,
    VALIDATED_EVENTS,
    VALIDATED_FACTS,
    VALIDATED_MACRO,
    VALIDATED_RELATIONS,
    VALIDATED_TEXTS,
    Table,
)
from lim_pipelines.sources.folder import HISTORY

FRESH, LATE, SILENT, NEW, CLOSED = "fresh", "late", "silent", "new", "history"
STATES: Final = {
    SILENT: "quiet for more than five times its longest usual gap",
    LATE: "quiet for more than 1.25 times its longest usual gap",
    NEW: "fewer than four deliveries: no habit yet",
    FRESH: "as usual",
    CLOSED: "declared history or a package: nothing more is expected",
}
"""What a state means; the most urgent first."""

LATE_AFTER, SILENT_AFTER = 1.25, 5.0
"""Times the longest usual gap."""

_HABIT = timedelta(days=730)
_FEWEST_GAPS = 3
_KINDS: tuple[tuple[str, Table, pl.Expr], ...] = (
    ("quotes", VALIDATED_BARS, pl.col("exchange")),
    ("macro", VALIDATED_MACRO, pl.col("series_id")),
    ("facts", VALIDATED_FACTS, pl.lit("")),
    ("events", VALIDATED_EVENTS, pl.lit("")),
    ("texts", VALIDATED_TEXTS, pl.lit("")),
    ("relations", VALIDATED_RELATIONS, pl.lit("")),
)
"""Kind, table, and what parts of a source are judged apart."""

SCHEMA: Final = pl.Schema(
    {
        "kind": pl.String(),
        "source": pl.String(),
        "part": pl.String(),
        "state": pl.String(),
        "rows": pl.Int64(),
        "newest_ts": pl.Datetime("us", "UTC"),
        "newest_known_at": pl.Datetime("us", "UTC"),
        "age": pl.Float64(),
        "usual": pl.Float64(),
        "longest": pl.Float64(),
        "unit": pl.String(),
    }
)
"""Columns of the table: kind (quotes, macro, facts, ...), source, part (exchange or series), state, rows,
newest moment described and known, age, usual and longest usual gap, and the unit of these three."""


@dataclass(frozen=True)
class Habit:
    """A source's gaps, in some unit.

    Parameters
    ----------
    usual
        Median gap; NaN with fewer than three gaps.
    longest
        99th percentile of the gaps, at least a half unit.
    """

    usual: float
    longest: float


def habit_of(moments: np.ndarray) -> Habit:
    """Measure the gaps between moments.

    Parameters
    ----------
    moments
        Numbers in the unit of the answer, sorted, shape (n,).
    """
    gaps = np.diff(np.unique(moments))
    if len(gaps) < _FEWEST_GAPS:
        return Habit(float("nan"), float("nan"))
    return Habit(float(np.median(gaps)), float(np.quantile(gaps, 0.99, method="higher")))


def state_of(age: float, habit: Habit, *, closed: bool) -> str:
    """Judge an age by a habit; `closed` for a source that is to bring no more."""
    if closed:
        return CLOSED
    if np.isnan(habit.longest):
        return NEW
    if age > SILENT_AFTER * habit.longest:
        return SILENT
    return LATE if age > LATE_AFTER * habit.longest else FRESH


def staleness(lake: Lake, now: datetime) -> pl.DataFrame:
    """Say of each source how old its news is.

    Parameters
    ----------
    lake
        Lake to read.
    now
        The moment against which ages are measured, UTC. Nothing known later is looked at.

    Returns
    -------
    pl.DataFrame
        `SCHEMA`, a row a source and part, the most urgent first.
    """
    feeds = living(lake)
    rows = [
        {
            "kind": kind,
            "source": source,
            "part": name,
            **_judged(kind, name, fed, now, closed=source not in feeds),
        }
        for kind, table, part in _KINDS
        for (source, name), fed in _deliveries(lake, table, part, now)
        .partition_by("source", "part", as_dict=True)
        .items()
    ]
    frame = pl.DataFrame(rows, schema=SCHEMA)
    urgency = pl.col("state").replace_strict({state: i for i, state in enumerate(STATES)})
    return frame.sort(urgency, -pl.col("age") / pl.col("longest"), "kind", "source", "part", nulls_last=True)


def living(lake: Lake) -> frozenset[str]:
    """Names of the sources that are fed: with a file in the landing folder that is not declared history."""
    landed = lake.read(LANDING_FILES, as_of=LATEST, where=~pl.col("history")).select("source")
    inside = pl.concat_str(pl.lit("/"), "path").str.contains(f"/{HISTORY}/", literal=True)
    other = lake.read(ALTERNATIVE_FILES, as_of=LATEST, where=~inside).select("source")
    return frozenset(pl.concat([landed, other]).unique().collect()["source"])


def remedy(row: dict[str, object]) -> str:
    """Say of a row of the table how late it is and what to do.

    Parameters
    ----------
    row
        A row of `SCHEMA`, by name.
    """
    where = f" ({row['part']})" if row["part"] else ""
    newest = row["newest_known_at"]
    assert isinstance(newest, datetime)
    return (
        f"{row['kind']} of {row['source']}{where}: {row['state']}, nothing since {newest:%Y-%m-%d %H:%M} UTC,"
        f" {row['age']:.3g} {row['unit']} ago (usually {row['usual']:.3g}, at most {row['longest']:.3g})."
        f" See whether files came into landing/{row['source']}, whether the asset landing_files or the"
        " quarantine refuses them, and whether the sensors run; else ask the vendor. A source that is to"
        f" bring no more belongs below landing/{row['source']}/{HISTORY}/"
    )


def _judged(kind: str, part: str, fed: pl.DataFrame, now: datetime, *, closed: bool) -> dict[str, object]:
    """Columns of a row from `state` on."""
    newest: datetime = fed["newest_known_at"].sort()[-1]
    known = fed["known_at"].sort()
    if kind == "quotes":
        unit, clock = "sessions", _sessions_closed(part, known[0].date(), now)
    else:
        unit, clock = "days", _days
    moments = clock(known.filter(known >= newest - _HABIT))
    habit = habit_of(moments)
    age = float(np.diff(clock(pl.Series([newest, now])))[0])
    return {
        "state": state_of(age, habit, closed=closed),
        "rows": fed["rows"].sum(),
        "newest_ts": fed["newest_ts"].max(),
        "newest_known_at": newest,
        "age": age,
        "usual": habit.usual,
        "longest": habit.longest,
        "unit": unit,
    }


def _deliveries(lake: Lake, table: Table, part: pl.Expr, now: datetime) -> pl.DataFrame:
    """Rows by source, part and hour in which they became known.

    Columns source, part, known_at (the hour), rows, newest_ts, newest_known_at. Hours and not microseconds:
    a year of minute bars has 100,000 moments an instrument, and no habit is told in less than hours.
    """
    rows = lake.revisions(table, pl.col("known_at") <= now)
    keys = ["source", part.alias("part"), pl.col("known_at").dt.truncate("1h").alias("hour")]
    counted = rows.group_by(keys).agg(
        rows=pl.len().cast(pl.Int64), newest_ts=pl.col("ts").max(), newest_known_at=pl.col("known_at").max()
    )
    return counted.rename({"hour": "known_at"}).collect(engine="streaming").sort("source", "part")


def _days(moments: pl.Series) -> np.ndarray:
    """Moments in days since 1970, shape (n,)."""
    return moments.cast(pl.Datetime("us", "UTC")).dt.timestamp("us").to_numpy() / 86_400e6


def _sessions_closed(mic: str, first: date, now: datetime) -> Callable[[pl.Series], np.ndarray]:
    """Return the clock of an exchange: how many sessions had closed at each moment, shape (n,)."""
    early = max(first - timedelta(days=7), date(FIRST_CALENDAR_YEAR, 1, 1))
    closes = sessions(mic, early, now.date() + timedelta(days=1))["close"]
    days = _days(closes)
    return lambda moments: np.searchsorted(days, _days(moments), side="right").astype(float)
