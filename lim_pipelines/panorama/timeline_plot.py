"""The plots of a timeline: the whole record of prices, and two years with everything that happened.

What does not belong here: what happened (`happenings.py`).

A happening is a filled mark at the moment it could be known, joined to a small ring at the moment it
describes: to the left for what lies back (a filing), to the right for what is announced.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from lim_pipelines import drawing
from lim_pipelines.panorama.happenings import (
    ACTIONS,
    EARNINGS,
    FILINGS,
    HELD,
    INDEX,
    LANES,
    MACRO,
    OTHER,
    REVISED,
    ROLLED,
)
from lim_pipelines.panorama.timeline import Timeline

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH = 6.6
_BLUE, _ORANGE, _GREEN, _PURPLE, _GREY = drawing.COLORS
_RED = "#d1344b"
LANE_COLORS = {
    EARNINGS: _ORANGE,
    FILINGS: _BLUE,
    OTHER: _PURPLE,
    ACTIONS: _GREEN,
    ROLLED: _GREEN,
    INDEX: _PURPLE,
    MACRO: _GREY,
    REVISED: _RED,
    HELD: _RED,
}
_MOOD = 0.15
"""Mean sentiment beyond which a day's texts count as good or bad."""

_LONGEST_LINE = timedelta(days=20)
_KNOWN, _MEANT = -0.18, 0.22
"""Where in its lane a mark stands for the moment it was known, and for the moment it describes."""


def whole_figure(line: Timeline) -> Figure:
    """Draw all prices of a timeline with bars, as traded and adjusted, the detailed window shaded."""
    figure = drawing.figure_of(_WIDTH, 1.9)
    axes = drawing.dated(drawing.styled(figure.subplots(), "price"))
    _prices(axes, line.bars)
    if line.window is not None:
        axes.axvspan(*line.window, color=drawing.INK, alpha=0.13, lw=0)
    return figure


def detail_figure(line: Timeline) -> Figure:
    """Draw the window of a timeline: prices, volume, texts, and a lane for each kind of happening."""
    assert line.window is not None
    first, last = line.window
    bars = line.bars.filter(pl.col("ts").is_between(first, last))
    known = pl.col("known_at").is_between(first, last)
    marks = line.marks.filter(known)
    texts = line.texts.filter(pl.col("day").is_between(first.date(), last.date()))
    lanes = [lane for lane in LANES if lane in set(marks["lane"])]
    panels = [("price", 1.9)] if bars.height else []
    panels += [("volume", 0.62)] if bars["volume"].drop_nulls().len() else []
    panels += [("texts", 0.7)] if texts.height else []
    panels += [("lanes", 0.3 * len(lanes) + 0.15)] if lanes else []
    heights = [height for _, height in panels]
    figure = drawing.figure_of(_WIDTH, sum(heights) + 0.45)
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for one, (panel, _) in zip(axes, panels, strict=True):
        drawing.styled(one, "" if panel == "lanes" else panel)
        if panel == "price":
            _prices(one, bars)
        elif panel == "volume":
            one.fill_between(
                bars["ts"].to_list(), bars["volume"].fill_null(0.0), step="mid", color=_GREY, lw=0, alpha=0.7
            )
            _short_numbers(one)
        elif panel == "texts":
            _texts(one, texts)
        else:
            _lanes(one, marks, lanes, last)
    drawing.dated(axes[-1], most=9)
    axes[-1].set_xlim(first, last)
    return figure


def _prices(axes: Any, bars: pl.DataFrame) -> None:
    # No line across a gap: what is not there is not drawn.
    gaps = bars.filter(pl.col("ts").diff() > _LONGEST_LINE).select("ts")
    holes = gaps.with_columns(pl.col("ts") - timedelta(days=1))
    drawn = pl.concat([bars, holes], how="diagonal").sort("ts")
    days = drawn["ts"].to_list()
    adjusted = bars.filter(pl.col("adjusted") != pl.col("close")).height > 0
    axes.plot(days, drawn["close"], color=_ORANGE if adjusted else _BLUE, lw=0.9, label="as traded")
    if adjusted:
        axes.plot(
            days, drawn["adjusted"], color=_BLUE, lw=1.3, label="total return, in the last close's money"
        )
    # Futures have been below zero, and zero is on no logarithmic axis.
    if bars["close"].min() > 0:  # type: ignore[operator]
        axes.set_yscale("log")
        _round_ticks(axes, bars)
    axes.legend(loc="upper left", fontsize=7, frameon=False, labelcolor=drawing.INK, ncols=2)


