"""Splits and dividends from LEAN's factor files (`equity/<market>/factor_files/<firm>.csv`).

A row holds the last date on which a pair of factors applies, the price factor (dividends), the split
factor, and the close of that date. Their level depends on everything that came later, so it is hindsight.
The change from one row to the next depends only on what went ex on the session after the row's date, and
that was announced before its open. Only the change is used, on that session, so bars stay point-in-time;
Yahoo's adjusted closes in `bokeh_stocks.py` are treated in the same way.

What does not belong here: whose factor file it is (`maps.py`), which bar carries the factor (`bars.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from lim_pipelines.sources.lean.paths import roots
from lim_pipelines.sources.lean.reference_files import numbered_rows, refused

_SPLIT_TERMS = 100
_SPLIT_DIGITS = 1e-5
"""LEAN writes split factors to seven digits; a ratio of two that close to a fraction of small numbers is
it."""
_SAME = 1e-7


@dataclass(frozen=True)
class Event:
    """What went ex on the session after a date.

    Parameters
    ----------
    after
        Last date without it.
    split
        What it multiplies the close of `after` by because of a split, spin-off or stock dividend; 1 if none.
    dividend
        What it multiplies that close by because of cash; 1 if none.
    amount
        Cash a share; 0 if none.
    file, line
        Where it is written.
    """

    after: date
    split: float
    dividend: float
    amount: float
    file: str
    line: int

    @property
    def ratio(self) -> float:
        """What it multiplies the previous close by, all told."""
        return self.split * self.dividend


def events_of(landing: Path, root: str, market: str, firm: str) -> tuple[Event, ...]:
    """Everything that went ex, in order of time; empty if the firm has no factor file."""
    for other in roots(root):
        file = f"{other}/equity/{market}/factor_files/{firm}.csv"
        where = landing / file
        if where.is_file():
            return _events(landing, file, where.stat().st_mtime_ns)
    return ()


@lru_cache(maxsize=4096)
def _events(landing: Path, file: str, mtime_ns: int) -> tuple[Event, ...]:
    rows = []
    for line, fields in numbered_rows(landing, file, 4, fill="0"):  # Older files have no close.
        try:
            day, (price, split, close) = date.fromisoformat(fields[0]), map(float, fields[1:])
            if not (price > 0 and split > 0):
                raise ValueError("a factor is not positive")
        except ValueError as error:
            raise refused(f"{file}, line {line}", error, "row of a factor file") from error
        rows.append((line, day, price, split, close))
    events = []
    for (line, after, price, split, close), (_, _, next_price, next_split, _) in pairwise(rows):
        dividend = price / next_price
        ratio = _split(split / next_split)
        if abs(dividend - 1) < _SAME and abs(ratio - 1) < _SAME:
            continue
        # The dividend comes off the close, the split divides what is left.
        events.append(Event(after, ratio, dividend, round(close * (1 - dividend), 4), file, line))
    return tuple(events)


def _split(ratio: float) -> float:
    simple = float(Fraction(ratio).limit_denominator(_SPLIT_TERMS))
    if ratio > 1:
        simple = 1 / float(Fraction(1 / ratio).limit_denominator(_SPLIT_TERMS))
    return simple if abs(simple / ratio - 1) < _SPLIT_DIGITS else ratio
