"""Bars of one instrument at one frequency as the p variables that the model reads.

What does not belong here: choosing windows (`windows.py`), scaling (`scaling.py`), torch.

A value that is missing, or that a non-positive price would make undefined, is NaN; nothing is filled in.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from lim_pipelines.exchanges import get_exchange, sessions
from lim_pipelines.foundation.config import FREQS

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

VARIABLES: tuple[str, ...] = ("close", "open", "high", "low", "volume")
"""The p variables, in model order: log total return; log of open over the previous close (both ex-adjusted);
log of high and of low over the close; log(1 + volume). Rows of trained tables: append only."""

CALENDAR: tuple[str, ...] = ("weekday", "day", "month", "time", "gap", "session")
"""Time features of a bar, in model order: weekday, day of month, month and local time of day of the bar's
end, each a cycle over [-0.5, 0.5); the log of the time since the previous bar over the bar's length; and the
share of its session that is over at the bar's end, less a half (0.5 for daily and longer bars)."""

CYCLES: tuple[str, ...] = ("weekday", "day", "month", "time")
"""Those of `CALENDAR` that begin anew."""

DAY = 86_400_000_000
"""Microseconds."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BAR_LENGTH_US = {
    "1s": 1e6,
    "15s": 15e6,
    "1m": 60e6,
    "5m": 300e6,
    "20m": 1200e6,
    "1h": 3600e6,
    "1d": 86400e6,
    "1w": 604800e6,
}
"""Length of a bar, in microseconds, by frequency."""

WHOLE_SESSIONS = ("1d", "1w")
"""Frequencies whose bars end with a session."""


@dataclass(frozen=True)
class Series:
    """One instrument at one frequency: X of section 4.1, of shape (T, p).

    Parameters
    ----------
    instrument_id, exchange, asset_class, freq
        Which series it is.
    ts
        (T,) end of each bar, microseconds since 1970, UTC, increasing.
    known_at
        (T,) first moment each bar was known, microseconds since 1970, UTC.
    values
        (T, p) float32, the columns of `VARIABLES`; NaN where missing. Row 0 has no return.
    calendar
        (T, k) float32, the columns of `CALENDAR`.
    """

    instrument_id: str
    exchange: str
    asset_class: str
    freq: str
    ts: Ints
    known_at: Ints
    values: Floats
    calendar: Floats

    def __len__(self) -> int:
        return len(self.ts)


def microseconds(moment: str) -> int:
    """Microseconds since 1970, UTC, of an ISO 8601 moment with an offset."""
    return (datetime.fromisoformat(moment) - _EPOCH) // timedelta(microseconds=1)


def iso(microseconds: int) -> str:
    """ISO 8601, UTC, of microseconds since 1970, UTC."""
    return (_EPOCH + timedelta(microseconds=microseconds)).isoformat()


def _log(ratio: pl.Expr) -> pl.Expr:
    return pl.when((ratio > 0) & ratio.is_finite()).then(ratio.log())


def _positive(price: str) -> pl.Expr:
    return pl.when(pl.col(price) > 0).then(pl.col(price))


def _before(values: pl.Expr) -> pl.Expr:
    """Values of the instrument's row before; null in its first."""
    instrument = pl.col("instrument_id")
    return pl.when(instrument == instrument.shift(1)).then(values.shift(1))


def _variables() -> list[pl.Expr]:
    close = _positive("close")
    previous = _before(close) * _positive("ex_factor")
    volume = pl.col("volume")
    return [
        _log(close / previous).alias("close"),
        _log(_positive("open") / previous).alias("open"),
        _log(_positive("high") / close).alias("high"),
        _log(_positive("low") / close).alias("low"),
        pl.when(volume >= 0).then(volume.log1p()).alias("volume"),
    ]


def _gap(freq: str) -> pl.Expr:
    gap = (pl.col("ts") - _before(pl.col("ts"))).dt.total_microseconds() / BAR_LENGTH_US[freq]
    return gap.log().fill_null(0.0).alias("gap")


def _cycles(timezone: str) -> list[pl.Expr]:
    local = pl.col("ts").dt.convert_time_zone(timezone)
    # Hours and minutes come as 8-bit numbers: products of them wrap round.
    hour, minute, second = (
        part.cast(pl.Float64) for part in (local.dt.hour(), local.dt.minute(), local.dt.second())
    )
    seconds = hour * 3600 + minute * 60 + second
    return [
        ((local.dt.weekday() - 1) / 7 - 0.5).alias("weekday"),
        ((local.dt.day() - 1) / 31 - 0.5).alias("day"),
        ((local.dt.month() - 1) / 12 - 0.5).alias("month"),
        (seconds / 86_400 - 0.5).alias("time"),
    ]


