"""The plot of a drift report: what drifted where, and the values of what drifted most.

What does not belong here: the numbers (`report.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from lim_pipelines import drawing
from lim_pipelines.simulate.processes import Floats
from lim_pipelines.validate.drift.report import Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_ROWS = 24
"""Variables in the map, the most drifted."""

_SHAPES = 3
_STEPS = (0.25, 0.5, 0.75, 1.0, 1.5)
_COLORS = ("#3b82d6", "#8fc1e8", "#e8dd9a", "#f2b04a", "#e0612e", "#a3172b")
"""From far below its threshold to far above; the last two are drift."""


def drift_figure(report: Report) -> Figure:
    """Draw a report: a map of statistic over threshold, and the distributions of the worst variables.

    Parameters
    ----------
    report
        With at least one row.
    """
    table = report.results.with_columns(
        row=pl.col("variable").str.replace_all(r"\+", " + "),
        place=pl.concat_str("exchange", "asset_class", separator=" "),
        ratio=pl.col("statistic") / pl.col("threshold"),
    )
    # Of a variable's tests the worst; rows in the order of the worst place.
    cells = table.group_by("row", "place", maintain_order=True).agg(pl.col("ratio").max())
    rows = cells["row"].unique(maintain_order=True).head(MOST_ROWS).to_list()
    places = sorted(cells["place"].unique())
    worst = _worst(report)
    height = 0.25 * len(rows) + 1.2
    figure = drawing.figure_of(6.6, height + (2.0 if worst else 0))
    if not worst:
        _map(figure.subplots(), cells, rows, places)
        return figure
    parts: Any = figure.subfigures(2, 1, height_ratios=[height, 2.0])
    above, below = parts
    for part in parts:
        part.patch.set_alpha(0)
    _map(above.subplots(), cells, rows, places)
    for axes, (title, shapes) in zip(np.atleast_1d(below.subplots(1, len(worst))), worst, strict=True):
        _shape(axes, title, shapes)
    return figure


def _map(axes: Any, cells: pl.DataFrame, rows: list[str], places: list[str]) -> None:
    from matplotlib.colors import ListedColormap

    grid = np.full((len(rows), len(places)), np.nan)
    for row, place, ratio in cells.iter_rows():
        if row in rows:
            grid[rows.index(row), places.index(place)] = ratio
    step = np.where(np.isnan(grid), np.nan, np.digitize(grid, _STEPS))
    drawing.styled(axes).grid(visible=False)
    axes.imshow(step, cmap=ListedColormap(_COLORS), vmin=-0.5, vmax=len(_COLORS) - 0.5, aspect="auto")
    axes.set_xticks(range(len(places)), places)
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0)
    for (i, j), ratio in np.ndenumerate(grid):
        if np.isfinite(ratio):
            strong = ratio < _STEPS[0] or ratio > _STEPS[-2]
            color, weight = ("white" if strong else "#222222"), ("bold" if ratio > 1 else "normal")
            axes.text(j, i, f"{ratio:.2f}", ha="center", va="center", fontsize=7, color=color, weight=weight)
    axes.set_title("statistic / threshold, worst test; above 1 it drifted", fontsize=9, color=drawing.INK)


def _worst(report: Report) -> list[tuple[str, Floats]]:
    """Titles and percentiles of the variables that are nearest to their thresholds, or beyond."""
    found: dict[str, Floats] = {}
    for exchange, kind, variable in report.results.select("exchange", "asset_class", "variable").iter_rows():
        shapes = report.shapes.get((exchange, kind, variable))
        if shapes is not None:
            found.setdefault(f"{exchange} {kind}\n{variable}", shapes)
    return list(found.items())[:_SHAPES]


def _shape(axes: Any, title: str, shapes: Floats) -> None:
    """Draw two distribution functions."""
    drawing.styled(axes)
    shares = np.linspace(0, 1, shapes.shape[1])
    for values, label, color in zip(
        shapes, ("reference", "recent"), (drawing.INK, drawing.COLORS[1]), strict=True
    ):
        axes.plot(values[1:-1], shares[1:-1], color=color, lw=1.6, label=label)
    axes.set_title(title, fontsize=8, color=drawing.INK)
    axes.legend(frameon=False, fontsize=7, labelcolor=drawing.INK, loc="upper left")
