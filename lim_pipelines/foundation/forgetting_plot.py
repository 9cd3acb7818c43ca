"""The forgetting matrices of several arms as heat maps side by side.

What does not belong here: measuring (`forgetting.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lim_pipelines import drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def forgetting_figure(
    matrices: Mapping[str, npt.NDArray[np.float64]], exchange: Sequence[str], stretch: npt.NDArray[np.int64]
) -> Figure:
    """Draw the skill of each cutoff's checkpoint (rows) on each exchange and stretch of time (columns).

    Parameters
    ----------
    matrices
        Name of the arm to (C, J) skills.
    exchange, stretch
        (J,) of the cells.
    """
    order = np.lexsort((stretch, np.asarray(exchange)))
    names = [f"{exchange[j]} {stretch[j]}" for j in order]
    values = np.concatenate([matrix.ravel() for matrix in matrices.values()])
    most = float(np.nanmax(np.abs(values)))
    count = len(next(iter(matrices.values())))
    high = -(-len(matrices) // 2)
    figure = drawing.figure_of(2.0 + 0.4 * len(names), (0.6 + 0.24 * count) * high + 0.8)
    panels = figure.subplots(high, 2, sharex=True, sharey=True, squeeze=False)
    for axes in panels.flat[len(matrices) :]:
        axes.set_axis_off()
    for axes, (arm, matrix) in zip(panels.flat, matrices.items(), strict=False):
        drawing.styled(axes, "checkpoint").grid(visible=False)
        drawn = axes.imshow(matrix[:, order], cmap="RdBu", vmin=-most, vmax=most, aspect="auto")
        axes.set_title(arm, color=drawing.INK, fontsize=9, loc="left")
        axes.set_yticks(range(count), [str(k + 1) for k in range(count)])
        # The stretch that a checkpoint is the first to see ends left of the step.
        for k in range(count):
            ends = [i for i, j in enumerate(order) if stretch[j] == k]
            axes.plot(ends, [k] * len(ends), "o", ms=2.5, color=drawing.INK)
    for axes in panels[-1]:
        axes.set_xticks(range(len(names)), names, rotation=90)
    bar = figure.colorbar(drawn, ax=panels, shrink=0.6)
    bar.set_label("skill", color=drawing.INK, fontsize=9)
    bar.ax.tick_params(colors=drawing.INK, labelsize=8)
    return figure
