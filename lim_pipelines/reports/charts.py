"""Plots of a backtest as plotly's JSON: what moves under a reader's finger.

Written as dictionaries: plotly's Python side, which takes a second to load, would only check them (a test
lets it). Colours of text and lines are the page's own, set by its style sheet, so they follow light and dark.
What does not belong here: numbers that are not in the tables already.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from lim_pipelines import drawing
from lim_pipelines.backtest.costs import PARTS
from lim_pipelines.backtest.metrics import drawdowns, pooled
from lim_pipelines.reports.page import Chart

HEIGHT = 300
FEW = 5
"""Instruments that are drawn one by one; more are summed."""

SHOWN = 10
"""Instruments with the largest profits and with the largest losses that are named."""


def layout(label: str, height: int = HEIGHT, **more: Any) -> dict[str, Any]:
    """Return the house's layout of a plot: no background, legend above, the whole width."""
    return {
        "height": height,
        "margin": {"l": 52, "r": 8, "t": 8, "b": 32},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 12, "color": drawing.INK},
        "colorway": list(drawing.COLORS),
        "hovermode": "x unified",
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "xaxis": {"gridcolor": drawing.INK, "showgrid": False, "automargin": True},
        "yaxis": {"title": {"text": label}, "gridcolor": drawing.INK, "zeroline": False, "automargin": True},
        **more,
    }


def shortened(value: float | None) -> float | None:
    """Round a number to four digits, as no reader sees more; None where there is none."""
    return None if value is None or not np.isfinite(value) else float(f"{value:.4g}")


def less(one: float | None, other: float | None) -> float | None:
    """Subtract the other from the one; None where there is not both."""
    return None if one is None or other is None else one - other


def equity(daily: pl.DataFrame, arms: Sequence[str]) -> Chart:
    """Draw the growth of 1 by arm: the method net (thick) and gross (dashed), controls net.

    Parameters
    ----------
    daily
        Rows of `BACKTEST_DAILY`.
    arms
        The method, then the controls; each is shown as the mean over its seeds.
    """
    lines = []
    for i, arm in enumerate(arms):
        record, color = pooled(daily, arm), drawing.COLORS[i % len(drawing.COLORS)]
        lines.append(
            line(record["date"], _grown(record["net_return"]), f"{arm}, net", color, 2.6 if i == 0 else 1.2)
        )
        if i == 0:
            gross = line(record["date"], _grown(record["gross_return"]), f"{arm}, before costs", color, 1.2)
            gross["line"]["dash"] = "dash"
            lines.append(gross)
    return {"data": lines, "layout": layout("growth of 1", 360)}


def drawdown(record: pl.DataFrame) -> Chart:
    """Draw the loss from the highest equity so far, net, of a pooled record."""
    loss = 100 * drawdowns(record["net_return"].to_numpy())
    curve = line(record["date"], loss, "drawdown", drawing.COLORS[0], 1.0)
    return {"data": [curve | {"fill": "tozeroy"}], "layout": layout("%", 200, showlegend=False)}


def costs(record: pl.DataFrame) -> Chart:
    """Draw the costs by kind; by month where the record has fewer than three years."""
    short = record["date"].dt.year().n_unique() < 3
    every = record.group_by(period=pl.col("date").dt.strftime("%Y-%m" if short else "%Y")).agg(
        pl.col(*PARTS).sum()
    )
    every = every.sort("period")
    bars = [
        {
            "type": "bar",
            "name": part,
            "x": every["period"].to_list(),
            "y": _rounded(100 * every[part].to_numpy()),
            "marker": {"color": (*drawing.COLORS, "#c8553d")[i]},
        }
        for i, part in enumerate(PARTS)
        if every[part].abs().sum() > 0
    ]
    where = layout("% of equity", 260, barmode="relative", showlegend=True)
    where["xaxis"]["type"] = "category"
    return {"data": bars, "layout": where}


def exposures(record: pl.DataFrame) -> Chart:
    """Draw what was held over each session: gross and net, fractions of equity."""
    lines = [
        line(record["date"], 100 * record[f"{name}_exposure"].to_numpy(), name, drawing.COLORS[i], 1.6)
        for i, name in enumerate(("gross", "net"))
    ]
    return {"data": lines, "layout": layout("% of equity", 220)}


