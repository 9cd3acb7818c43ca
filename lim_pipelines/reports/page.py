"""What pages with interactive plots share: the template engine, plotly's script, formats of figures.

Plotly's script is written into the page, once, so that a page asks nobody for anything: 4.8 MB of its size.
What does not belong here: which plots (`charts.py`, `leaderboard.py`), which tables.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from lim_pipelines import drawing

DASH = "–"
MINUS = "\u2212"

Chart = dict[str, Any]
"""A figure as plotly's JSON has it: data and layout."""


@dataclass(frozen=True)
class Table:
    """A table of a page.

    Parameters
    ----------
    columns
        Names; the first column is aligned left.
    rows
        Cells, by row.
    note
        What has to be known to read it.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True)
class Section:
    """A part of a page that `sections.html.j2` lays out.

    Parameters
    ----------
    title
        Its heading.
    text
        What it says, before its plots.
    charts
        Names of plots of the page.
    table
        Behind them.
    verdicts
        What is to be said of whom, before the text; names that the page has links of lead there.
    simulated
        Whether it is of a simulated market: then it says so.
    """

    title: str
    text: str = ""
    charts: Sequence[str] = ()
    table: Table | None = None
    verdicts: Sequence[tuple[str, str]] = ()
    simulated: bool = False


def there(reports: Path, names: Sequence[str]) -> dict[str, str]:
    """Name the pages of a folder that there are, of some: file by name."""
    return {name: f"{name}.html" for name in names if (reports / f"{name}.html").exists()}


def render(template: str, title: str, charts: Mapping[str, Chart], **values: Any) -> str:
    """Fill a template of this folder.

    Parameters
    ----------
    template
        Its name.
    title
        Of the page.
    charts
        Plots by their names on the page.
    values
        What else the template asks for.

    Returns
    -------
    str
        HTML that loads nothing from anywhere; the same arguments give the same bytes.
    """
    from jinja2 import FileSystemLoader

    environment = drawing.environment()
    environment.loader = FileSystemLoader(Path(__file__).parent)
    script = files("plotly").joinpath("package_data", "plotly.min.js").read_text(encoding="utf-8")
    data = {name: _json(chart) for name, chart in charts.items()}
    return environment.get_template(template).render(
        style=drawing.style(), title=title, plotly=script, charts=data, **values
    )


def sectioned(
    title: str,
    subtitle: str,
    sections: Sequence[Section],
    charts: Mapping[str, Chart],
    *,
    verdicts: Sequence[tuple[str, str]] = (),
    facts: Sequence[tuple[str, str]] = (),
    links: Mapping[str, str] | None = None,
    simulated: bool = False,
) -> str:
    """Write a page of sections: verdicts on top, then facts, then one section after the other.

    Parameters
    ----------
    title, subtitle
        Of the page.
    sections
        Its parts, in order.
    charts
        Plots by the names that sections use.
    verdicts
        (name, words): what is to be said of whom.
    facts
        (name, value).
    links
        File beside this one, by the name that leads there.
    simulated
        Whether all of it is of a simulated market.

    Returns
    -------
    str
        As from `render`.
    """
    return render(
        "sections.html.j2",
        title,
        charts,
        subtitle=subtitle,
        verdicts=verdicts,
        facts=facts,
        sections=sections,
        links=links or {},
        simulated=simulated,
    )


def number(value: float | None, digits: int = 2) -> str:
    """Write a number, or a dash where there is none."""
    if value is None or not math.isfinite(value):
        return DASH
    return f"{value:.{digits}f}".replace("-", MINUS)


def percent(value: float | None, digits: int = 1) -> str:
    """Write a fraction as a percentage, or a dash where there is none."""
    if value is None or not math.isfinite(value):
        return DASH
    return f"{value:.{digits}%}".replace("-", MINUS)


def interval(low: float | None, high: float | None, digits: int = 2) -> str:
    """Write an interval, or a dash where there is none."""
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return DASH
    return f"{number(low, digits)} to {number(high, digits)}"


def money(value: float | None, currency: str) -> str:
    """Write an amount with two digits that count, such as "3.4 million USD"; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return DASH
    for size, name in ((1e9, " billion"), (1e6, " million"), (1e3, " thousand"), (1.0, "")):
        if value >= size:
            return (
                f"{value / size:,.2g}{name} {currency}"
                if value < 99.5 * size
                else f"{value / size:,.0f}{name} {currency}"
            )
    return f"0 {currency}"


def _json(chart: Chart) -> str:
    """Write a plot as JSON that may stand inside a script element."""
    return json.dumps(chart, separators=(",", ":"), allow_nan=False, default=str).replace("</", "<\\/")
