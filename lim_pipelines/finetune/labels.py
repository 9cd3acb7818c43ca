"""Daily total returns, what a forecast is compared with, and the scale it is made in.

What does not belong here: model inputs (`foundation/windows.py`), when a label counts as known (`sample.py` reads
bars as of the cutoff, so a label that is not known is simply not there).

Timing: a decision at session d sees its close; the fill is at the close of d+1; so the label over h sessions is
the log total return from the close of d+1 to that of d+1+h, counted in the instrument's own sessions.
"""

from __future__ import annotations

import polars as pl

VOL_SESSIONS = 60
"""Trailing sessions of the volatility in which forecasts and labels are measured."""

_MIN_VOL_SESSIONS = 20
_MIN_VOL = 1e-4


def daily_returns(bars: pl.DataFrame) -> pl.DataFrame:
    """Log total returns of daily bars.

    Parameters
    ----------
    bars
        One row an instrument and date (columns exchange, instrument_id, date, close, ex_factor), freq 1d.

    Returns
    -------
    pl.DataFrame
        Columns exchange, instrument_id, date, close, log_return: log(close_t / (close_{t-1} ex_factor_t)), null on
        the first bar and where a price is not positive; sorted by instrument and date.
    """
    before = pl.col("close").shift().over("instrument_id") * pl.col("ex_factor")
    ratio = pl.col("close") / before
    return (
        bars.sort("instrument_id", "date")
        .with_columns(log_return=pl.when((pl.col("close") > 0) & (before > 0)).then(ratio.log()))
        .select("exchange", "instrument_id", "date", "close", "log_return")
    )


def with_labels(returns: pl.DataFrame, horizon: int) -> pl.DataFrame:
    """Add the realised label, the trailing volatility and the last return to daily returns.

    Parameters
    ----------
    returns
        As from `daily_returns`.
    horizon
        Sessions h, at least 1.

    Returns
    -------
    pl.DataFrame
        The rows with: label, the log total return from the close of d+1 to that of d+1+h, null where the bars do not
        reach that far; volatility, the standard deviation of a session's log return over the last `VOL_SESSIONS`
        (floored at 1 basis point), null on short history; past_return, the return of the last h sessions.
    """
    window = pl.col("log_return")
    total = window.rolling_sum(horizon)
    deviation = window.rolling_std(VOL_SESSIONS, min_samples=_MIN_VOL_SESSIONS)
    return returns.with_columns(
        label=total.shift(-(horizon + 1)).over("instrument_id"),
        volatility=deviation.clip(lower_bound=_MIN_VOL).over("instrument_id"),
        past_return=total.over("instrument_id"),
    )
