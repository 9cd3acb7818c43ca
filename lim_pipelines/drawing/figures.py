"""Figures that are readable on light and dark pages, and their conversion to SVG and PNG.

What does not belong here: numbers, and which plot shows them.

matplotlib is imported when something is drawn: assets import this module.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Readable on white and on near-black alike; told apart by people who do not see red and green.
COLORS = ("#3b82d6", "#e08a1e", "#2a9d8f", "#b565c9", "#8a8f98")
INK = "#808183"
"""Drawn for axes and text; the SVG turns it into the page's own ink."""

_TICKS = 8
"""Points of all labels along an axis."""


def figure_of(width: float, height: float) -> Figure:
    """Make an empty figure without a background.

    Parameters
    ----------
    width, height
        Inches. A page shows it as wide as its column, text and all: the wider here, the smaller the text
        there.
    """
    from matplotlib.figure import Figure

    # A figure of its own, not pyplot's: nothing global, safe in threads.
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_alpha(0)
    return figure


def styled(axes: Any, label: str = "") -> Any:
    """Give axes the house's look: two spines, a faint grid, the page's ink; return them."""
    axes.patch.set_alpha(0)
    axes.set_ylabel(label, color=INK, fontsize=9)
    axes.tick_params(colors=INK, labelsize=_TICKS)
    axes.grid(axis="y", color=INK, alpha=0.25, lw=0.6)
    for name, spine in axes.spines.items():
        spine.set_visible(name in ("left", "bottom"))
        spine.set_color(INK)
    return axes


def dated(axes: Any, most: int = 8) -> Any:
    """Label the time axis with short dates, `most` at most; return the axes."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=3, maxticks=most)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.xaxis.get_offset_text().set(color=INK, fontsize=_TICKS)
    axes.margins(x=0.01)
    return axes


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
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    # matplotlib names its groups figure_1, axes_1, ...: one prefix a plot keeps ids unique on the page. An
    # image inside is a data address and no reference.
    return re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{name}-", text)
