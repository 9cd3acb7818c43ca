"""Plots of a strategy's robustness.

What does not belong here: what is drawn (`lim_pipelines/stress`), the page (`robustness.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from lim_pipelines import drawing
from lim_pipelines.reports.charts import layout, less, line, shortened
from lim_pipelines.reports.page import Chart

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]
Row = Mapping[str, Any]

_BINS = 40
_LEAST_SPAN = 0.2
"""Sharpe ratios that a plot is wide, at least: on a narrower one dust would look like a difference."""


def dots(rows: Sequence[Row]) -> Chart:
    """Draw net Sharpe ratios, a line a scenario, and those without it.

    Bars are the interval of the difference, laid round the ratio: where they do not reach the other mark, it
    is measurable. Those of either ratio by itself are far wider.
    """
    shown = [row for row in reversed(rows) if row["net_sharpe"] is not None]
    names = [_wrapped(row["scenario"]) for row in shown]
    own = {
        "type": "scatter",
        "mode": "markers",
        "name": "in the scenario, 95 % interval of the difference",
        "x": [shortened(row["net_sharpe"]) for row in shown],
        "y": names,
        "marker": {"size": 9, "color": drawing.COLORS[0]},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [shortened(less(row["difference_high"], row["difference"])) for row in shown],
            "arrayminus": [shortened(less(row["difference"], row["difference_low"])) for row in shown],
            "color": drawing.COLORS[0],
            "thickness": 1.4,
        },
    }
    plain = {
        "type": "scatter",
        "mode": "markers",
        "name": "without it",
        "x": [shortened(row["plain_sharpe"]) for row in shown],
        "y": names,
        "marker": {"size": 9, "symbol": "diamond-open", "color": drawing.COLORS[1]},
    }
    where = layout("", 110 + 34 * len(shown), hovermode="closest", showlegend=True)
    where["xaxis"] |= {"title": {"text": "net Sharpe ratio a year"}, "showgrid": True, "zeroline": True}
    where["yaxis"] |= {"type": "category", "dtick": 1, "showgrid": False, "range": [-0.6, len(shown) - 0.4]}
    where["margin"]["b"] = 48
    return {"data": [own, plain], "layout": where | {"xaxis": where["xaxis"] | _span(shown)}}


def _span(rows: Sequence[Row]) -> dict[str, list[float]]:
    """Range of the axis where all that is drawn lies close together; else plotly finds one."""
    values = [row[name] for row in rows for name in ("net_sharpe", "plain_sharpe")]
    values += [
        row["net_sharpe"] - row["difference"] + row[name]
        for row in rows
        for name in ("difference_low", "difference_high")
        if row[name] is not None
    ]
    known = [value for value in values if value is not None]
    if not known or max(known) - min(known) >= _LEAST_SPAN:
        return {}
    middle = (max(known) + min(known)) / 2
    return {"range": [middle - _LEAST_SPAN / 2, middle + _LEAST_SPAN / 2]}


def figure(rows: pl.DataFrame) -> Figure:
    """Draw what each scenario changes in the net Sharpe ratio, for an asset's metadata.

    Parameters
    ----------
    rows
        Rows of `ROBUSTNESS` of one strategy that have a plain run beside them.
    """
    shown = rows.filter(pl.col("difference").is_not_null()).to_dicts()
    picture = drawing.figure_of(5.6, 0.9 + 0.2 * len(shown))
    axes = drawing.styled(picture.subplots())
    axes.grid(axis="y", visible=False)
    families = rows["family"].unique(maintain_order=True).to_list()
    for at, row in enumerate(shown):
        color = drawing.COLORS[families.index(row["family"]) % len(drawing.COLORS)]
        if row["difference_low"] is not None:
            axes.plot([row["difference_low"], row["difference_high"]], [at, at], color=color, lw=1.4)
        axes.plot(row["difference"], at, "o", color=color, ms=4)
    axes.axvline(0.0, color=drawing.INK, lw=0.6)
    axes.set_yticks(range(len(shown)), [row["scenario"] for row in shown], fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel("change of the net Sharpe ratio, 95 % interval", color=drawing.INK, fontsize=8)
    return picture


def equity(records: Mapping[str, pl.DataFrame]) -> Chart:
    """Draw the growth of 1, net, of records by name; the first one is thick."""
    lines = [
        line(
            record["date"],
            np.cumprod(1.0 + record["net_return"].to_numpy()),
            name,
            drawing.COLORS[i % len(drawing.COLORS)],
            2.4 if i == 0 else 1.3,
        )
        for i, (name, record) in enumerate(records.items())
    ]
    return {"data": lines, "layout": layout("growth of 1, net", 300, showlegend=True)}


def histogram(values: Floats, label: str, times: float) -> Chart:
    """Draw how often a figure of resampled histories, shape (R,), has which size; `times` is its unit's."""
    values = times * values[np.isfinite(values)]
    counts, edges = np.histogram(values, bins=_BINS) if len(values) else (np.zeros(0), np.zeros(1))
    bar = {
        "type": "bar",
        "name": "histories",
        "x": [shortened(one) for one in (edges[1:] + edges[:-1]) / 2],
        "y": counts.tolist(),
        "marker": {"color": drawing.COLORS[0]},
    }
    where = layout("histories", 200, hovermode="closest", showlegend=False, bargap=0.05)
    where["xaxis"] |= {"title": {"text": label}}
    where["margin"]["b"] = 48
    return {"data": [bar], "layout": where}


def _wrapped(name: str) -> str:
    """Break a long name in two: on a phone the plot keeps half the width."""
    if len(name) <= 18:
        return name
    words = name.split(" ")
    at = min(range(1, len(words)), key=lambda i: abs(len(" ".join(words[:i])) - len(name) / 2), default=0)
    return f"{' '.join(words[:at])}<br>{' '.join(words[at:])}" if at else name