def positions(held: pl.DataFrame, dates: pl.Series) -> Chart:
    """Draw weights over time: lines for few instruments, sums for many.

    Parameters
    ----------
    held
        As from `attribution.holdings`.
    dates
        Sessions of the record, sorted.
    """
    weights = (
        held.group_by("date", "instrument_id").agg(pl.col("weight").sum() * 100).filter(pl.col("weight") != 0)
    )
    names = weights["instrument_id"].unique().sort().to_list()
    days = pl.DataFrame({"date": dates})
    lines = []
    if len(names) <= FEW:
        groups = [(name, weights.filter(pl.col("instrument_id") == name)) for name in names]
    else:
        sides = (("long", pl.col("weight") > 0), ("short", pl.col("weight") < 0))
        groups = []
        for side, where in sides:
            some = weights.filter(where)
            if some.height:
                a_day = drawing.counted(round(some.height / max(1, len(dates))), "instrument")
                total = some.group_by("date").agg(pl.col("weight").sum())
                groups.append((f"{side}, {a_day} a day", total))
    for i, (name, rows) in enumerate(groups):
        values = days.join(rows, on="date", how="left").sort("date")["weight"].fill_null(0.0)
        curve = line(dates, values.to_numpy(), name, drawing.COLORS[i], 1.4)
        curve["line"]["shape"] = "hv"
        lines.append(curve if len(names) <= FEW else curve | {"fill": "tozeroy"})
    return {"data": lines, "layout": layout("% of equity", 260, showlegend=True)}


def decay(found: pl.DataFrame, horizon: int) -> Chart:
    """Draw the rank IC over horizons, the strategy's own in another colour; rows as from `decay.ic_decay`."""
    colors = [drawing.COLORS[1 if h == horizon else 0] for h in found["horizon"]]
    bar = {
        "type": "bar",
        "x": found["horizon"].to_list(),
        "y": _rounded(found["rank_ic"].to_numpy()),
        "marker": {"color": colors},
        "name": "rank IC",
    }
    where = layout("rank IC", 220, showlegend=False)
    where["xaxis"] |= {"title": {"text": "sessions after the fill"}, "dtick": 2, "tick0": 1}
    where["margin"]["b"] = 48
    return {"data": [bar], "layout": where}


def earners(by_instrument: pl.DataFrame) -> Chart:
    """Draw the largest profits and losses by instrument; rows as from `attribution.contributions`."""
    ends = by_instrument
    if ends.height > 2 * SHOWN:
        ends = pl.concat([ends.head(SHOWN), ends.tail(SHOWN)])
    ends = ends.reverse()
    bar = {
        "type": "bar",
        "orientation": "h",
        "x": _rounded(100 * ends["pnl"].to_numpy()),
        "y": ends["instrument_id"].to_list(),
        "marker": {"color": [drawing.COLORS[0 if one >= 0 else 1] for one in ends["pnl"]]},
        "name": "profit",
    }
    where = layout("", 90 + 18 * ends.height, showlegend=False, hovermode="closest")
    where["xaxis"] |= {"title": {"text": "profit before costs, % of the capital"}, "showgrid": True}
    where["yaxis"] |= {"type": "category", "dtick": 1, "showgrid": False}
    where["margin"]["b"] = 48
    return {"data": [bar], "layout": where}


def line(dates: pl.Series, values: Any, name: str, color: str, width: float) -> Chart:
    """Return a line over time; five digits of each value are kept."""
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": [day.isoformat() for day in dates],
        "y": _rounded(values),
        "line": {"color": color, "width": width},
    }


def _grown(returns: pl.Series) -> Any:
    return np.cumprod(1.0 + returns.to_numpy())


def _rounded(values: Any) -> list[float | None]:
    """Keep five digits that count: what a screen shows, at a third of the size; None for NaN."""
    return [float(f"{value:.5g}") if np.isfinite(value) else None for value in values]
