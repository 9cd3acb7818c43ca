"""From what a vendor writes as the time of a bar to its session date and its end in UTC.

What does not belong here: which sessions an exchange has (`exchanges/`), which rows are refused for it
(`verdict.py`).

A local time that occurs twice, or never, on the night the clocks change is not guessed: its row gets no `ts`.
The order of rows would settle some of them, but a file may be out of order, and one hour of the year is not
worth a wrong one.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from functools import lru_cache

import polars as pl

from lim_pipelines.exchanges import FIRST_CALENDAR_YEAR, get_exchange, session_of
from lim_pipelines.schemas import INTRADAY, UTC_TIME
from lim_pipelines.sources.base import RejectedFileError
from lim_pipelines.sources.clock import last_second, session_grid
from lim_pipelines.sources.tabular.format import EPOCHS, Origin, TableFormat

CALENDAR_START = date(FIRST_CALENDAR_YEAR, 1, 1)
_WALL = pl.Datetime("us")
_MANY_YEARS = 100
_TWO_DAYS_MS = 2 * 86_400_000
_EPOCH_REACH = 250 * 365 * 86_400
"""Seconds around 1970; a count beyond is of another unit, and no date that polars or Python can hold."""
_PERIOD = {"1w": "1w", "1mo": "1mo"}
_ISO = tuple(f"%Y-%m-%d{between}%H:%M{rest}" for between in (" ", "T") for rest in (":%S", ":%S%.f", ""))


def stamped(when: pl.Series, mic: str, freq: str, form: TableFormat, origin: Origin) -> pl.DataFrame:
    """Session date and end of bars of one exchange and one length.

    Parameters
    ----------
    when
        What the vendor writes: text, counts, dates or moments.
    mic
        Registered exchange.
    freq
        Bar length.
    form, origin
        How the time is written, and in which file.

    Returns
    -------
    pl.DataFrame
        A row a bar, in the order given: date, ts (UTC), and `ambiguous`, which says that the local time is
        not one moment. Nulls in date where the time cannot be read; nulls in ts also on dates that no
        calendar reaches.
    """
    latest = origin.arrived_at.date() + timedelta(days=1)
    if freq not in INTRADAY:
        days = _days(when, mic, form, origin)
        return _ends(days, mic, freq, latest).with_columns(ambiguous=pl.lit(False))
    zone = form.time.timezone or get_exchange(mic).timezone
    wall, moment = _moments(when, form, origin)
    ambiguous = None
    if moment is None:
        moment = _utc(wall, zone)
        ambiguous = moment.is_null() & wall.is_not_null()
    elif wall.null_count() < len(wall):
        local = _utc(wall, zone)
        ambiguous = local.is_null() & wall.is_not_null()
        moment = moment.zip_with(moment.is_not_null(), local)
    if form.time.stamp == "start":
        moment = moment + INTRADAY[freq]
    day = _session_dates(moment, mic, latest)
    if ambiguous is not None and ambiguous.any():
        day = day.zip_with(day.is_not_null(), wall.dt.date())
    return pl.DataFrame({"date": day, "ts": moment}).with_columns(
        ambiguous=pl.lit(False) if ambiguous is None else ambiguous
    )


def file_date(form: TableFormat, origin: Origin) -> date:
    """Date in the name of a file.

    Raises
    ------
    RejectedFileError
        file_name: there is none.
    """
    found = re.search(form.time.file_date or "$", origin.name)
    try:
        return date.fromisoformat(found.group(1))  # type: ignore[union-attr]
    except (AttributeError, IndexError, ValueError) as error:
        raise RejectedFileError(
            origin.path,
            "file_name",
            f"{origin.name} does not hold a date YYYYMMDD as {form.time.file_date!r} wants it",
            "name it as the vendor does",
        ) from error


def _days(when: pl.Series, mic: str, form: TableFormat, origin: Origin) -> pl.Series:
    """Dates as they read on the clock of the table."""
    if when.dtype == pl.Date:
        return when
    zone = form.time.timezone or get_exchange(mic).timezone
    if isinstance(when.dtype, pl.Datetime):
        return (when.dt.convert_time_zone(zone) if when.dtype.time_zone else when).dt.date()
    if form.time.format == "ms_of_day":
        day = pl.Series([file_date(form, origin)], dtype=pl.Date).new_from_index(0, len(when))
        return pl.select(pl.when(when.is_not_null()).then(day)).to_series()
    if form.time.format in EPOCHS:
        return _from_epoch(when, form).dt.convert_time_zone(zone).dt.date()
    if form.time.format != "iso":
        return when.str.to_date(form.time.format, strict=False, cache=False)
    day = when.str.to_date("%Y-%m-%d", strict=False, cache=False)
    if day.null_count() == when.null_count():
        return day
    wall, moment = _iso(when)
    # A date that is written with an offset is the one that is written.
    written = when.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False, cache=False)
    readable = wall.is_not_null() if moment is None else wall.is_not_null() | moment.is_not_null()
    rest = pl.select(pl.when(readable).then(written)).to_series()
    return day.zip_with(day.is_not_null(), rest)


def _moments(when: pl.Series, form: TableFormat, origin: Origin) -> tuple[pl.Series, pl.Series | None]:
    """Wall-clock times, and moments for what is absolute (None: nothing is)."""
    nothing = pl.Series([None], dtype=_WALL).new_from_index(0, len(when))
    if when.dtype == pl.Date:  # A day is no time of day.
        return nothing, None
    if isinstance(when.dtype, pl.Datetime):
        if when.dtype.time_zone:
            return nothing, when.dt.convert_time_zone("UTC").cast(UTC_TIME)
        return when.cast(_WALL), None
    if form.time.format == "ms_of_day":
        within = when.is_between(0, _TWO_DAYS_MS)
        since = (when * 1000).cast(pl.Duration("us"))
        midnight = pl.lit(file_date(form, origin)).cast(_WALL)
        return pl.select(pl.when(within).then(midnight + pl.lit(since))).to_series(), None
    if form.time.format in EPOCHS:
        return nothing, _from_epoch(when, form)
    if form.time.format == "iso":
        return _iso(when)
    if re.search(r"%[:#]?z|%\+|%s", form.time.format):
        moment = when.str.to_datetime(
            form.time.format, strict=False, time_unit="us", time_zone="UTC", cache=False
        )
        return nothing, moment
    return when.str.to_datetime(form.time.format, strict=False, time_unit="us", cache=False), None


def _from_epoch(when: pl.Series, form: TableFormat) -> pl.Series:
    unit = EPOCHS[form.time.format]
    reach = _EPOCH_REACH * {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    counts = pl.select(pl.when(when.is_between(-reach, reach)).then(when)).to_series()
    return pl.from_epoch(counts, time_unit=unit).cast(_WALL).dt.replace_time_zone("UTC")


def _iso(when: pl.Series) -> tuple[pl.Series, pl.Series | None]:
    """ISO 8601 texts; the layout of the first is tried alone first, as a rule all are alike."""
    first = when[when.is_not_null().arg_max() or 0] if len(when) else None
    alike = _layout(first) if first else None
    if alike:
        wall = when.str.to_datetime(alike, strict=False, time_unit="us", cache=False)
        if wall.null_count() == when.null_count():
            return wall, None
    text = when.str.replace("[zZ]$", "+00:00")
    wall = pl.select(
        pl.coalesce(text.str.to_datetime(f, strict=False, time_unit="us", cache=False) for f in _ISO)
    ).to_series()
    moment = pl.select(
        pl.coalesce(
            text.str.to_datetime(f + "%:z", strict=False, time_unit="us", time_zone="UTC", cache=False)
            for f in _ISO
        )
    ).to_series()
    return wall, moment


def _layout(text: str) -> str | None:
    if len(text) < 16 or text[10] not in " T" or re.search(r"([zZ]|[+-]\d\d:?\d\d)$", text[16:]):
        return None
    return f"%Y-%m-%d{text[10]}%H:%M" + {16: "", 19: ":%S"}.get(len(text), ":%S%.f")


def _utc(wall: pl.Series, zone: str) -> pl.Series:
    """Moments of wall-clock times; null where there is not exactly one."""
    if zone == "UTC":
        return wall.dt.replace_time_zone("UTC")
    first, last = wall.min(), wall.max()
    if first is None or last.year - first.year > _MANY_YEARS:  # type: ignore[union-attr]
        return _utc_of_each(wall, zone)
    # On most days the clock is not changed: one subtraction then, instead of a search of the zone's history.
    offsets = _offsets(zone, first.year, last.year)  # type: ignore[union-attr]
    day = wall.dt.date().cast(pl.Int32) - _number(date(first.year, 1, 1))  # type: ignore[union-attr]
    moment = (wall - offsets.gather(day.cast(pl.UInt32))).dt.replace_time_zone("UTC")
    if moment.null_count() > wall.null_count():
        places = (moment.is_null() & wall.is_not_null()).arg_true()
        moment = moment.scatter(places, _utc_of_each(wall.gather(places), zone))
    return moment


def _utc_of_each(wall: pl.Series, zone: str) -> pl.Series:
    return wall.dt.replace_time_zone(zone, ambiguous="null", non_existent="null").dt.convert_time_zone("UTC")


@lru_cache(maxsize=128)
def _offsets(zone: str, first_year: int, last_year: int) -> pl.Series:
    """Offset of the clock from UTC on every day; null on days on which it is changed."""
    days = pl.date_range(date(first_year, 1, 1), date(last_year + 1, 1, 1), eager=True).cast(_WALL)
    midnight = days.dt.replace_time_zone(zone, ambiguous="null", non_existent="null")
    offset = midnight.dt.base_utc_offset() + midnight.dt.dst_offset()
    steady = offset == offset.shift(-1)
    return pl.select(pl.when(steady).then(offset)).to_series().head(len(days) - 1).cast(pl.Duration("us"))


def _session_dates(moment: pl.Series, mic: str, latest: date) -> pl.Series:
    """Session that holds a moment, else the date on the exchange's clock."""
    zone = get_exchange(mic).timezone
    near = moment.is_between(pl.lit(CALENDAR_START), pl.lit(latest + timedelta(days=1)))
    known = moment if near.all() else pl.select(pl.when(near).then(moment)).to_series()
    session = session_of(mic, known)["date"]
    if session.null_count():
        places = session.is_null().arg_true()
        session = session.scatter(places, moment.gather(places).dt.convert_time_zone(zone).dt.date())
    return session


