"""Plots of a backtest, for the report and for the asset's metadata.

What does not belong here: numbers that are not in the tables already, the page (`report.py`), how plots look
(`drawing/`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from lim_pipelines import drawing
from lim_pipelines.backtest.metrics import drawdowns, pooled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIZE = (5.2, 2.6)
"""Inches. Small, so that the text stays readable when a phone shrinks the plot to its width."""


def equity_figure(daily: pl.DataFrame, arms: tuple[str, ...]) -> Figure:
    """Draw the growth of 1 by arm, the method net (thick) and gross (dashed), controls net.

    Parameters
    ----------
    daily
        Rows of `BACKTEST_DAILY`.
    arms
        The method, then the controls; each is shown as the mean over its seeds.
    """
    figure, axes = _axes("growth of 1")
    for i, arm in enumerate(arms):
        record = pooled(daily, arm)
        color = drawing.COLORS[i % len(drawing.COLORS)]
        dates = record["date"].to_list()
        if i == 0:
            gross = np.cumprod(1 + record["gross_return"].to_numpy())
            axes.plot(dates, gross, color=color, lw=1.0, ls="--", label=f"{arm}, before costs")
        net = np.cumprod(1 + record["net_return"].to_numpy())
        axes.plot(
            dates, net, color=color, lw=2.2 if i == 0 else 1.1, label=f"{arm}, net", zorder=3 if i == 0 else 2
        )
    axes.axhline(1.0, color=drawing.INK, lw=0.6)
    _legend(axes)
    return figure


def drawdown_figure(daily: pl.DataFrame, arm: str) -> Figure:
    """Draw the loss from the highest equity so far, net, of an arm's mean over seeds."""
    record = pooled(daily, arm)
    figure, axes = _axes("drawdown, %")
    loss = 100 * drawdowns(record["net_return"].to_numpy())
    axes.fill_between(record["date"].to_list(), loss, 0, color=drawing.COLORS[0], alpha=0.45, lw=0)
    axes.set_ylim(top=0)
    return figure


def positions_figure(positions: pl.DataFrame, dates: pl.Series, arm: str) -> Figure:
    """Draw weights over time, mean over an arm's seeds: lines for few instruments, sums for many.

    Parameters
    ----------
    positions
        As in `engine.Result`.
    dates
        Sessions of the record, sorted.
    arm
        The arm.
    """
    own = positions.filter(pl.col("arm") == arm)
    seeds = max(own["seed"].n_unique(), 1)
    weights = own.group_by("date", "instrument_id").agg(pl.col("weight").sum() / seeds)
    names = weights["instrument_id"].unique().sort().to_list()
    figure, axes = _axes("weight, fraction of equity")
    days = dates.to_list()
    if len(names) <= len(drawing.COLORS):
        for i, name in enumerate(names):
            one = pl.DataFrame({"date": dates}).join(
                weights.filter(pl.col("instrument_id") == name), on="date", how="left"
            )
            line = one.sort("date")["weight"].fill_null(0.0).to_list()
            axes.step(days, line, where="post", color=drawing.COLORS[i], lw=1.4, label=name)
    else:
        for i, (label, side) in enumerate((("long", pl.col("weight") > 0), ("short", pl.col("weight") < 0))):
            total = weights.filter(side).group_by("date").agg(pl.col("weight").sum(), pl.len())
            if total.is_empty():
                continue
            one = pl.DataFrame({"date": dates}).join(total, on="date", how="left").sort("date")
            held = float(one["len"].fill_null(0).to_numpy().mean())
            axes.fill_between(
                days,
                one["weight"].fill_null(0.0).to_numpy(),
                0,
                step="post",
                color=drawing.COLORS[i],
                alpha=0.55,
                lw=0,
                label=f"{label}, {drawing.counted(round(held), 'instrument')} a day",
            )
    _legend(axes)
    axes.axhline(0.0, color=drawing.INK, lw=0.6)
    return figure


def _legend(axes: Any) -> None:
    """Put the legend above the axes, where it hides no curve."""
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        fontsize=7,
        frameon=False,
        labelcolor=drawing.INK,
        ncols=2,
    )


def _axes(label: str) -> tuple[Figure, Any]:
    figure = drawing.figure_of(*_SIZE)
    return figure, drawing.dated(drawing.styled(figure.subplots(), label))
