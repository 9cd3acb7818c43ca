"""Coverage: of the bars that the calendar leads one to expect, how many there are, by instrument and time.

What does not belong here: how it is drawn (`heatmap.py`), alternative data (`issuers.py`), whether a bar is
right (`validate/`), SQL (`dbt_project/`).

An instrument is expected from its first bar to its end: the end its listing tells, or the newest session of
its exchange. Without a bar for more than `QUIET_SESSIONS` sessions it counts as ended after its last one: a
share that was delisted years ago is no gap, and the page shows it as ended.

A session of daily bars is there or not. Of intraday bars it is there by the share of the instrument's own
usual number of bars, in proportion to the session's length: hours differ between instruments of an exchange,
and nobody trades in every second.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from lim_pipelines.exchanges import FIRST_CALENDAR_YEAR, sessions
from lim_pipelines.lake import AsOf, Lake
from lim_pipelines.panorama.gaps import Gap, longest_gaps
from lim_pipelines.panorama.grid import FEW_ROWS, UNITS, Grid, grid_of, unit_for
from lim_pipelines.reference import known_listings
from lim_pipelines.schemas import CORPORATE_ACTIONS, INTRADAY, VALIDATED_BARS

QUIET_SESSIONS = 20
"""Sessions without a bar after which an instrument counts as ended; about a month."""

USUAL_QUANTILE = 0.9
"""Of the bars a session: a session with fewer than nine in ten of its instrument's has lost some."""

_WORST = 30
_DETAIL = timedelta(days=365)
_LONG = timedelta(days=3 * 365)
"""A span from which a year is shown in detail beside the whole."""


@dataclass(frozen=True)
class Coverage:
    """How complete the bars are.

    Parameters
    ----------
    grids
        One heat map an exchange and bar length, and of a long span one more of a year in detail.
    lives
        One row an exchange, bar length and instrument: exchange, freq, instrument_id, first, last, end,
        ended, have (sessions with bars), expected.
    gaps
        The longest stretches without bars.
    """

    grids: tuple[Grid, ...]
    lives: pl.DataFrame
    gaps: tuple[Gap, ...]


LIVES = pl.Schema(
    {
        "exchange": pl.String,
        "freq": pl.String,
        "instrument_id": pl.String,
        "first": pl.Date,
        "last": pl.Date,
        "end": pl.Date,
        "ended": pl.Boolean,
        "have": pl.Float64,
        "expected": pl.Int64,
    }
)


def coverage(lake: Lake, *, as_of: AsOf, most_gaps: int = 30) -> Coverage:
    """Measure how complete `validated_bars` is.

    Parameters
    ----------
    lake
        Lake to read; bars are counted where they lie, in a stream.
    as_of
        Moment, or `LATEST`.
    most_gaps
        How many gaps to list.

    Returns
    -------
    Coverage
        Bars of weeks and months are left out: they follow from the shorter ones.
    """
    bars = lake.read(VALIDATED_BARS, as_of=as_of, where=pl.col("freq").is_in([*INTRADAY, "1d"]))
    spans = (
        bars.group_by("exchange", "freq")
        .agg(first=pl.col("date").min(), last=pl.col("date").max())
        .collect(engine="streaming")
        .sort("exchange", "freq")
    )
    ends = known_ends(lake, as_of)
    grids: list[Grid] = []
    lives: list[pl.DataFrame] = [pl.DataFrame(schema=LIVES)]
    gaps: list[Gap] = []
    for mic, freq, first, last in spans.iter_rows():
        here = bars.filter((pl.col("exchange") == mic) & (pl.col("freq") == freq))
        days = _Days.of(mic, first, last)
        cells = _cells(here, days, unit_for(first, last), by_day=freq != "1d")
        life = _lives(mic, freq, cells, here, days, ends)
        grids += _grids(f"{mic}, bars of {freq}", here, life, cells, days, (first, last))
        lives.append(life)
        gaps += longest_gaps(here, life, days.dates, most_gaps)
    longest = sorted(gaps, key=lambda gap: (-gap.sessions, gap.instrument_id, gap.first))[:most_gaps]
    return Coverage(tuple(grids), pl.concat(lives), tuple(longest))