def _clock(ts: pl.Series, timezone: str) -> Floats:
    """`CYCLES` of bars' ends, (T, 4), once a moment: instruments share theirs, and clocks are slow."""
    moments = ts.unique().sort()
    found = _floats(moments.to_frame(), _cycles(timezone))
    return found[np.searchsorted(moments.to_numpy(), ts.to_numpy())]


def _ordered(frame: pl.DataFrame) -> pl.DataFrame:
    """Sort bars by instrument and time: by the instruments' numbers, as comparing names is slow."""
    names = frame["instrument_id"]
    number = names.cast(pl.Enum(names.unique().sort())).to_physical()
    return frame[np.lexsort((frame["ts"].to_physical(), number))]


def _with_session(frame: pl.DataFrame) -> pl.DataFrame:
    """Add how much of its session is over at each bar's end, less a half: `session`."""
    if frame["freq"][0] in WHOLE_SESSIONS:
        return frame.with_columns(session=pl.lit(0.5))
    first, last = frame.select(first=pl.col("date").min(), last=pl.col("date").max()).row(0)
    hours = sessions(frame["exchange"][0], first, last).select("date", opens="open", closes="close")
    over = (pl.col("ts") - pl.col("opens")) / (pl.col("closes") - pl.col("opens"))
    return frame.join(hours, on="date", how="left", maintain_order="left").with_columns(
        session=over.clip(0, 1).fill_null(0.5) - 0.5
    )


def _floats(frame: pl.DataFrame, exprs: list[pl.Expr]) -> Floats:
    columns = frame.select(e.cast(pl.Float32).fill_null(float("nan")) for e in exprs)
    return np.ascontiguousarray(columns.to_numpy(), dtype=np.float32)


def parts_of(bars: pl.DataFrame, *columns: str) -> list[pl.DataFrame]:
    """Cut bars into those of equal values in some columns; without copying where there is one value only."""
    if bars.is_empty():
        return []
    if all((bars[name] == bars[name][0]).all() for name in columns):
        return [bars]
    return bars.partition_by(*columns, maintain_order=True)


def build_series(bars: pl.DataFrame) -> list[Series]:
    """Turn bars into series.

    Parameters
    ----------
    bars
        Rows of the table VALIDATED_BARS, one row a key (read as of some moment), in any order.

    Returns
    -------
    list of Series
        One for each instrument and frequency, sorted by exchange, instrument and frequency.

    Raises
    ------
    UnknownExchangeError
        A bar names an exchange that is not registered.
    ValueError
        A frequency has no embedding.
    """
    out: list[Series] = []
    # Whole markets at once: thousands of short series, built one by one at each decision, are slow.
    for part in parts_of(bars, "exchange", "freq"):
        exchange, freq = part["exchange"][0], part["freq"][0]
        if freq not in FREQS:
            raise ValueError(
                f"{part['instrument_id'][0]}: frequency {freq!r} has no embedding (known: {', '.join(FREQS)})"
            )
        ordered = _with_session(_ordered(part))
        out += series_of_market(ordered, get_exchange(exchange).timezone)
    return sorted(out, key=lambda series: (series.exchange, series.instrument_id, series.freq))


def series_of_market(frame: pl.DataFrame, timezone: str) -> list[Series]:
    """Series of one exchange and frequency.

    Parameters
    ----------
    frame
        Bars sorted by instrument and time, with `session`, a column of `CALENDAR`.
    timezone
        IANA zone of the exchange's clock.
    """
    freq = frame["freq"][0]
    ts, known_at = (frame[name].dt.epoch("us").to_numpy() for name in ("ts", "known_at"))
    own, p = _floats(frame, [*_variables(), _gap(freq), pl.col("session")]), len(VARIABLES)
    values = np.ascontiguousarray(own[:, :p])
    calendar = np.concatenate([_clock(frame["ts"], timezone), own[:, p:]], axis=1)
    runs = frame.select(pl.col("instrument_id").rle()).unnest("instrument_id")
    classes = frame["asset_class"]
    out, start = [], 0
    for rows, instrument_id in runs.iter_rows():
        mine = slice(start, start + rows)
        out.append(
            Series(
                instrument_id=instrument_id,
                exchange=frame["exchange"][0],
                asset_class=classes[start],
                freq=freq,
                ts=ts[mine],
                known_at=known_at[mine],
                values=values[mine],
                calendar=calendar[mine],
            )
        )
        start += rows
    return out