def _ends(days: pl.Series, mic: str, freq: str, latest: date) -> pl.DataFrame:
    """Last session and last close of the period that holds each day."""
    table = _period_ends(mic, freq, latest.year)
    place = days.cast(pl.Int32) - _number(CALENDAR_START)
    if (len(place) and (place.min() or 0) < 0) or (place.max() or 0) >= table.height:  # type: ignore[operator]
        place = pl.select(pl.when(place.is_between(0, table.height - 1)).then(place)).to_series()
    place = place.cast(pl.UInt32)
    ends = table["ts"].gather(place)
    if freq == "1d":
        return pl.DataFrame({"date": days, "ts": ends})
    last = table["last"].gather(place)
    return pl.DataFrame({"date": last.zip_with(last.is_not_null(), days), "ts": ends})


@lru_cache(maxsize=64)
def _period_ends(mic: str, freq: str, last_year: int) -> pl.DataFrame:
    """For every calendar day: last session and last close of its day, week or month.

    A period without session ends with its last day, on the exchange's clock: rows on closed days travel on
    and are quarantined by alignment.
    """
    days = pl.date_range(CALENDAR_START, date(last_year + 1, 12, 31), eager=True).alias("date").to_frame()
    closes = session_grid(mic, CALENDAR_START, date(last_year + 1, 12, 31)).select("date", "close")
    days = days.join(closes, on="date", how="left", maintain_order="left")
    days = days.with_columns(end=last_second(pl.col("date"), get_exchange(mic).timezone))
    if freq == "1d":
        return days.select("date", ts=pl.coalesce("close", "end"), last="date")
    days = days.with_columns(period=pl.col("date").dt.truncate(_PERIOD[freq]))
    session = pl.when(pl.col("close").is_not_null()).then("date")
    return days.select(
        "date",
        ts=pl.coalesce(pl.col("close").max().over("period"), pl.col("end").max().over("period")),
        last=pl.coalesce(session.max().over("period"), pl.col("date").max().over("period")),
    )


def _number(day: date) -> int:
    return (day - date(1970, 1, 1)).days
