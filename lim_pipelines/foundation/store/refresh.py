"""One exchange's series of one frequency, brought from one cutoff to a later one.

What does not belong here: several of them, locks and files (`updating.py`).

Bars behind the last stored one are appended. Where a bar that is stored is another now, the series is written
anew from there on, at another place. A series that comes out as it was stays where it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl

from lim_pipelines.foundation import data
from lim_pipelines.foundation.store import changes
from lim_pipelines.foundation.store.stretches import ends_from, stretches
from lim_pipelines.foundation.store.writer import Extent, Writer
from lim_pipelines.lake import Past
from lim_pipelines.schemas import VALIDATED_BARS

Key = tuple[str, str]
"""Asset class and instrument."""

_BEGINNING, _NEVER = -(2**62), 2**62
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 86_400_000_000
_DAYS = 5
"""Bars that make a longer one, about."""

_NOBODY = ""
"""Instrument of a row that only shows how late it is."""


@dataclass
class Refresh:
    """Series of an exchange and a frequency while they are brought up to date.

    Parameters
    ----------
    writer
        Where rows go.
    past
        Past of the cutoff: all that is read.
    exchange, freq
        Which series.
    cutoff
        The cutoff.
    extents
        The series as they are; they become what they are to be.

    Attributes
    ----------
    rewritten : set
        Series of which a stored bar is another now, or gone.
    """

    writer: Writer
    past: Past
    exchange: str
    freq: str
    cutoff: date
    extents: dict[Key, Extent]

    def __post_init__(self) -> None:
        self.before = {key: replace(extent) for key, extent in self.extents.items()}
        self.here = changes.wanted(self.exchange, data.RESAMPLED.get(self.freq, self.freq))
        self._to_come: dict[str, int] = {}
        self.rewritten: set[Key] = set()

    def run(self, changed: pl.DataFrame) -> None:
        """Read again what has changed, and all that comes of it.

        Parameters
        ----------
        changed
            Columns of `changes.CHANGES`, of the bars that the series are made of.

        Raises
        ------
        LookAheadError
            A bar was not known at the cutoff.
        """
        if self.freq in data.RESAMPLED:
            self._longer(changed)
        else:
            self._as_they_are(changed)
        for key, extent in list(self.extents.items()):
            old = self.before.get(key)
            if not extent.length:
                del self.extents[key]
            elif old is None or (extent.offset, extent.length) != (old.offset, old.length):
                self.writer.seal(extent, (self.exchange, key[0], self.freq, key[1]))
                if old is not None and extent.digest == old.digest:
                    self.extents[key] = old
                    self.rewritten.discard(key)

    def _as_they_are(self, changed: pl.DataFrame) -> None:
        late: list[tuple[object, ...]] = []
        fresh: list[tuple[object, ...]] = []
        keys = self._keys()
        for instrument, since, day, rows in changed.iter_rows():
            kept = [(key, self._first_at(key, since)) for key in keys.get(instrument, ())]
            kept = [(key, first) for key, first in kept if first < self.extents[key].length]
            start = since
            for key, first in kept:
                rows += self.extents[key].length - first
                self._rewind(key, first)
                # The last bar that stays is read again: the next one's return starts from its close.
                start = min(start, self.extents[key].last_ts if first else _BEGINNING)
            (late if kept else fresh).append((instrument, start, day, rows))
        for group in (late, fresh):
            starts = pl.DataFrame(group, schema=changes.CHANGES, orient="row")
            self._expect(starts, 1)
            # Where nothing was, whatever is there has changed.
            for frame in stretches(self.past, self.here, starts, _COLUMNS, every=not self.before):
                self._append(frame)

    def _longer(self, changed: pl.DataFrame) -> None:
        over = self._over(changed)
        starts = self._late_weeks(changed.filter(pl.col("first") < max(over.values(), default=date.min)))
        for frame in self._whole_weeks(starts):
            self._append(self._made_of(frame.filter(pl.col("date") < _of_class(over)), over))
        earliest = min(over.values(), default=date.min)
        here = self.here & (pl.col("date") >= earliest)
        starts = changes.everything(self.past, here)
        self._expect(starts, _DAYS)
        carried: list[pl.DataFrame] = []
        for frame in stretches(self.past, here, starts, VALIDATED_BARS.schema.names(), every=True):
            # What is not over yet waits for the bar that shows that it is.
            there = pl.concat([*carried, frame]).filter(pl.col("date") >= _of_class(over))
            made = data.longer(there, self.freq, self.cutoff)
            self._append(made)
            ends = made.group_by("asset_class").agg(pl.col("ts").max().to_physical())
            over |= {asset_class: _week_after(ts) for asset_class, ts in ends.iter_rows()}
            carried = [there]

    def _over(self, changed: pl.DataFrame) -> dict[str, date]:
        """Return, by asset class, the first session behind the weeks made; if made anew, the first ever."""
        last: dict[str, int] = {}
        for (asset_class, _), extent in self.extents.items():
            last[asset_class] = max(last.get(asset_class, _BEGINNING), extent.last_ts)
        over = {asset_class: _week_after(ts) for asset_class, ts in last.items()}
        if not over or changed.filter(pl.col("first") < max(over.values())).is_empty():
            return over
        asked = pl.col("instrument_id").is_in(changed["instrument_id"].to_list())
        there = self.past.read(
            VALIDATED_BARS, as_of=self.past.moment, where=self.here & (ends_from(min(last.values())) | asked)
        )
        shown = dict(
            there.group_by("asset_class").agg(pl.col("ts").max().to_physical()).collect().iter_rows()
        )
        for asset_class in {*last, *shown}:
            # Nothing stored of a class, or nobody shows any more that its last week is over.
            if shown.get(asset_class, _BEGINNING) < last.get(asset_class, _NEVER):
                over[asset_class] = date.min
                for key in [key for key in self.extents if key[0] == asset_class]:
                    self._rewind(key, 0)
        return over

    def _late_weeks(self, reached: pl.DataFrame) -> pl.DataFrame:
        """Have weeks made anew in which a bar has changed; return what to read for it (`changes.CHANGES`)."""
        late, keys = [], self._keys()
        for instrument, _, day, rows in reached.iter_rows():
            start = day if keys.get(instrument) else date.min
            for key in keys.get(instrument, ()):
                ts = self._ts(key)
                first = int(np.searchsorted(ts, _midnight(_monday(day)), side="right"))
                # The last week that stays is made again, too: the next one's return starts from its close.
                start = min(start, _week_after(int(ts[first - 2])) if first > 1 else date.min)
                if first < len(ts):
                    self._rewind(key, first)
            late.append((instrument, _midnight(start) - _DAY, start, rows))
        return pl.DataFrame(late, schema=changes.CHANGES, orient="row")

    def _whole_weeks(self, starts: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """Bars of some instruments in stretches that cut no week in two."""
        carried: list[pl.DataFrame] = []
        sessions = starts.select("instrument_id", "first")
        for frame in stretches(self.past, self.here, starts, VALIDATED_BARS.schema.names()):
            mine = frame.join(sessions, on="instrument_id").filter(pl.col("date") >= pl.col("first"))
            there = pl.concat([*carried, mine.select(frame.columns)])
            week = pl.col("date").dt.truncate("1w")
            last = there.select(week.max()).item()
            carried = [there.filter(week == last)]
            yield there.filter(week < last)
        yield from carried

    def _made_of(self, frame: pl.DataFrame, over: dict[str, date]) -> pl.DataFrame:
        """Resample bars of weeks of which other instruments have shown that they are over."""
        if frame.is_empty():
            return frame
        shown = (
            frame.group_by("asset_class")
            .head(1)
            .with_columns(
                instrument_id=pl.lit(_NOBODY),
                ts=(_of_class(over) + pl.duration(weeks=1)).cast(frame.schema["ts"]),
            )
        )
        made = data.longer(pl.concat([frame, shown.select(frame.columns)]), self.freq, self.cutoff)
        return made.filter(pl.col("instrument_id") != _NOBODY)

    def _append(self, frame: pl.DataFrame) -> None:
        """Append bars, an instrument's in order of time, to its series."""
        if frame.is_empty():
            return
        frame = frame.select(_COLUMNS)
        keys = ["asset_class", "instrument_id"]
        last = pl.DataFrame(
            [(*key, one.last_ts, one.last_close) for key, one in self.extents.items() if one.length],
            schema=dict.fromkeys(keys, pl.String) | {"last": pl.Int64, "close": pl.Float64},
            orient="row",
        )
        if last.height:
            before = last.with_columns(
                ts=pl.col("last").cast(frame.schema["ts"]),
                known_at=pl.col("last").cast(frame.schema["known_at"]),
                exchange=pl.lit(self.exchange),
                freq=pl.lit(self.freq),
                ex_factor=pl.lit(1.0),
            ).drop("last")
            later = frame.join(last.drop("close"), on=keys, how="left")
            # Where the last bar itself was read again, its close is not known from before.
            again = later.filter(pl.col("ts").to_physical() == pl.col("last")).select(keys)
            later = later.filter((pl.col("ts").to_physical() >= pl.col("last")).fill_null(True)).drop("last")
            before = before.join(again, on=keys, how="anti").join(later, on=keys, how="semi")
            frame = pl.concat([later, before], how="diagonal")
        closes = frame.group_by(keys).agg(pl.col("close").sort_by("ts").last())
        close = {(name, instrument): value for name, instrument, value in closes.iter_rows()}
        for series in data.series_from(frame):
            key = (series.asset_class, series.instrument_id)
            extent = self.extents.setdefault(key, Extent())
            self._to_come[key[1]] = max(0, self._to_come.get(key[1], 0) - len(series))
            self.writer.put(extent, series, self._to_come[key[1]])
            extent.last_close = close[key]
            data.refuse_later(extent.newest, self.cutoff, f"{self.exchange} {self.freq}")

    def _expect(self, starts: pl.DataFrame, of: int) -> None:
        """Say how many rows there will be, of some bars each, so that series get room at once."""
        self._to_come = {
            name: rows // of + 1 for name, rows in starts.select("instrument_id", "rows").iter_rows()
        }

    def _keys(self) -> dict[str, list[Key]]:
        keys: dict[str, list[Key]] = {}
        for key in self.extents:
            keys.setdefault(key[1], []).append(key)
        return keys

    def _ts(self, key: Key) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        extent = self.extents[key]
        return self.writer.shelf.ts[extent.offset : extent.offset + extent.length]

    def _first_at(self, key: Key, moment: int) -> int:
        """First row of a series that ends at a moment or later."""
        return int(np.searchsorted(self._ts(key), moment))

    def _rewind(self, key: Key, first: int) -> None:
        """Have a series written anew from a row on."""
        extent = self.extents[key]
        self.writer.move(extent, first, extent.length)
        self.rewritten.add(key)


_COLUMNS = [
    *("exchange", "date", "instrument_id", "freq", "ts", "open", "high", "low", "close", "volume"),
    *("ex_factor", "asset_class", "known_at"),
]
"""What series are made of."""


def _of_class(days: dict[str, date]) -> pl.Expr:
    """Return a day by each row's asset class."""
    if not days:
        return pl.lit(date.min)
    return pl.col("asset_class").replace_strict(days, default=date.min, return_dtype=pl.Date)


def _monday(day: date) -> date:
    """Return the first day of a day's week; of the first week there is, its first day."""
    return max(day, date.min + timedelta(days=day.weekday())) - timedelta(days=day.weekday())


def _week_after(end: int) -> date:
    """Return the Monday behind the week whose last session ends at a moment."""
    # Where trading never rests a week ends with the midnight that the next one begins.
    day = (_EPOCH + timedelta(microseconds=end - 1)).date()
    return _monday(day) + timedelta(weeks=1)


def _midnight(day: date) -> int:
    return (datetime(day.year, day.month, day.day, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
