"""How plots and pages look, wherever they are made: axes, colours, SVG for pages, PNG for metadata, style.

What does not belong here: what is drawn (`reports/`, `panorama/`).
"""

from lim_pipelines.drawing.figures import COLORS, INK, dated, figure_of, png, styled, svg
from lim_pipelines.drawing.page import counted, environment, style, write_page

__all__ = [
    "COLORS",
    "INK",
    "counted",
    "dated",
    "environment",
    "figure_of",
    "png",
    "style",
    "styled",
    "svg",
    "write_page",
]
