"""The few kinds of check that rules are made of, each readable by polars and by Great Expectations.

What does not belong here: which values are right (`rules/`), running anything (`gate.py`,
`expectations.py`).

A missing value passes every check: whether it may be missing is the schema's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import polars as pl


class Check(Protocol):
    """One condition on every row."""

    def passes(self) -> pl.Expr:
        """Boolean expression over the prepared frame; never null."""

    def expectation(self) -> tuple[str, dict[str, Any]]:
        """Great Expectations class name and its arguments."""


@dataclass(frozen=True)
class Between:
    """A column lies between two bounds.

    Parameters
    ----------
    column
        Column of the prepared frame.
    low, high
        Bounds; None is open.
    strict
        Whether the bounds themselves fail.
    where, unless
        Column to the values for which the check applies, and for which it does not; elsewhere it passes.
    """

    column: str
    low: float | None = None
    high: float | None = None
    strict: bool = False
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unless: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def passes(self) -> pl.Expr:
        """See `Check`."""
        value, good = pl.col(self.column), pl.lit(True)
        if self.low is not None:
            good &= (value > self.low) if self.strict else (value >= self.low)
        if self.high is not None:
            good &= (value < self.high) if self.strict else (value <= self.high)
        # A missing word is none of the values, to pandas as to us.
        applies = pl.lit(True)
        for column, values in self.where.items():
            applies &= pl.col(column).is_in(values).fill_null(False)
        for column, values in self.unless.items():
            applies &= ~pl.col(column).is_in(values).fill_null(False)
        # NaN compares as larger than everything in polars; `finite` rules deal with it, here it is missing.
        absent = value.is_null() | value.cast(pl.Float64).is_nan()
        return ~applies | absent | good

    def expectation(self) -> tuple[str, dict[str, Any]]:
        """See `Check`."""
        kwargs: dict[str, Any] = {"column": self.column, "min_value": self.low, "max_value": self.high}
        if self.strict:
            kwargs |= {"strict_min": self.low is not None, "strict_max": self.high is not None}
        parts = [f"{column} in {list(values)}" for column, values in self.where.items()]
        parts += [f"{column} not in {list(values)}" for column, values in self.unless.items()]
        if parts:
            kwargs |= {"row_condition": " and ".join(parts), "condition_parser": "pandas"}
        return "ExpectColumnValuesToBeBetween", kwargs


@dataclass(frozen=True)
class NotBelow:
    """One column is never below another."""

    upper: str
    lower: str

    def passes(self) -> pl.Expr:
        """See `Check`."""
        upper, lower = pl.col(self.upper).fill_nan(None), pl.col(self.lower).fill_nan(None)
        return (upper >= lower).fill_null(True)

    def expectation(self) -> tuple[str, dict[str, Any]]:
        """See `Check`."""
        return "ExpectColumnPairValuesAToBeGreaterThanB", {
            "column_A": self.upper,
            "column_B": self.lower,
            "or_equal": True,
            "ignore_row_if": "either_value_is_missing",
        }


@dataclass(frozen=True)
class IsTrue:
    """A prepared boolean column holds."""

    column: str

    def passes(self) -> pl.Expr:
        """See `Check`."""
        return pl.col(self.column).fill_null(True)

    def expectation(self) -> tuple[str, dict[str, Any]]:
        """See `Check`."""
        return "ExpectColumnValuesToBeInSet", {"column": self.column, "value_set": [True]}
