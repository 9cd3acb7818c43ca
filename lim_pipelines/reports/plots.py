"""Plots of results for the metadata of assets: small pictures, drawn by matplotlib.

What does not belong here: the plots of pages, which move (`charts.py`), how plots look (`drawing/`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from lim_pipelines import drawing
from lim_pipelines.backtest.metrics import pooled
from lim_pipelines.evaluate.leaderboard import Judgement

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIZE = (5.2, 2.6)
"""Inches: the text stays readable where the picture is shown small."""


def equity_figure(daily: pl.DataFrame, arms: Sequence[str]) -> Figure:
    """Draw the growth of 1 by arm, the method net (thick) and gross (dashed), controls net.

    Parameters
    ----------
    daily
        Rows of `BACKTEST_DAILY`.
    arms
        The method, then the controls; each is shown as the mean over its seeds.
    """
    figure = drawing.figure_of(*_SIZE)
    axes = drawing.dated(drawing.styled(figure.subplots(), "growth of 1"))
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


def sharpes_figure(judged: Sequence[Judgement]) -> Figure:
    """Draw net Sharpe ratios with their intervals, a line a strategy, and the best control of each.

    Parameters
    ----------
    judged
        From top to bottom.
    """
    figure = drawing.figure_of(_SIZE[0], 0.9 + 0.3 * len(judged))
    axes = drawing.styled(figure.subplots())
    axes.grid(axis="y", visible=False)
    for row, one in enumerate(judged):
        color = drawing.COLORS[one.simulated]
        axes.plot([one.low, one.high], [row, row], color=color, lw=1.4)
        axes.plot(one.net_sharpe, row, "o", color=color, ms=6)
        axes.plot(one.best_control_sharpe, row, "|", color=drawing.INK, ms=10)
    axes.axvline(0.0, color=drawing.INK, lw=0.6)
    axes.set_yticks(range(len(judged)), [one.strategy for one in judged])
    axes.invert_yaxis()
    axes.set_xlabel("net Sharpe ratio, 95 % interval; | the best control", color=drawing.INK, fontsize=8)
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
