"""What is known of the instruments that are decided on, as arrays: returns and values traded, by session.

What does not belong here: what is decided (`books.py`), risk models (`risk/`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from lim_pipelines.instruments import terms
from lim_pipelines.portfolio.question import Floats

RECENT_SESSIONS = 20
"""Own sessions of the average value traded and of the volatility that impact goes by, here and in the engine
(docs/backtest.md)."""

LEAST_RECENT = 5
"""Fewer of them say nothing, and nothing is charged."""


@dataclass(frozen=True)
class KnownMarket:
    """Past sessions of n instruments, oldest first.

    Parameters
    ----------
    names
        Instrument ids, sorted.
    mics
        Exchange of each.
    currencies
        Currency of each: its listing's, or its exchange's where nothing is listed.
    returns
        Log total returns, shape (T, n), NaN where there is no bar.
    value
        Value traded in that currency, shape (T, n), NaN where it is not known.
    """

    names: list[str]
    mics: list[str]
    currencies: list[str]
    returns: Floats
    value: Floats

    @classmethod
    def of(
        cls, about: pl.DataFrame, bars: pl.DataFrame, returns: pl.DataFrame, listings: pl.DataFrame
    ) -> KnownMarket:
        """Lay bars out by session and instrument.

        Parameters
        ----------
        about
            Columns exchange and instrument_id, sorted by the latter: whom to know about.
        bars
            Bars as known at the decision.
        returns
            Their returns, as from `finetune.labels.daily_returns`.
        listings
            Rows of `LISTINGS` as of the decision; who has none is what its exchange says.
        """
        names = about["instrument_id"].to_list()
        days = returns["date"].unique().sort()
        what = terms(about.select("exchange", "instrument_id"), listings)
        daily = bars.filter(pl.col("freq") == "1d").join(
            what.select("instrument_id", "multiplier"), on="instrument_id"
        )
        valued = daily.with_columns(value=value_traded(pl.col("multiplier")))
        return cls(
            names,
            about["exchange"].to_list(),
            what["currency"].to_list(),
            _wide(returns, days, names, "log_return"),
            _wide(valued, days, names, "value"),
        )

    def daily_value(self) -> Floats:
        """Average the value traded over the last `RECENT_SESSIONS` of each, shape (n,); NaN if unknown."""
        return np.array([_recent(column, np.mean) for column in self.value.T])

    def volatility(self) -> Floats:
        """Return the standard deviation of the last `RECENT_SESSIONS` returns, shape (n,); NaN if unknown."""
        return np.array([_recent(column, lambda last: np.std(last, ddof=1)) for column in self.returns.T])


def value_traded(multiplier: pl.Expr) -> pl.Expr:
    """Value of what a bar traded, in the instrument's currency, null where it is not known.

    Parameters
    ----------
    multiplier
        The instrument's currency for one point of price of one unit.

    Returns
    -------
    pl.Expr
        Over the columns turnover, close and volume of bars.
    """
    return pl.coalesce("turnover", pl.col("close") * pl.col("volume") * multiplier)


def _recent(column: Floats, statistic: Callable[[Floats], Any]) -> float:
    last = column[np.isfinite(column)][-RECENT_SESSIONS:]
    return float(statistic(last)) if last.size >= LEAST_RECENT else np.nan


def _wide(rows: pl.DataFrame, days: pl.Series, names: list[str], column: str) -> Floats:
    wide = rows.filter(pl.col("instrument_id").is_in(names)).pivot(
        "instrument_id", index="date", values=column
    )
    wide = pl.DataFrame({"date": days}).join(wide, on="date", how="left").sort("date")
    missing = [pl.lit(None, dtype=pl.Float64).alias(name) for name in names if name not in wide.columns]
    table = wide.with_columns(missing).select(names).cast(pl.Float64)
    return table.fill_null(float("nan")).to_numpy()