def _texts(axes: Any, texts: pl.DataFrame) -> None:
    """Bars as high as there are texts; their colour is the mean sentiment, where texts are embedded."""
    felt = texts["sentiment"].drop_nulls().len() > 0
    colors = [
        _PURPLE if mood is None else _GREEN if mood > _MOOD else _RED if mood < -_MOOD else _GREY
        for mood in texts["sentiment"]
    ]
    axes.bar(texts["day"].to_list(), texts["texts"].to_list(), width=1.0, color=colors, alpha=0.85)
    axes.set_ylabel("texts\na day", color=drawing.INK, fontsize=9)
    if felt:
        _legend(axes, [("mood good", _GREEN, "s"), ("even", _GREY, "s"), ("bad", _RED, "s")])


def _legend(axes: Any, said: list[tuple[str, str, str]]) -> None:
    """Say what markers mean: (words, colour, marker)."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], ls="", marker=marker, ms=4.5, color=color, label=words)
        for words, color, marker in said
    ]
    axes.legend(
        handles=handles,
        loc="lower right",
        bbox_to_anchor=(1.0, 0.97),
        fontsize=7,
        frameon=False,
        labelcolor=drawing.INK,
        ncols=len(handles),
        borderpad=0.0,
        handletextpad=0.1,
        columnspacing=1.0,
    )


def _round_ticks(axes: Any, bars: pl.DataFrame) -> None:
    """Few round numbers: a logarithmic axis by itself labels powers of ten, or nothing."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    low = min(bars["close"].min(), bars["adjusted"].min())  # type: ignore[type-var]
    high = max(bars["close"].max(), bars["adjusted"].max())  # type: ignore[type-var]
    wide = high / low > 5  # type: ignore[operator]
    axes.yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)) if wide else MaxNLocator(4))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    # Head room for the legend.
    axes.set_ylim(low / 1.03, high * (high / low) ** 0.16)  # type: ignore[operator]


def _short_numbers(axes: Any) -> None:
    from matplotlib.ticker import EngFormatter, MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(2))
    axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_ylim(bottom=0)


def _lanes(axes: Any, marks: pl.DataFrame, lanes: list[str], last: datetime) -> None:
    axes.grid(visible=False)
    for i, lane in enumerate(lanes):
        own, color = marks.filter(pl.col("lane") == lane), LANE_COLORS[lane]
        # What is announced beyond the window is drawn at its edge.
        meant = own["ts"].clip(upper_bound=last)
        crowd = own.height > 60
        for begin, end in zip(meant, own["known_at"], strict=True):
            axes.plot(
                [begin, end], [i + _MEANT, i + _KNOWN], color=color, lw=0.5, alpha=0.25 if crowd else 0.6
            )
        axes.scatter(
            meant, [i + _MEANT] * own.height, s=7, facecolors="none", edgecolors=color, lw=0.6, alpha=0.7
        )
        axes.scatter(
            own["known_at"].to_list(),
            [i + _KNOWN] * own.height,
            s=60 if crowd else 20,
            marker="|" if crowd else "o",
            color=color,
            lw=0.9 if crowd else 0,
            zorder=3,
        )
        axes.axhline(i + 0.5, color=drawing.INK, lw=0.4, alpha=0.25)
    axes.set_yticks(range(len(lanes)), lanes, fontsize=8)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(lanes) - 0.5, -0.6)
    _legend(axes, [("known", drawing.INK, "o"), ("describes", drawing.INK, "$\u25cb$")])
