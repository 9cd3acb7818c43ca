"""Pictures of quality: skill by market, calibration, scaling curves.

What does not belong here: the figures themselves (`metrics.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from lim_pipelines.drawing import COLORS, INK, figure_of, styled
from lim_pipelines.foundation.quality.metrics import Estimate, skill
from lim_pipelines.foundation.quality.tables import PRICE, VOLATILITY

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BINS = 10


def skill_by_market(scores: pl.DataFrame, shown: Sequence[str]) -> Figure:
    """Skill in return and volatility by class and frequency, with intervals, a colour a forecaster."""
    groups = {
        " ".join(map(str, key)): group
        for key, group in sorted(scores.group_by("asset_class", "freq"), key=lambda item: str(item[0]))
        if group["window"].n_unique() >= 40
    }
    figure = figure_of(9, 1.5 + 0.45 * len(groups))
    for at, (target, yardstick) in enumerate((("return", PRICE), ("volatility", VOLATILITY))):
        axes = styled(figure.add_subplot(1, 2, at + 1))
        for i, name in enumerate(shown):
            for row, group in enumerate(groups.values()):
                found = skill(group, name, yardstick, target)
                y = row + 0.8 * (i + 0.5) / len(shown) - 0.4
                color = COLORS[i % len(COLORS)]
                axes.plot([100 * found.low, 100 * found.high], [y, y], color=color, lw=1.2)
                axes.plot(100 * found.value, y, "o", color=color, ms=3.5, label=name if row == 0 else None)
        axes.axvline(0, color=INK, lw=0.8)
        axes.set_yticks(range(len(groups)), list(groups) if at == 0 else [""] * len(groups))
        axes.invert_yaxis()
        axes.set_xlabel(f"{target}: skill, % of {yardstick}", color=INK, fontsize=9)
    figure.legend(
        *axes.get_legend_handles_labels(),
        loc="outside upper center",
        ncol=5,
        frameon=False,
        fontsize=8,
        labelcolor=INK,
    )
    return figure


def calibration(scores: pl.DataFrame, shown: Sequence[str]) -> Figure:
    """How often the truth fell into each tenth of the forecast distribution; even is right."""
    figure = figure_of(9, 2.6)
    edges = np.linspace(0, 1, _BINS + 1)
    for at, target in enumerate(("return", "volatility", "volume")):
        axes = styled(figure.add_subplot(1, 3, at + 1))
        for i, name in enumerate(shown):
            pit = scores.filter((pl.col("forecaster") == name) & pl.col(f"pit_{target}").is_finite())
            if pit.height:
                share = np.histogram(pit[f"pit_{target}"].to_numpy(), edges)[0] / pit.height * _BINS
                width = 2.2 if name == "LIM" else 1.0
                axes.stairs(share, edges, color=COLORS[i % len(COLORS)], lw=width, label=name, baseline=None)
        axes.axhline(1, color=INK, lw=0.8)
        axes.set_xlabel(f"{target}: probability below the truth", color=INK, fontsize=9)
    handles = styled(figure.axes[0]).get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", ncol=5, frameon=False, fontsize=8, labelcolor=INK)
    return figure


def curves(points: Mapping[str, Mapping[float, Estimate]], label: str) -> Figure:
    """Skill against a size, a line a measure, with intervals; the size is logarithmic.

    Parameters
    ----------
    points
        Measure to (size to skill).
    label
        What the size is.
    """
    figure = figure_of(5, 2.8)
    axes = styled(figure.add_subplot(), "skill, %")
    for (name, line), color in zip(points.items(), COLORS, strict=False):
        sizes = sorted(line)
        axes.plot(sizes, [100 * line[x].value for x in sizes], "o-", color=color, ms=4, label=name)
        bounds = [[100 * line[x].low for x in sizes], [100 * line[x].high for x in sizes]]
        axes.fill_between(sizes, *bounds, color=color, alpha=0.15, lw=0)
    axes.set_xscale("log")
    axes.axhline(0, color=INK, lw=0.8)
    axes.set_xlabel(label, color=INK, fontsize=9)
    axes.legend(frameon=False, fontsize=8, labelcolor=INK)
    return figure
