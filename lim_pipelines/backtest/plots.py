"""Plots of a backtest: SVG for the report, light or dark as its page, and PNG for the asset's metadata.

What does not belong here: numbers that are not in the tables already, the page (`report.py`).

matplotlib is imported when something is drawn: assets import this module.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from lim_pipelines.backtest.metrics import drawdowns, pooled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Readable on white and on near-black alike; told apart by people who do not see red and green.
COLORS = ("#3b82d6", "#e08a1e", "#2a9d8f", "#b565c9", "#8a8f98")
_INK = "#808183"
"""Drawn for axes and text; the SVG turns it into the page's own ink."""

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
        color = COLORS[i % len(COLORS)]
        dates = record["date"].to_list()
        if i == 0:
            gross = np.cumprod(1 + record["gross_return"].to_numpy())
            axes.plot(dates, gross, color=color, lw=1.0, ls="--", label=f"{arm}, before costs")
        net = np.cumprod(1 + record["net_return"].to_numpy())
        axes.plot(
            dates, net, color=color, lw=2.2 if i == 0 else 1.1, label=f"{arm}, net", zorder=3 if i == 0 else 2
        )
    axes.axhline(1.0, color=_INK, lw=0.6)
    axes.legend(loc="upper left", fontsize=7, frameon=False, labelcolor=_INK, ncols=2)
    return figure


def drawdown_figure(daily: pl.DataFrame, arm: str) -> Figure:
    """Draw the loss from the highest equity so far, net, of an arm's mean over seeds."""
    record = pooled(daily, arm)
    figure, axes = _axes("drawdown, %")
    loss = 100 * drawdowns(record["net_return"].to_numpy())
    axes.fill_between(record["date"].to_list(), loss, 0, color=COLORS[0], alpha=0.45, lw=0)
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
    if len(names) <= len(COLORS):
        for i, name in enumerate(names):
            one = pl.DataFrame({"date": dates}).join(
                weights.filter(pl.col("instrument_id") == name), on="date", how="left"
            )
            line = one.sort("date")["weight"].fill_null(0.0).to_list()
            axes.step(days, line, where="post", color=COLORS[i], lw=1.4, label=name)
        axes.legend(loc="upper left", fontsize=7, frameon=False, labelcolor=_INK)
    else:
        for i, (label, side) in enumerate((("long", pl.col("weight") > 0), ("short", pl.col("weight") < 0))):
            total = weights.filter(side).group_by("date").agg(pl.col("weight").sum(), pl.len())
            one = pl.DataFrame({"date": dates}).join(total, on="date", how="left").sort("date")
            held = float(one["len"].fill_null(0).to_numpy().mean())
            axes.fill_between(
                days,
                one["weight"].fill_null(0.0).to_numpy(),
                0,
                step="post",
                color=COLORS[i],
                alpha=0.55,
                lw=0,
                label=f"{label}, {held:.0f} instruments a day",
            )
        axes.legend(loc="upper left", fontsize=7, frameon=False, labelcolor=_INK)
    axes.axhline(0.0, color=_INK, lw=0.6)
    return figure


def _axes(label: str) -> tuple[Figure, Any]:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure

    # A figure of its own, not pyplot's: nothing global, safe in threads.
    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.subplots()
    figure.patch.set_alpha(0)
    axes.patch.set_alpha(0)
    axes.set_ylabel(label, color=_INK, fontsize=9)
    axes.tick_params(colors=_INK, labelsize=8)
    axes.grid(axis="y", color=_INK, alpha=0.25, lw=0.6)
    for name, spine in axes.spines.items():
        spine.set_visible(name in ("left", "bottom"))
        spine.set_color(_INK)
    locator = AutoDateLocator(minticks=3, maxticks=8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.xaxis.get_offset_text().set_color(_INK)
    axes.margins(x=0.01)
    return figure, axes


def png(figure: Figure, dpi: int = 120) -> bytes:
    """Draw a figure as PNG on white; some 20 to 40 kB."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


def svg(figure: Figure, name: str) -> str:
    """Draw a figure as an inline SVG element that fills its column and takes the page's ink.

    Parameters
    ----------
    figure
        The figure.
    name
        Unique on the page: the ids inside are made from it. The same figure gives the same text.
    """
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :].replace(_INK, "currentColor")
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    # matplotlib names its groups figure_1, axes_1, ...: one prefix a plot keeps ids unique on the page.
    return re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{name}-", text)
