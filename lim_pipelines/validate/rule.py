"""What a rule is.

What does not belong here: the rules (`rules/`), kinds of check (`checks.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl

from lim_pipelines.validate.checks import Check

Severity = Literal["blocking", "warning"]
Level = Literal["row", "partition"]


@dataclass(frozen=True)
class Rule:
    """One rule.

    Parameters
    ----------
    name
        Short name, as it appears in the quarantine.
    table
        Name of the table whose rows it judges.
    severity
        blocking or warning.
    owner
        Who answers for the rule.
    rationale
        Why the rule is right.
    remedy
        What to do about a row that fails.
    checks
        Conditions that must all hold: of rows over the frame as `prepare` gives it, of partitions over one
        row a partition and source.
    level
        What it judges: each row, or a partition as a whole.
    sources
        Sources whose rows it judges; empty: all.
    """

    name: str
    table: str
    severity: Severity
    owner: str
    rationale: str
    remedy: str
    checks: tuple[Check, ...]
    level: Level = "row"
    sources: tuple[str, ...] = ()

    def passes(self) -> pl.Expr:
        """Boolean expression over the prepared frame."""
        good = pl.all_horizontal(check.passes() for check in self.checks)
        return good | ~pl.col("source").is_in(self.sources) if self.sources else good
