"""What is stored against what is made again: equal to the bit, or which row, which column, and why.

What does not belong here: making it again (`tables.py`, `inputs.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import polars as pl

from lim_pipelines.lake import Lake, fingerprint
from lim_pipelines.schemas import Table

_AGAIN: Final = "_again"
_CHARACTERS: Final = 80
"""Of a value that a finding quotes."""


@dataclass(frozen=True)
class Difference:
    """How two frames of a table differ.

    Parameters
    ----------
    count
        Rows that only one of them has, or that differ in a column.
    example
        Row key of the first of them.
    words
        What differs there, in a sentence.
    """

    count: int
    example: dict[str, object]
    words: str


def difference(table: Table, stored: pl.DataFrame, again: pl.DataFrame) -> Difference | None:
    """Compare rows key by key; NaN equals NaN, null equals null, everything else to the bit.

    Parameters
    ----------
    table
        Their table.
    stored, again
        Frames of it, sorted by row key.

    Returns
    -------
    Difference or None
        None if they are equal.
    """
    if fingerprint(stored) == fingerprint(again):
        return None
    key = table.row_key
    values = [name for name in table.columns if name not in key]
    both = stored.with_columns(_stored=True).join(
        again.rename({name: f"{name}{_AGAIN}" for name in values}).with_columns(_made=True),
        on=key,
        how="full",
        coalesce=True,
        nulls_equal=True,
    )
    alone = pl.col("_stored").is_null() | pl.col("_made").is_null()
    other = [~pl.col(name).eq_missing(pl.col(f"{name}{_AGAIN}")) for name in values]
    unlike = both.filter(alone | pl.any_horizontal(other)).sort(key)
    if unlike.is_empty():
        return Difference(1, {}, "the bits of a number differ where its value does not: a zero's sign")
    row = unlike.row(0, named=True)
    example = {name: row[name] for name in key}
    if row["_made"] is None:
        words = "is stored, but not made of what was known then"
    elif row["_stored"] is None:
        words = "is made of what was known then, but not stored"
    else:
        flags = unlike.head(1).select(flag.alias(name) for name, flag in zip(values, other, strict=True))
        name = next(name for name in values if flags[name][0])
        words = f"{name} is {_short(row[name])}, made of what was known then {_short(row[name + _AGAIN])}"
    return Difference(unlike.height, example, words)


def came_later(lake: Lake, inputs: Sequence[Table], example: dict[str, object], moment: datetime) -> str:
    """Name rows of a step's inputs about the same thing that became known only after a moment.

    Parameters
    ----------
    lake
        The lake.
    inputs
        Tables that the step reads.
    example
        Row key of a row that differs.
    moment
        Where history was truncated.

    Returns
    -------
    str
        A clause for a finding; empty if there are none.
    """
    told = []
    for table in inputs:
        shared = [name for name in table.key if name in example and name not in ("ts", "freq", "source")]
        if not table.has_revisions or not shared:
            continue
        same = pl.all_horizontal(pl.col(name) == pl.lit(example[name]) for name in shared)
        rows = lake.revisions(table, same & (pl.col("known_at") > moment)).sort(table.row_key).collect()
        if rows.height:
            first = rows.sort("known_at").row(0, named=True)
            named = ", ".join(f"{name} {_short(first[name])}" for name in table.row_key)
            told.append(f"{rows.height} of {table.name} such as {named}")
    return f"; known only later of the same: {'; '.join(told)}" if told else ""


def quote(example: dict[str, object]) -> str:
    """Write a row key in words."""
    return ", ".join(f"{name} {_short(value)}" for name, value in example.items()) or "some row"


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= _CHARACTERS else f"{text[:_CHARACTERS]}..."


def alike(one: Any, other: Any, smallest: float = 0.0) -> bool:
    """Whether two nested choices or measurements are the same; numbers but for another machine's last bits.

    Parameters
    ----------
    one, other
        As from pydantic's `model_dump`.
    smallest
        Difference of numbers that is none, however small they are: what they were rounded to.
    """
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key], smallest) for key in one)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(alike(a, b, smallest) for a, b in zip(one, other, strict=True))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-6, abs_tol=smallest)
    return bool(one == other)
