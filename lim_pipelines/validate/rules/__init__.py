"""The rules that data must pass, as data: lists to read, argue about and extend.

What does not belong here: how rules are run (`gate.py`, `expectations.py`), kinds of check (`checks.py`), the
columns that rules read (`prepare/`).

A blocking rule sends a row to quarantine, or holds a partition; a warning lets it pass and counts it. A
blocking rule of rows judges a row by itself, its own session and reference data, never by other sessions. A
rule of partitions also looks at the aligned sessions before, as they were known when the session was; never
at later ones, and never at what was published of others. So a partition that is validated again may come out
otherwise if an earlier session has arrived, or changed, since.
"""

from __future__ import annotations

from lim_pipelines.schemas import Table
from lim_pipelines.validate.rule import Level, Rule
from lim_pipelines.validate.rules import (
    agreement,
    alternative,
    bars,
    facts,
    history,
    macro,
    partitions,
    quotes,
    reference,
)

RULES: tuple[Rule, ...] = (
    *bars.RULES,
    *reference.RULES,
    *quotes.RULES,
    *history.RULES,
    *agreement.RULES,
    *partitions.RULES,
    *macro.RULES,
    *facts.RULES,
    *alternative.RULES,
)


def rules_of(table: Table, level: Level = "row") -> list[Rule]:
    """Rules of a table, in the order in which they name a failing row's quarantine."""
    return [rule for rule in RULES if rule.table == table.name and rule.level == level]