def _grids(
    title: str,
    bars: pl.LazyFrame,
    life: pl.DataFrame,
    cells: pl.DataFrame,
    days: _Days,
    span: tuple[date, date],
) -> Iterator[Grid]:
    """Yield the maps of one exchange: the whole, of a long one a year in detail, of many the worst."""
    unit = unit_for(*span)
    yield _grid(title, life, cells, days, unit, span)
    if span[1] - span[0] > _LONG:
        begin, end = _busy_year(cells)
        span = max(begin, span[0]), min(end, span[1])
        unit, usual = unit_for(*span), _usual(cells)
        near = bars.filter(pl.col("date").is_between(*span))
        cells = _cells(near, days, unit, by_day=life["freq"][0] != "1d", usual=usual)
        life = life.filter((pl.col("first") <= span[1]) & (pl.col("end") >= span[0]))
        title = f"{title}: {span[0]} to {span[1]} in detail"
        yield _grid(title, life, cells, days, unit, span)
    if life.height > FEW_ROWS:
        # In a map of thousands a row is the mean of many, and what one of them misses is hardly seen.
        begins = np.searchsorted(days.dates, life["first"].clip(span[0]).to_numpy())
        ends = np.searchsorted(days.dates, life["end"].clip(None, span[1]).to_numpy(), side="right")
        have = cells.group_by("instrument_id").agg(here=pl.col("have").sum())
        lost = life.join(have, on="instrument_id", how="left", maintain_order="left").with_columns(
            lost=pl.Series(ends - begins) - pl.col("here").fill_null(0.0)
        )
        worst = lost.filter(pl.col("lost") > 0.5).sort("lost", "instrument_id", descending=[True, False])
        if worst.height:
            few = worst.head(_WORST).select(life.columns)
            yield _grid(f"{title}: the {few.height} that miss most", few, cells, days, unit, span)


@dataclass(frozen=True)
class _Days:
    """Sessions of an exchange: dates (n,), and their lengths as a share of the longest (n,)."""

    dates: np.ndarray
    length: np.ndarray
    frame: pl.DataFrame

    @classmethod
    def of(cls, mic: str, first: date, last: date) -> _Days:
        early = date(FIRST_CALENDAR_YEAR, 1, 1)
        frame = sessions(mic, max(first, early), last)
        seconds = (frame["close"] - frame["open"]).dt.total_seconds().to_numpy()
        length = seconds / seconds.max() if frame.height else seconds
        return cls(frame["date"].to_numpy(), length, frame.select("date").with_columns(length=length))


