"""Data Docs: what Great Expectations found, as pages for people.

What does not belong here: running the rules (`expectations.py`), which rows are looked at (`excerpt.py`), how
pages look (`drawing/`).

Great Expectations' own pages load their layout from the internet and are ordered by column. These say the
same, by rule, and load nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Any

import polars as pl

from lim_pipelines import drawing
from lim_pipelines.schemas import Table
from lim_pipelines.validate.excerpt import Excerpt
from lim_pipelines.validate.expectations import ExpectationReport, ExpectationResult, check_expectations
from lim_pipelines.validate.rule import Rule
from lim_pipelines.validate.rules import rules_of
from lim_pipelines.validate.usual import UNIT

INDEX = Path("index.html")
"""The page that leads to all others, below the folder of the site."""

ORDER = ("held back", "warns", "holds", "nothing to judge")
"""What may be said of a rule, in the order of a page."""

LONGEST = 160
"""Characters of a value that are shown."""


@dataclass(frozen=True)
class Shown:
    """What is known of a table's rules.

    Parameters
    ----------
    excerpt
        What was looked at.
    report
        How its rules hold, those of rows before those of partitions.
    """

    excerpt: Excerpt
    report: ExpectationReport

    @property
    def table(self) -> Table:
        """The table."""
        return self.excerpt.table


def page_of(table: str) -> Path:
    """Return where a table's page lies below the folder of the site; a rule's name is its anchor there.

    Parameters
    ----------
    table
        Name of a validated table.

    Returns
    -------
    Path
        Relative to `Home.data_docs`.
    """
    return Path(f"{table}.html")


def look(excerpt: Excerpt) -> Shown:
    """Run all rules of a table over what is looked at of it."""
    by_row, by_partition = rules_of(excerpt.table), rules_of(excerpt.table, "partition")
    rows = check_expectations(excerpt.rows, by_row)
    partitions = (
        check_expectations(excerpt.partitions, by_partition) if by_partition else ExpectationReport(())
    )
    return Shown(excerpt, ExpectationReport(rows.results + partitions.results))


def write_site(folder: Path, shown: Sequence[Shown], at: datetime) -> None:
    """Write the site: a page a table and one that leads to them, each put into place whole.

    Parameters
    ----------
    folder
        Folder of the site.
    shown
        Tables with their rules.
    at
        When they were looked at, UTC.
    """
    for one in shown:
        drawing.write_page(folder / page_of(one.table.name), _render("table", at, **_table_page(one)))
    drawing.write_page(folder / INDEX, _render("index", at, tables=[_line(one) for one in shown]))


def _render(kind: str, at: datetime, **values: Any) -> str:
    template = files(__package__).joinpath("data_docs.html.j2").read_text(encoding="utf-8")
    return (
        drawing.environment()
        .from_string(template)
        .render(kind=kind, style=drawing.style(), made=f"{at:%Y-%m-%d %H:%M} UTC", **values)
    )


def _line(one: Shown) -> dict[str, Any]:
    """Make a table's line of the first page."""
    report = one.report
    failing = {result.rule.name: result.rule for result in report.failing}
    return {
        "name": one.table.name,
        "page": str(page_of(one.table.name)),
        "words": one.excerpt.words if one.excerpt.rows.height else "no rows yet",
        "rows": one.excerpt.rows.height,
        "rules": len({result.rule.name for result in report.results}),
        "expectations": len(report.results),
        "hold": len(report.results) - len(report.failing),
        "blocking": [name for name, rule in failing.items() if rule.severity == "blocking"],
        "warning": [name for name, rule in failing.items() if rule.severity == "warning"],
        "agrees": not report.disagreeing,
    }


def _table_page(one: Shown) -> dict[str, Any]:
    """Fill the page of a table."""
    by_rule = [(rule, list(found)) for rule, found in groupby(one.report.results, lambda result: result.rule)]
    return {
        "table": _line(one),
        "description": one.table.description,
        "index": str(INDEX),
        # What needs a look comes first; within that the rules' own order.
        "rules": sorted(
            (_rule(rule, found, one.table) for rule, found in by_rule),
            key=lambda said: ORDER.index(said["status"]),
        ),
    }


def _rule(rule: Rule, found: list[ExpectationResult], table: Table) -> dict[str, Any]:
    """Describe a rule and its expectations."""
    named = UNIT if rule.level == "partition" else table.row_key
    evaluated = max(result.evaluated for result in found)
    if any(not result.success for result in found):
        status = "held back" if rule.severity == "blocking" else "warns"
    else:
        status = "holds" if evaluated else "nothing to judge"
    return {
        "rule": rule,
        "status": status,
        "checks": [_check(result, rule.checks[i].passes(), named) for i, result in enumerate(found)],
    }


def _check(result: ExpectationResult, passes: pl.Expr, named: Sequence[str]) -> dict[str, Any]:
    """Describe an expectation, with the keys of rows that fail and the values that it reads."""
    read = [name for name in passes.meta.root_names() if name not in named]
    # The values first: the keys are long, and the page is only so wide.
    keys = [name for name in named if name in result.examples.columns]
    examples = result.examples.select(*dict.fromkeys(read), *keys)
    return {
        "words": result.expectation,
        "evaluated": result.evaluated,
        "unexpected": result.unexpected,
        "by_gate": result.by_gate,
        "columns": examples.columns,
        "examples": [[_cell(value) for value in row] for row in examples.iter_rows()],
    }


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST else text[:LONGEST] + " …"
