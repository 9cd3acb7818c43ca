"""The plot of staleness: one row a source, how long it has been quiet in units of its longest usual gap.

What does not belong here: the numbers (`staleness.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from lim_pipelines import drawing
from lim_pipelines.panorama.staleness import CLOSED, FRESH, LATE, LATE_AFTER, NEW, SILENT, SILENT_AFTER

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STATE_COLORS = {FRESH: "#2a9d8f", LATE: "#e08a1e", SILENT: "#d1344b", NEW: "#b565c9", CLOSED: "#8a8f98"}
MOST_ROWS = 40
_LOWEST, _HIGHEST = 0.05, 2000.0


def staleness_figure(table: pl.DataFrame) -> Figure:
    """Draw the most urgent `MOST_ROWS` rows.

    Parameters
    ----------
    table
        As `staleness` returns it, with at least one row.
    """
    from matplotlib.lines import Line2D

    shown = table.head(MOST_ROWS)
    ratio = (shown["age"] / shown["longest"]).fill_nan(None).fill_null(_LOWEST).clip(_LOWEST, _HIGHEST * 0.8)
    figure = drawing.figure_of(6.6, 0.24 * shown.height + 1.15)
    axes = drawing.styled(figure.subplots())
    axes.grid(visible=False)
    axes.set_xscale("log")
    axes.set_xlim(_LOWEST * 0.8, _HIGHEST)
    colors = [STATE_COLORS[state] for state in shown["state"]]
    rows = range(shown.height)
    axes.hlines(rows, _LOWEST, ratio, color=colors, lw=2.0, alpha=0.55)
    axes.scatter(ratio, rows, color=colors, s=26, zorder=3)
    for limit, name in ((LATE_AFTER, "late"), (SILENT_AFTER, "silent")):
        axes.axvline(limit, color=drawing.INK, lw=0.8, ls=":")
        axes.text(limit * 1.08, -1.0, name, color=drawing.INK, fontsize=7, va="center")
    labels = [
        " ".join(part for part in (kind, source, name) if part)
        for kind, source, name in shown.select("kind", "source", "part").iter_rows()
    ]
    axes.set_yticks(rows, labels, fontsize=7.5)
    axes.set_ylim(shown.height - 0.4, -1.6)
    axes.set_xlabel("age now / longest usual gap", color=drawing.INK, fontsize=8)
    axes.set_xticks([0.1, 1, 10, 100, 1000], ["0.1", "1", "10", "100", "1000"])
    axes.minorticks_off()
    present = [state for state in STATE_COLORS if state in set(shown["state"])]
    figure.legend(
        handles=[Line2D([], [], color=STATE_COLORS[s], marker="o", ms=5, ls="", label=s) for s in present],
        loc="outside lower center",
        ncols=len(present),
        fontsize=7.5,
        frameon=False,
        labelcolor=drawing.INK,
    )
    return figure