def _cells(
    bars: pl.LazyFrame, days: _Days, unit: str, *, by_day: bool, usual: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Sessions with bars by instrument and period: instrument_id, bin, have, usual.

    Of two kinds of prices (bids, asks) the one with more bars counts.
    """
    bin_of = pl.col("date").dt.truncate(UNITS[unit]) if UNITS[unit] else pl.col("date")
    keys = ["instrument_id", "price_type"]
    if not by_day:
        counted = bars.group_by(*keys, bin_of.alias("bin")).agg(have=pl.len().cast(pl.Float64))
        cells = counted.collect(engine="streaming").with_columns(usual=pl.lit(1.0))
    else:
        daily = bars.group_by(*keys, "date").agg(bars=pl.len()).collect(engine="streaming")
        daily = daily.group_by("instrument_id", "date").agg(pl.col("bars").max()).join(days.frame, on="date")
        full = pl.col("bars") / pl.col("length")
        if usual is None:
            usual = daily.group_by("instrument_id").agg(usual=full.quantile(USUAL_QUANTILE, "nearest"))
        there = (full / pl.col("usual")).clip(0.0, 1.0)
        cells = (
            daily.join(usual, on="instrument_id")
            .group_by("instrument_id", bin_of.alias("bin"))
            .agg(have=there.sum(), usual=pl.col("usual").first())
        )
    return cells.group_by("instrument_id", "bin").agg(pl.col("have").max(), pl.col("usual").max())


def _usual(cells: pl.DataFrame) -> pl.DataFrame:
    return cells.group_by("instrument_id").agg(pl.col("usual").max())


def known_ends(lake: Lake, as_of: AsOf) -> pl.DataFrame:
    """Return when instruments end, where a listing or a delisting tells: instrument_id, known_end."""
    listed = (
        known_listings(lake)
        .group_by("instrument_id")
        .agg(
            # One listing without an end is enough for the instrument to go on.
            known_end=pl.when(pl.coalesce("expiry", "last").is_null().any())
            .then(None)
            .otherwise(pl.coalesce("expiry", "last").max())
        )
    )
    gone = lake.read(CORPORATE_ACTIONS, as_of=as_of, where=pl.col("kind") == "delisting")
    delisted = gone.group_by("instrument_id").agg(known_end=pl.col("ex_date").max()).collect()
    both = pl.concat([listed, delisted]).drop_nulls()
    return both.group_by("instrument_id").agg(pl.col("known_end").min())


def _lives(
    mic: str, freq: str, cells: pl.DataFrame, bars: pl.LazyFrame, days: _Days, ends: pl.DataFrame
) -> pl.DataFrame:
    spans = (
        bars.group_by("instrument_id")
        .agg(first=pl.col("date").min(), last=pl.col("date").max())
        .collect(engine="streaming")
    )
    have = cells.group_by("instrument_id").agg(pl.col("have").sum())
    frame = spans.join(have, on="instrument_id").join(ends, on="instrument_id", how="left")
    newest = days.dates[-1]
    first = np.searchsorted(days.dates, frame["first"].to_numpy())
    after = np.searchsorted(days.dates, frame["last"].to_numpy(), side="right")
    quiet = len(days.dates) - after > QUIET_SESSIONS
    last, known = frame["last"].to_numpy(), frame["known_end"].to_numpy()
    told = ~np.isnat(known)
    end = np.where(told, np.minimum(np.fmax(known, last), newest), np.where(quiet, last, newest))
    expected = np.searchsorted(days.dates, end, side="right") - first
    return frame.select(
        pl.lit(mic).alias("exchange"),
        pl.lit(freq).alias("freq"),
        "instrument_id",
        "first",
        "last",
        end=pl.Series(end).cast(pl.Date),
        ended=pl.Series(end < newest),
        have="have",
        expected=pl.Series(expected, dtype=pl.Int64),
    )


def _busy_year(cells: pl.DataFrame) -> tuple[date, date]:
    """First and last day of the newest year with at least half of the busiest year's sessions."""
    by_year = cells.group_by(year=pl.col("bin").dt.year()).agg(pl.col("have").sum()).sort("year")
    busy = by_year.filter(pl.col("have") >= pl.col("have").max() / 2)["year"]
    year = int(busy[-1])
    return date(year, 1, 1), date(year, 1, 1) + _DETAIL


def _grid(
    title: str, life: pl.DataFrame, cells: pl.DataFrame, days: _Days, unit: str, span: tuple[date, date]
) -> Grid:
    """Lay sessions that are there over those expected."""
    first, last = span
    began = pl.max_horizontal("first", pl.lit(first))
    life = life.sort(began, pl.col("have") / pl.col("expected"), "instrument_id")
    wanted = days.dates[(days.dates >= np.datetime64(first)) & (days.dates <= np.datetime64(last))]
    starts = pl.Series(wanted).cast(pl.Date)
    if UNITS[unit]:
        starts = starts.dt.truncate(UNITS[unit])
    starts = starts.unique().sort()
    edges = np.append(starts.to_numpy(), np.datetime64(last) + np.timedelta64(1, "D"))
    at = np.searchsorted(days.dates, edges)
    begin = np.searchsorted(days.dates, life["first"].to_numpy())[:, None]
    end = np.searchsorted(days.dates, life["end"].to_numpy(), side="right")[:, None]
    low, high = np.maximum(at[:-1], begin), np.minimum(at[1:], end)
    return grid_of(
        title,
        unit,
        "sessions with bars",
        "instruments",
        life["instrument_id"].to_list(),
        starts,
        cells.select("bin", "have", name="instrument_id"),
        expected=np.clip(high - low, 0, None).astype(float),
        ended=life["ended"].to_numpy()[:, None] & (at[:-1] >= end),
    )
