"""Other markets within the record there is: days of crises, stormy and calm ones, rising and falling ones.

What does not belong here: how stormy a market is known to be (`backtest/periods.py`), records that might have
been (`histories.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl

from lim_pipelines.backtest.periods import REGIMES as WEATHERS
from lim_pipelines.backtest.periods import mean_returns, regimes
from lim_pipelines.finetune.labels import SESSIONS_PER_YEAR
from lim_pipelines.stress.scenarios import CRISES, REGIMES, LeftOut, Scenario

STORMY_MONTHS = 3
"""Months of the highest volatility, where a record has no crisis in it."""


@dataclass(frozen=True)
class Span:
    """Days of a record.

    Parameters
    ----------
    scenario
        What they stand for.
    days
        Dates, sorted.
    """

    scenario: Scenario
    days: pl.Series


@dataclass(frozen=True)
class Crisis:
    """A crisis.

    Parameters
    ----------
    name, first, last
        What it is called; first and last day.
    reason
        What happened.
    """

    name: str
    first: date
    last: date
    reason: str


DATED = (
    Crisis(
        "quant quake 2007",
        date(2007, 8, 1),
        date(2007, 8, 31),
        "Market-neutral stock portfolios were sold off together within days.",
    ),
    Crisis(
        "financial crisis 2008",
        date(2008, 9, 1),
        date(2009, 3, 31),
        "Lehman's failure to the low of March: banks, credit and all that was held on margin fell.",
    ),
    Crisis(
        "flash crash 2010",
        date(2010, 5, 1),
        date(2010, 5, 31),
        "US shares lost and regained a tenth within an hour on 6 May.",
    ),
    Crisis(
        "debt crisis 2011",
        date(2011, 8, 1),
        date(2011, 8, 31),
        "The US lost its AAA rating while the euro area's debts were doubted.",
    ),
    Crisis(
        "taper tantrum 2013",
        date(2013, 5, 22),
        date(2013, 6, 30),
        "Bond yields jumped when the Federal Reserve spoke of buying less.",
    ),
    Crisis(
        "China 2015",
        date(2015, 8, 10),
        date(2015, 9, 30),
        "The renminbi was devalued and shares fell everywhere.",
    ),
    Crisis(
        "Brexit 2016",
        date(2016, 6, 15),
        date(2016, 7, 8),
        "The vote of 23 June moved currencies overnight as nobody had expected.",
    ),
    Crisis(
        "volatility 2018",
        date(2018, 2, 1),
        date(2018, 2, 28),
        "Funds that had sold volatility were wiped out on 5 February.",
    ),
    Crisis(
        "sell-off 2018",
        date(2018, 12, 1),
        date(2018, 12, 31),
        "The worst December of US shares since 1931; oil had lost a third since October.",
    ),
    Crisis(
        "pandemic 2020",
        date(2020, 2, 20),
        date(2020, 3, 31),
        "The fastest fall from a peak into a bear market there has been.",
    ),
    Crisis(
        "negative oil 2020",
        date(2020, 4, 1),
        date(2020, 4, 30),
        "WTI for May settled at -37.63 dollars on 20 April.",
    ),
    Crisis(
        "inflation 2022",
        date(2022, 1, 1),
        date(2022, 10, 31),
        "Rates rose fastest in forty years; shares and bonds fell together.",
    ),
)
"""Crises that a record may cover, oldest first. Chosen because they are known, before any record was seen."""


def crises(days: pl.Series, bars: pl.DataFrame, simulated: bool) -> tuple[list[Span], list[LeftOut]]:
    """Find the crises that a record covers.

    Parameters
    ----------
    days
        Dates of the record, sorted.
    bars
        Bars of the universe.
    simulated
        Whether the market is simulated.

    Returns
    -------
    tuple
        Those with a session in the record; those without. Where none has one there are the stormiest months
        of the record instead: chosen in hindsight, as crises are.
    """
    if simulated:
        why = "the market is simulated, nothing happened to it on any date"
        return _stormiest(days, bars), [LeftOut("dated crises", CRISES, why)]
    spans: list[Span] = []
    missing: list[LeftOut] = []
    for one in DATED:
        inside = days.filter(days.is_between(one.first, one.last))
        if len(inside):
            spans.append(Span(Scenario(one.name, CRISES, one.reason), inside))
        else:
            missing.append(LeftOut(one.name, CRISES, "outside the record"))
    return spans or _stormiest(days, bars), missing


def _stormiest(days: pl.Series, bars: pl.DataFrame) -> list[Span]:
    market = mean_returns(bars).filter(pl.col("date").is_in(days.implode()))
    month = pl.col("date").dt.strftime("%Y-%m")
    found = (
        market.group_by(month=month)
        .agg(volatility=pl.col("log_return").std(), days=pl.col("date").sort())
        .drop_nulls()
        .sort("volatility", "month", descending=[True, False])
        .head(STORMY_MONTHS)
        .sort("month")
    )
    reason = "One of the months in which the mean instrument moved most, as is known in hindsight."
    return [
        Span(Scenario(f"stormy month {name}", CRISES, reason), pl.Series(inside, dtype=pl.Date))
        for name, inside in found.select("month", "days").iter_rows()
    ]


def weathers(days: pl.Series, bars: pl.DataFrame) -> list[Span]:
    """Cut a record by what the market was known to be like before each session.

    Parameters
    ----------
    days
        Dates of the record, sorted.
    bars
        Bars of the universe, with as much history before the record as there is.

    Returns
    -------
    list of Span
        By volatility (`periods.regimes`: its tercile among all that were known the session before), by the
        sign of the mean instrument's return over the year up to the session before; those with sessions in
        the record. Nothing is fitted on the session itself or later ones.
    """
    stormy = regimes(bars)
    spans = [
        _span(
            name,
            "How stormy the market was known to be the session before, against all of its own past.",
            stormy.filter(pl.col("regime") == name)["date"],
            days,
        )
        for name in WEATHERS
    ]
    year = pl.col("log_return").rolling_sum(SESSIONS_PER_YEAR).shift(1)
    rising = mean_returns(bars).with_columns(year=year).drop_nulls()
    reason = "Where the mean instrument stood against a year before, as known the session before."
    spans += [
        _span("rising market", reason, rising.filter(pl.col("year") > 0)["date"], days),
        _span("falling market", reason, rising.filter(pl.col("year") <= 0)["date"], days),
    ]
    return [one for one in spans if len(one.days)]


def _span(name: str, reason: str, found: pl.Series, days: pl.Series) -> Span:
    return Span(Scenario(name, REGIMES, reason), days.filter(days.is_in(found.implode())))
