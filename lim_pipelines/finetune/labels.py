"""Daily total returns, what a forecast is compared with, and the scale it is made in.

What does not belong here: model inputs (`foundation/windows.py`), when a label counts as known
(`train.py` reads bars as of the cutoff, so a label that is not known is simply not there).

Timing: a decision at session d sees its close; the fill is at the close of d+1; so the label over h
sessions is the log total return from the close of d+1 to that of d+1+h, counted in the instrument's own
sessions.
"""

from __future__ import annotations

import polars as pl

SESSIONS_PER_YEAR = 252
"""What per-day figures are annualised with."""

VOL_SESSIONS = 60
"""Trailing sessions of the volatility in which forecasts and labels are measured."""

MIN_VOL_SESSIONS = 20
"""Fewest of them that give a volatility."""

_MIN_VOL = 1e-4


def daily_returns(bars: pl.DataFrame) -> pl.DataFrame:
    """Log total returns of daily bars.

    Parameters
    ----------
    bars
        Bars as in `VALIDATED_BARS`, one revision a bar; only freq 1d is used. A price that is not positive
        counts as missing: the next return reaches over it.

    Returns
    -------
    pl.DataFrame
        Columns exchange, instrument_id, date, ts, close, log_return: log(close_t / (close_{t-1}
        ex_factor_t)), null on the first bar; sorted by instrument and date.
    """
    # The cumulative factor keeps an ex-date whose own bar is missing.
    change = (pl.col("close") / pl.col("_ex")).log().diff()
    return (
        bars.filter(pl.col("freq") == "1d")
        .sort("instrument_id", "date")
        .with_columns(_ex=pl.col("ex_factor").cum_prod().over("instrument_id"))
        .filter(pl.col("close") > 0)
        .with_columns(log_return=change.over("instrument_id"))
        .select("exchange", "instrument_id", "date", "ts", "close", "log_return")
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
        The rows with: label, the log total return from the close of d+1 to that of d+1+h, null where the
        bars do not reach that far; volatility, the standard deviation of a session's log return over the
        last `VOL_SESSIONS` (floored at 1 basis point), null on short history; past_return, the return of
        the last h sessions.
    """
    window = pl.col("log_return")
    total = window.rolling_sum(horizon)
    deviation = window.rolling_std(VOL_SESSIONS, min_samples=MIN_VOL_SESSIONS)
    return returns.with_columns(
        label=total.shift(-(horizon + 1)).over("instrument_id"),
        label_end=pl.col("date").shift(-(horizon + 1)).over("instrument_id"),
        volatility=deviation.clip(lower_bound=_MIN_VOL).over("instrument_id"),
        past_return=total.over("instrument_id"),
    )
