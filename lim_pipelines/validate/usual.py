"""Which instruments a source usually delivers, and which of them have a bar in a session.

What does not belong here: when too few are there (`rules/partitions.py`), other figures of partitions
(`partitions.py`).

An instrument is usual for a source if it had daily bars of it in at least half of the source's sessions of
the weeks before. It is covered if it has a bar today, from whichever source: another vendor may have taken
over, or have corrected all of it since. Instruments that a source drops for good stay usual for about ten
sessions, also when these are held; then they are not usual any more.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

UNIT: Final = ["exchange", "date", "source"]
"""What a line of figures is about."""

USUAL_DAYS: Final = 30
"""Calendar days before a session in which its usual instruments are looked for: about 20 sessions."""

USUAL_SESSIONS: Final = 5
"""Sessions that these days must hold; before, nothing is usual."""

USUAL_SHARE: Final = 0.5
"""Share of these sessions in which an instrument has a bar to be usual."""

FEW_EXPECTED: Final = 20
"""Usual instruments below which a share of them says nothing."""

BACK: Final = 3
"""Sessions before that are named."""

_SCHEMA: Final = pl.Schema(
    {
        "exchange": pl.String(),
        "date": pl.Date(),
        "source": pl.String(),
        "usual": pl.Int64(),
        "coverage": pl.Float64(),
        "before": pl.List(pl.Date()),
    }
)


def usual_coverage(today: pl.DataFrame, days: pl.DataFrame, past: pl.DataFrame) -> pl.DataFrame:
    """Look for what each source usually delivers.

    Parameters
    ----------
    today
        Columns `UNIT` and as_of: sources of sessions, and when they were known.
    days
        Columns exchange, date, instrument_id: daily bars that stand, of all sources of these sessions.
    past
        Columns `UNIT`, instrument_id, known_at: daily bars of these and of earlier sessions, all revisions.

    Returns
    -------
    pl.DataFrame
        Columns `UNIT`; usual: number of instruments, null if below `FEW_EXPECTED` or in fewer than
        `USUAL_SESSIONS`; coverage: the share of them with a bar in the session; before: the source's last
        `BACK` sessions that were known then, the newest first.
    """
    # Text is slow to group by.
    of, bar = ["exchange", "source"], pl.col("instrument_id").cast(pl.Categorical).to_physical()
    coded = past.select(pl.col(*of).cast(pl.Categorical), "date", "known_at", bar=bar)
    given = coded.group_by(*of, "date", "bar").agg(pl.col("known_at").min()).sort("date")
    there = days.select("exchange", "date", bar=bar).unique().sort("date")
    of_source = given.with_columns(pl.col(of).cast(pl.String)).partition_by(of, as_dict=True)
    of_exchange = there.partition_by("exchange", as_dict=True)
    found: list[pl.DataFrame] = []
    for (mic, source), asked in today.group_by(of):
        found.append(_of_source(asked.sort("date"), of_exchange[(mic,)], of_source[(mic, source)]))
    return pl.concat([pl.DataFrame(schema=_SCHEMA), *found])


def _of_source(asked: pl.DataFrame, there: pl.DataFrame, given: pl.DataFrame) -> pl.DataFrame:
    """Do it for one source, session by session, on windows of arrays that are sorted by date."""
    date, known, bar = (given[name].to_physical().to_numpy() for name in ("date", "known_at", "bar"))
    today, now = (there[name].to_physical().to_numpy() for name in ("date", "bar"))
    bars, number = np.unique(bar, return_inverse=True)
    lines = []
    for day, as_of in asked.select(pl.col("date", "as_of").to_physical()).iter_rows():
        window = slice(*np.searchsorted(date, [day - USUAL_DAYS, day]))
        seen = known[window] <= as_of
        dates, numbers = date[window][seen], number[window][seen]
        sessions = dates[np.diff(dates, prepend=dates[:1] - 1) != 0]
        usual = bars[np.bincount(numbers, minlength=len(bars)) >= max(1, USUAL_SHARE * len(sessions))]
        covered = np.isin(usual, now[slice(*np.searchsorted(today, [day, day + 1]))]).sum()
        enough = len(sessions) >= USUAL_SESSIONS and len(usual) >= FEW_EXPECTED
        lines.append(
            (
                len(usual) if enough else None,
                float(covered) / len(usual) if enough else None,
                sessions[: -BACK - 1 : -1].tolist(),
            )
        )
    numbers_of_days = {"usual": pl.Int64(), "coverage": pl.Float64(), "before": pl.List(pl.Int32())}
    figures = pl.DataFrame(lines, schema=numbers_of_days, orient="row").cast({"before": pl.List(pl.Date)})
    return pl.concat([asked.select(UNIT), figures], how="horizontal")
