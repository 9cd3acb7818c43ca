"""What all HTML pages share: the template engine's settings and the style sheet.

What does not belong here: the templates, each beside what fills it.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment


def style() -> str:
    """Return the style sheet, light and dark; a page carries it inside and loads nothing."""
    return files(__package__).joinpath("page.css").read_text(encoding="utf-8")


def environment() -> Environment:
    """Return an engine that escapes all values and refuses names that nobody gave."""
    from jinja2 import Environment, StrictUndefined

    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, in the plural but for one: "1 seed", "3 seeds"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def write_page(path: Path, html: str) -> None:
    """Put a page into place whole: a reader sees the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.tmp")
    fresh.write_text(html, encoding="utf-8")
    fresh.replace(path)
