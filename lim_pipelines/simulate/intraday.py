"""From log returns to bars in cents: daily bars, and minute bars that add up to them.

What does not belong here: where the returns come from (`processes.py`, `xsim.py`).

Between open and close the log price is a Brownian bridge whose variance is U-shaped over the day. Instruments
without minute bars take high and low from the exact distribution of a bridge's extremes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from lim_pipelines.schemas import UTC_TIME
from lim_pipelines.simulate.processes import Floats, ar1, stream

FULL_SESSION = 390
"""Minutes of a full session; half days have fewer."""
INTRADAY_VARIANCE = 0.8
"""Share of a session's variance that falls between open and close; the rest is overnight."""


@dataclass(frozen=True)
class Bars:
    """Prices to the cent, volume in shares, volatility between open and close; arrays (sessions, n)."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    vol: Floats


@dataclass(frozen=True)
class Minutes:
    """Minute bars, arrays (sessions, FULL_SESSION, n); `length` (sessions,) says how many are real.

    `first` is the row of the session grid that `length[0]` belongs to.
    """

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    length: Floats
    first: int


def daily_bars(seed: int, returns: Floats, vol: Floats) -> Bars:
    """Daily bars of all instruments.

    Parameters
    ----------
    seed
        Seed of the simulation.
    returns, vol
        Close-to-close log returns and their standard deviations, shape (sessions, n).
    """
    count, width = returns.shape
    start = np.exp(stream(seed, "start").uniform(np.log(20), np.log(200), width))
    log_close = np.log(start) + np.cumsum(returns, axis=0)
    before = np.vstack([np.log(start), log_close[:-1]])
    inside = vol * np.sqrt(INTRADAY_VARIANCE)
    # The overnight part shares in the day's return and has noise of its own, which the day takes back.
    gap_noise = stream(seed, "overnight").standard_normal((count, width))
    share = 1 - INTRADAY_VARIANCE
    log_open = before + share * returns + gap_noise * vol * np.sqrt(share * INTRADAY_VARIANCE)

    move = log_close - log_open
    draws = np.log(1 - stream(seed, "range").random((count, 2, width)))
    up = (move + np.sqrt(move**2 - 2 * inside**2 * draws[:, 0])) / 2
    down = (move - np.sqrt(move**2 - 2 * inside**2 * draws[:, 1])) / 2
    open_, close = _cents(np.exp(log_open)), _cents(np.exp(log_close))
    high = np.maximum(_cents(np.exp(log_open + up)), np.maximum(open_, close))
    low = np.minimum(_cents(np.exp(log_open + down)), np.minimum(open_, close))

    size = stream(seed, "size").uniform(np.log(2e5), np.log(5e6), width)
    mood = ar1(stream(seed, "mood").standard_normal((count, width)), half_life=15, std=0.3)
    noise = 0.25 * stream(seed, "volume").standard_normal((count, width))
    volume = np.round(np.exp(size + mood + noise) * (0.7 + 0.5 * np.abs(returns) / vol))
    return Bars(open_, high, low, close, volume, inside)


def minute_bars(seed: int, daily: Bars, columns: list[int], first: int, grid: pl.DataFrame) -> Minutes:
    """Minute bars of some instruments from session row `first` on, from the daily open to the daily close."""
    lengths = grid[first:].select((pl.col("close") - pl.col("open")).dt.total_minutes())
    length = lengths.to_series().to_numpy().astype(np.float64)
    count, width = len(length), len(columns)
    minute = np.arange(FULL_SESSION)
    shape = 1 + 2.5 * np.exp(-minute / 20) + 1.0 * np.exp((minute - FULL_SESSION) / 30)
    # Minutes after an early close get no variance and no volume: the path rests at the close.
    weight = np.where(minute < length[:, None], shape, 0.0)
    weight = (weight / weight.sum(axis=1, keepdims=True))[:, :, None]
    elapsed = np.cumsum(weight, axis=1)

    def of_day(values: Floats) -> Floats:
        return values[first:, None, columns]

    steps = stream(seed, "minute").standard_normal((count, FULL_SESSION, width)) * np.sqrt(weight)
    walk = np.cumsum(steps, axis=1)
    bridge = walk - elapsed * walk[:, -1:]
    log_open, log_close = np.log(of_day(daily.open)), np.log(of_day(daily.close))
    path = log_open + (log_close - log_open) * elapsed + of_day(daily.vol) * bridge
    close = _cents(np.exp(path))
    open_ = np.concatenate([of_day(daily.open), close[:, :-1]], axis=1)
    reach = 0.4 * of_day(daily.vol) * np.sqrt(weight)
    wick = np.abs(stream(seed, "wick").standard_normal((count, FULL_SESSION, 2, width)))
    high = np.maximum(
        _cents(np.maximum(open_, close) * np.exp(reach * wick[:, :, 0])), np.maximum(open_, close)
    )
    low = np.minimum(
        _cents(np.minimum(open_, close) * np.exp(-reach * wick[:, :, 1])), np.minimum(open_, close)
    )

    part = weight * stream(seed, "minute volume").standard_gamma(3.0, (count, FULL_SESSION, width))
    total = of_day(daily.volume)
    volume = np.floor(total * part / part.sum(axis=1, keepdims=True))
    # What rounding left over goes to the closing auction, so that the minutes add up to the day.
    rows = np.arange(count)
    volume[rows, length.astype(int) - 1] += total[:, 0] - volume.sum(axis=1)
    return Minutes(open_, high, low, close, volume, length, first)


def with_minutes(daily: Bars, minutes: Minutes, columns: list[int], first: int) -> Bars:
    """Daily bars whose highs and lows are those of the minute bars, where there are any."""
    high, low = daily.high.copy(), daily.low.copy()
    high[first:, columns] = minutes.high.max(axis=1)
    low[first:, columns] = minutes.low.min(axis=1)
    return replace(daily, high=high, low=low)


def long_frame(values: dict[str, Floats], names: list[str], grid: pl.DataFrame) -> pl.DataFrame:
    """Frame of (sessions, n) arrays: columns date, symbol and one a value, in the order of `names`."""
    days = grid.select("date").select(pl.col("date").repeat_by(len(names)).explode())
    symbols = pl.Series("symbol", names * grid.height)
    return days.with_columns(symbols, *(pl.Series(k, v.ravel()) for k, v in values.items()))


def daily_frame(daily: Bars, names: list[str], grid: pl.DataFrame) -> pl.DataFrame:
    """Daily bars as a frame with the columns of `Simulated.bars`."""
    frame = long_frame(_fields(daily), names, grid).join(
        grid.select("date", ts="close"), on="date", maintain_order="left"
    )
    return frame.select("symbol", "date", pl.lit("1d").alias("freq"), "ts", *_fields(daily))


def minute_frame(minutes: Minutes, names: list[str], columns: list[int], grid: pl.DataFrame) -> pl.DataFrame:
    """Minute bars with the columns of `Simulated.bars`; minutes after an early close are dropped."""
    days = grid[minutes.first :].select("date", "open", length=pl.Series(minutes.length))
    minute = pl.DataFrame({"minute": np.arange(1, FULL_SESSION + 1)})
    symbols = pl.DataFrame({"symbol": [names[i] for i in columns]})
    rows = days.join(minute, how="cross", maintain_order="left_right")
    rows = rows.join(symbols, how="cross", maintain_order="left_right")
    rows = rows.with_columns(pl.Series(k, v.ravel()) for k, v in _fields(minutes).items() if k != "open")
    ts = (pl.col("open") + pl.duration(minutes="minute")).cast(UTC_TIME)
    rows = rows.with_columns(ts.alias("ts")).with_columns(pl.Series("open", minutes.open.ravel()))
    rows = rows.filter(pl.col("minute") <= pl.col("length"))
    return rows.select("symbol", "date", pl.lit("1m").alias("freq"), "ts", *_fields(minutes))


def _fields(bars: Bars | Minutes) -> dict[str, Floats]:
    return {name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")}


def _cents(values: Floats) -> Floats:
    return np.round(values, 2)
