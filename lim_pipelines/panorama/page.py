"""A page of the panorama: a heading, a few figures, sections with a plot or a table.

What does not belong here: what the sections say (`pages.py`), how pages look (`drawing/`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from lim_pipelines import drawing


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Parameters
    ----------
    heading
        Its heading.
    notes
        Paragraphs below it.
    figure
        SVG, as `drawing.svg` makes it.
    columns, rows
        A table.
    """

    heading: str
    notes: tuple[str, ...] = ()
    figure: str = ""
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()


def page(
    title: str, lead: str, facts: Sequence[tuple[str, str]], sections: Sequence[Section], made: str
) -> str:
    """Write a page.

    Parameters
    ----------
    title, lead
        What it is, and how to read it.
    facts
        (name, value) pairs, shown large.
    sections
        Its parts.
    made
        What it was made from, and when.

    Returns
    -------
    str
        HTML that loads nothing from anywhere.
    """
    template = files(__package__).joinpath("page.html.j2").read_text(encoding="utf-8")
    html: str = (
        drawing.environment()
        .from_string(template)
        .render(
            style=drawing.style(), title=title, lead=lead, facts=list(facts), sections=sections, made=made
        )
    )
    return html
