"""A record by calendar month, by year, and by how stormy the market was known to be.

What does not belong here: by exchange or instrument (`attribution.py`).
"""

from __future__ import annotations

from bisect import bisect_left, insort

import polars as pl

from lim_pipelines.backtest.metrics import performance
from lim_pipelines.finetune.labels import daily_returns

VOLATILITY_SESSIONS = 20
"""Sessions of the universe's mean return that its volatility is measured on."""

FEWEST = 60
"""Volatilities that must be known before one can be called low or high."""

REGIMES = ("low volatility", "middle", "high volatility")


def compounded(returns: str) -> pl.Expr:
    """Compound a column of returns to that of the whole period; 0 of none."""
    return (pl.col(returns) + 1.0).product() - 1.0


def monthly_returns(record: pl.DataFrame) -> pl.DataFrame:
    """Compound net returns by calendar month.

    Parameters
    ----------
    record
        Columns date and net_return.

    Returns
    -------
    pl.DataFrame
        Columns year, month, net_return; sorted.
    """
    return (
        record.group_by(year=pl.col("date").dt.year(), month=pl.col("date").dt.month())
        .agg(compounded("net_return"))
        .sort("year", "month")
    )


def by_year(record: pl.DataFrame) -> pl.DataFrame:
    """Return `performance` of each calendar year: columns period and the metrics, a row a year."""
    return _each(record.with_columns(period=pl.col("date").dt.year().cast(pl.String)))


def by_regime(record: pl.DataFrame, bars: pl.DataFrame) -> pl.DataFrame:
    """Return `performance` of the sessions of each regime.

    Parameters
    ----------
    record
        As from `metrics.pooled`.
    bars
        Bars of the universe, with as much history before the record as there is.

    Returns
    -------
    pl.DataFrame
        Columns period (of `REGIMES`, in that order) and the metrics; sessions before anything could be said
        are left out. Sessions of a regime are not next to each other: a drawdown of them is that of a fund
        which was invested on these alone.
    """
    found = record.join(regimes(bars).rename({"regime": "period"}), on="date").sort("date")
    order = pl.DataFrame({"period": REGIMES}).with_row_index("order")
    return _each(found).join(order, on="period").sort("order").drop("order")


def mean_returns(bars: pl.DataFrame) -> pl.DataFrame:
    """Return the log return of the mean instrument: columns date and log_return, sorted.

    Parameters
    ----------
    bars
        Bars of the universe, as in `VALIDATED_BARS`.
    """
    return daily_returns(bars).group_by("date").agg(pl.col("log_return").mean()).drop_nulls().sort("date")


def regimes(bars: pl.DataFrame) -> pl.DataFrame:
    """Say of each session how stormy the market was known to be the day before.

    Parameters
    ----------
    bars
        Bars of the universe, as in `VALIDATED_BARS`.

    Returns
    -------
    pl.DataFrame
        Columns date, regime: the tercile of the volatility up to the session before (of the mean return over
        all instruments, `VOLATILITY_SESSIONS` sessions) among all such volatilities up to then.
    """
    volatility = pl.col("log_return").rolling_std(VOLATILITY_SESSIONS).shift(1)
    market = mean_returns(bars).with_columns(volatility=volatility)
    known: list[float] = []
    rows = []
    for day, value in market.drop_nulls().select("date", "volatility").iter_rows():
        if len(known) >= FEWEST:
            rows.append((day, REGIMES[min(2, 3 * bisect_left(known, value) // len(known))]))
        insort(known, value)
    return pl.DataFrame(rows, schema={"date": pl.Date, "regime": pl.String}, orient="row")


def _each(record: pl.DataFrame) -> pl.DataFrame:
    rows = [
        {"period": period, **performance(part)}
        for (period,), part in record.group_by(["period"], maintain_order=True)
    ]
    return pl.DataFrame(rows) if rows else pl.DataFrame(schema={"period": pl.String})
