"""Plots of the paper's claim.

What does not belong here: figures (`claim_tables.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from benchmarks.claim_cells import SCRATCH, SHARES, TUNED
from benchmarks.claim_data import CORPORA
from benchmarks.claim_tables import Row
from lim_pipelines.drawing import COLORS, INK, dated, figure_of, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MARKS = "osD^vPX"


def sharpe_by_share(rows: list[Row]) -> Figure:
    """Net Sharpe ratio and interval of every method by its share of the data, a panel a corpus."""
    figure = figure_of(9, 3.8)
    panels = figure.subplots(1, len(CORPORA), sharey=True)
    for axes, corpus in zip(panels, CORPORA, strict=True):
        styled(axes, "net Sharpe ratio" if corpus == CORPORA[0] else "")
        for n, method in enumerate((SCRATCH, *TUNED)):
            own = [row for row in rows if row.arm == method and row.corpus in ("", corpus) and row.share]
            if not own:
                continue
            own.sort(key=lambda row: row.share)
            at = np.arange(len(own)) + 0.08 * (n - len(TUNED) / 2)
            middle = [row.sharpe.value for row in own]
            ends = [
                [row.sharpe.value - row.sharpe.low for row in own],
                [row.sharpe.high - row.sharpe.value for row in own],
            ]
            color = INK if method == SCRATCH else COLORS[(n - 1) % len(COLORS)]
            axes.errorbar(
                at, middle, ends, color=color, fmt=_MARKS[(n - 1) % len(_MARKS)], ms=4, lw=1, label=method
            )
        axes.axhline(0, color=INK, lw=0.8)
        axes.set_xticks(range(len(SHARES)), [f"{share:.0%}" for share in SHARES])
        axes.set_xlabel(f"share of the data; pretrained on {corpus}", color=INK, fontsize=9)
    shown = panels[-1].get_legend_handles_labels()
    figure.legend(
        *shown, loc="outside upper center", fontsize=8, frameon=False, labelcolor=INK, ncols=len(TUNED) + 1
    )
    return figure


def equity(daily: pl.DataFrame) -> Figure:
    """Growth of the sum of net returns: all data, mean over seeds; no arm was chosen by what it earned."""
    shown = {
        **{f"{corpus}/full/1.0": f"full, {corpus}" for corpus in CORPORA},
        "/scratch/1.0": "from scratch",
        "/tsmom/0.0": "TSMOM",
        "/macd/0.0": "MACD",
    }
    figure = figure_of(9, 3.6)
    axes = dated(styled(figure.subplots(), "sum of net returns over their volatility"))
    for (name, label), color in zip(shown.items(), COLORS, strict=True):
        own = (
            daily.filter(pl.col("arm") == name).group_by("date").agg(pl.col("net_return").mean()).sort("date")
        )
        net = own["net_return"].to_numpy()
        axes.plot(
            own["date"].to_numpy(),
            net.cumsum() / (net.std() * np.sqrt(252)),
            color=color,
            lw=1.2,
            label=label,
        )
    axes.axhline(0, color=INK, lw=0.8)
    axes.legend(fontsize=8, frameon=False, labelcolor=INK)
    return figure
