"""Tables of a strategy's report: figures by month, year, regime, exchange, side, kind of cost.

What does not belong here: the figures themselves (`backtest/`), statistics of luck (`luck.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from lim_pipelines.backtest.costs import PARTS, TRADE_PARTS
from lim_pipelines.backtest.drawdowns import deepest_drawdowns
from lim_pipelines.backtest.periods import (
    FEWEST,
    REGIMES,
    VOLATILITY_SESSIONS,
    by_regime,
    by_year,
    compounded,
    monthly_returns,
)
from lim_pipelines.finetune.labels import SESSIONS_PER_YEAR
from lim_pipelines.reports.page import DASH, MINUS, Table, money, number, percent

SHOWN_TRADES = 20
"""Trades that are listed, of perhaps a million."""

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_FULL = 0.08
"""Monthly return whose cell has the full colour."""

_PERIOD = (
    *("sessions", "net Sharpe", "gross Sharpe", "net return", "volatility", "max drawdown", "hit rate"),
    *("turnover a year", "costs a year"),
)


@dataclass(frozen=True)
class Month:
    """A cell of the table of months.

    Parameters
    ----------
    text
        What it says.
    shade
        Percentage of colour, 0 to 100.
    good
        Which of the two colours.
    """

    text: str
    shade: int
    good: bool


def months(record: pl.DataFrame) -> tuple[list[str], list[tuple[str, list[Month]]]]:
    """Lay out net returns by month: the heads, and by year its cells, the whole year last."""
    found = {(year, month): value for year, month, value in monthly_returns(record).iter_rows()}
    whole = record.group_by(year=pl.col("date").dt.year()).agg(compounded("net_return")).sort("year")
    rows = []
    for year, total in whole.iter_rows():
        values = [found.get((year, month)) for month in range(1, 13)]
        rows.append((str(year), [_month(value) for value in (*values, total)]))
    return ["", *_MONTHS, "year"], rows


def _month(value: float | None) -> Month:
    if value is None:
        return Month("", 0, True)
    return Month(percent(value), min(100, round(100 * abs(value) / _FULL)), value >= 0)


def falls(record: pl.DataFrame) -> Table:
    """Lay out the deepest drawdowns."""
    rows = [
        (
            one["began"].isoformat(),
            one["lowest"].isoformat(),
            one["recovered"].isoformat() if one["recovered"] else "not yet",
            percent(one["depth"]),
            str(one["sessions"]),
        )
        for one in deepest_drawdowns(record).iter_rows(named=True)
    ]
    return Table(("began", "lowest", "recovered", "depth", "sessions below"), rows)


def years(record: pl.DataFrame) -> Table:
    """Lay out the record by calendar year."""
    return Table(("year", *_PERIOD), _periods(by_year(record)))


def weathers(record: pl.DataFrame, bars: pl.DataFrame) -> Table:
    """Lay out the record by how stormy the market was known to be."""
    found = by_regime(record, bars)
    known = int(found["days"].sum()) if found.height else 0
    note = (
        f"Terciles of the universe's volatility over {VOLATILITY_SESSIONS} sessions up to the day before,"
        f" among all that were known by then: {', '.join(REGIMES)}."
    )
    if known < record.height:
        note += (
            f" Of {record.height - known} sessions nothing can be said: fewer than {FEWEST} volatilities were"
            " known."
        )
    return Table(("market, known the day before", *_PERIOD), _periods(found), note)


def _periods(found: pl.DataFrame) -> list[list[str]]:
    return [
        [
            one["period"],
            f"{one['days']:.0f}",
            number(one["sharpe"]),
            number(one["gross_sharpe"]),
            percent(one["total_return"]),
            percent(one["volatility"]),
            percent(one["max_drawdown"]),
            percent(one["hit_rate"], 0),
            number(one["turnover_per_year"], 1),
            percent(one["cost_per_year"], 2),
        ]
        for one in found.iter_rows(named=True)
    ]


def contributors(found: pl.DataFrame, by: str, head: str, note: str = "") -> Table:
    """Lay out who earned it; rows as from `attribution.contributions`, grouped by the column `by`."""
    rows = [
        (
            one[by],
            percent(one["pnl"], 2),
            number(one["sharpe"]),
            percent(one["average_gross"]),
            percent(one["average_net"]),
            str(one["instruments"]),
        )
        for one in found.iter_rows(named=True)
    ]
    return Table((head, "profit", "gross Sharpe", "average gross", "average net", "instruments"), rows, note)


def costs(record: pl.DataFrame, break_even: float, capacity: float, currency: str) -> Table:
    """Lay out the costs by kind, and what the strategy could bear.

    Parameters
    ----------
    record
        As from `metrics.pooled`.
    break_even
        In basis points of what is traded.
    capacity
        In the base currency.
    currency
        The base currency.
    """
    whole, traded = float(record["cost"].sum()), float(record["turnover"].sum())
    rows = []
    for part in (*PARTS, "cost"):
        paid = float(record[part].sum())
        if paid == 0 and part != "cost":
            continue
        rows.append(
            (
                "all" if part == "cost" else part,
                percent(paid / record.height * SESSIONS_PER_YEAR, 2),
                percent(paid / whole, 0) if whole > 0 else DASH,
                number(1e4 * paid / traded, 1) if traded > 0 else DASH,
            )
        )
    note = (
        f"Break-even cost: {number(break_even, 1)} basis points of what is traded would eat the gross return."
    )
    if math.isnan(capacity):
        note += " Capacity: unknown; it traded nothing whose volume is known."
    else:
        note += (
            f" Capacity: with {money(capacity, currency)} the square-root impact of its own trades would eat"
            " half of the gross return (impact grows with the root of the capital; what has no volumes costs"
            " none)."
        )
    return Table(("cost", "of equity, a year", "share", "bps of trades"), rows, note)


def trades(made: pl.DataFrame, currency: str) -> Table:
    """Lay out the largest trades, each with the parts of its cost.

    Parameters
    ----------
    made
        As `backtest.result.Result.trades`, of one arm.
    currency
        The base currency.
    """
    order = ("value", "date", "instrument_id", "seed")
    largest = made.sort(order, descending=[True, False, False, False]).head(SHOWN_TRADES)
    rows = [
        (
            one["date"].isoformat(),
            one["instrument_id"],
            str(one["seed"]),
            f"{one['quantity']:,.6g}".replace("-", MINUS),
            f"{one['price']:,.6g}",
            f"{one['value']:,.0f}",
            *(f"{one[part]:,.2f}" for part in TRADE_PARTS),
            one["reason"] or DASH,
        )
        for one in largest.iter_rows(named=True)
    ]
    note = (
        f"The {len(rows)} largest of {made.height:,} trades of all seeds; value and parts of the cost in"
        f" {currency}. Units below zero are sold. Why: what cut the order, or what it was besides one."
    )
    columns = ("session", "instrument", "seed", "units", "price", "value", *TRADE_PARTS, "why")
    return Table(columns, rows, note)


def forecasts(means: Mapping[str, float | None], note: str) -> Table:
    """Lay out how good forecasts were; `means` are metrics of `SCORES`, means over seeds."""
    names = (("ic", "IC"), ("icir", "ICIR"), ("rank_ic", "rank IC"), ("rank_icir", "rank ICIR"))
    cells = [number(means.get(name), 3) for name, _ in names]
    return Table(tuple(head for _, head in names), [cells], note)
