"""Heat maps of coverage, readable on light and dark pages.

What does not belong here: the numbers (`coverage.py`, `issuers.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from lim_pipelines import drawing
from lim_pipelines.panorama.grid import ENDED, FEW_ROWS, Grid

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CLASSES = (
    ("none", "#a3172b"),
    ("under 50 %", "#e0612e"),
    ("50 to 90 %", "#f2b04a"),
    ("90 to 99 %", "#e8dd9a"),
    ("99 % to nearly all", "#8fc1e8"),
    ("all", "#3b82d6"),
)
"""What a colour says. Steps and not a ramp: one session missing in a quarter must be seen."""

UNOWED = ["#80818318", "#3b82d638", "#3b82d668", "#3b82d698", "#3b82d6c8", "#3b82d6"]
"""The same steps where nothing is wrong with a cell that is empty."""

ENDED_COLOR = "#80818355"
_EDGES = (0.5, 0.9, 0.99)
_WIDTH, _ROW, _MANY_ROWS = 6.6, 0.21, 3.6
_MOST_TICKS = 9


def heatmap_figure(grids: Sequence[Grid]) -> Figure:
    """Draw heat maps, one below the other, with one legend.

    Parameters
    ----------
    grids
        At least one; all `owed`, or none.
    """
    from matplotlib.patches import Patch

    heights = [_height(grid) for grid in grids]
    figure = drawing.figure_of(_WIDTH, sum(heights) + 0.35)
    axes = figure.subplots(len(grids), 1, squeeze=False, height_ratios=heights)[:, 0]
    for one, grid in zip(axes, grids, strict=True):
        _draw(one, grid, titled=len(grids) > 1)
    words = [label for label, _ in CLASSES]
    palette = [color for _, color in CLASSES] if grids[0].owed else UNOWED
    said = [*zip(words[::-1], palette[::-1], strict=True), ("ended", ENDED_COLOR)]
    figure.legend(
        handles=[Patch(facecolor=color, label=label) for label, color in said],
        loc="outside lower center",
        ncols=len(said),
        fontsize=7,
        frameon=False,
        labelcolor=drawing.INK,
        handlelength=1.0,
        handleheight=1.0,
        columnspacing=1.0,
    )
    return figure


def classes_of(share: np.ndarray) -> np.ndarray:
    """Return the index in `CLASSES` of each share; len(CLASSES) is ended, NaN is not expected."""
    # Sums of shares of sessions are not exact.
    rank = 1.0 + np.digitize(share, _EDGES)
    rank = np.where(share <= 1e-9, 0.0, np.where(share >= 1 - 1e-9, 5.0, rank))
    return np.where(np.isnan(share), np.nan, np.where(share == ENDED, len(CLASSES), rank))


def _height(grid: Grid) -> float:
    return (_ROW * len(grid.names) if _labelled(grid) else _MANY_ROWS) + 0.55


def _labelled(grid: Grid) -> bool:
    return len(grid.names) <= FEW_ROWS and all(len(names) == 1 for names in grid.names)


def _draw(axes: Any, grid: Grid, *, titled: bool) -> None:
    from matplotlib.colors import ListedColormap

    palette = [color for _, color in CLASSES] if grid.owed else UNOWED
    colors = ListedColormap([*palette, ENDED_COLOR])
    drawing.styled(axes)
    axes.grid(visible=False)
    rows = len(grid.names)
    axes.imshow(
        classes_of(grid.share),
        cmap=colors,
        vmin=-0.5,
        vmax=len(CLASSES) + 0.5,
        aspect="auto",
        interpolation="none",
    )
    if _labelled(grid):
        axes.set_yticks(range(rows), [names[0] for names in grid.names], fontsize=7)
        axes.tick_params(axis="y", length=0)
    else:
        total, size = sum(len(names) for names in grid.names), len(grid.names[0])
        each = f", {size} a row" if size > 1 else ""
        axes.set_ylabel(f"{total:,} {grid.of}, first to begin on top{each}", color=drawing.INK, fontsize=8)
        axes.set_yticks([])
    at, labels = ticks(grid.starts)
    axes.set_xticks(at, labels)
    if titled:
        axes.set_title(grid.title, color=drawing.INK, fontsize=9, loc="left")


def ticks(starts: Sequence[date]) -> tuple[list[int], list[str]]:
    """Return columns to label and their labels: years, or months with the year where it changes."""
    years = [i for i, day in enumerate(starts) if i == 0 or day.year != starts[i - 1].year]
    if (starts[-1] - starts[0]).days > 3 * 365:
        # The first column is a whole year only by chance: label where a year begins.
        years = years[1:] if len(years) > 2 and starts[years[0]].month > 2 else years
        step = -(-len(years) // _MOST_TICKS)
        return years[::step], [str(starts[i].year) for i in years[::step]]
    months = [i for i, day in enumerate(starts) if i == 0 or (day.year, day.month) != _month(starts[i - 1])]
    if len(months) > 1 and months[1] - months[0] < len(starts) / (2 * _MOST_TICKS):
        months = months[1:]
    if len(months) < 3:
        step = -(-len(starts) // _MOST_TICKS)
        return list(range(0, len(starts), step)), [f"{day:%d %b}" for day in starts[::step]]
    step = -(-len(months) // _MOST_TICKS)
    shown, labels = months[::step], []
    for k, i in enumerate(shown):
        new_year = k == 0 or starts[i].year != starts[shown[k - 1]].year
        labels.append(f"{starts[i]:%b}\n{starts[i].year}" if new_year else f"{starts[i]:%b}")
    return shown, labels


def _month(day: date) -> tuple[int, int]:
    return day.year, day.month
