"""Two contents of the same rows: equal to the bit, or where they differ first.

What does not belong here: making either of them (`verify.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from lim_pipelines.lake import fingerprint
from lim_pipelines.schemas import Table

Verdict = Literal["equal", "differs", "cannot be verified"]


@dataclass(frozen=True)
class Finding:
    """What came of comparing one thing.

    Parameters
    ----------
    what
        What was compared.
    verdict
        What came of it.
    compared
        Rows, or numbers, that were compared.
    detail
        Where it differs first, or why it cannot be verified; a remark if it is equal.
    """

    what: str
    verdict: Verdict
    compared: int = 0
    detail: str = ""


def compare(what: str, stored: pl.DataFrame, derived: pl.DataFrame, table: Table) -> Finding:
    """Compare rows as they are stored with rows as they come out again.

    Parameters
    ----------
    what
        Name of the rows.
    stored, derived
        Frames of `table`, in any order.
    table
        Their table.
    """
    stored, derived = (frame.sort(table.row_key) for frame in (stored, derived))
    if fingerprint(stored) == fingerprint(derived):
        return Finding(what, "equal", stored.height, f"fingerprint {fingerprint(stored)}")
    return Finding(what, "differs", stored.height, first_difference(stored, derived, table.row_key))


def first_difference(stored: pl.DataFrame, derived: pl.DataFrame, key: list[str]) -> str:
    """Say in words where two frames of the same columns differ first.

    Parameters
    ----------
    stored, derived
        The frames, sorted by key.
    key
        Columns that identify a row.
    """
    gone = stored.join(derived, on=key, how="anti", nulls_equal=True, maintain_order="left")
    new = derived.join(stored, on=key, how="anti", nulls_equal=True, maintain_order="left")
    words = []
    if gone.height:
        words.append(f"{gone.height} rows are stored that do not come out again, first {_row(gone, key)}")
    if new.height:
        words.append(f"{new.height} rows come out that are not stored, first {_row(new, key)}")
    values = [name for name in stored.columns if name not in key]
    both = stored.join(derived, on=key, how="inner", suffix="_again", nulls_equal=True, maintain_order="left")
    differs = [pl.col(name).ne_missing(pl.col(f"{name}_again")) for name in values]
    other = both.filter(pl.any_horizontal(pl.lit(False), *differs))
    if other.height:
        row = other.row(0, named=True)
        [name, *_] = [
            name
            for name, here in zip(
                values,
                other.head(1).select(expr.alias(str(i)) for i, expr in enumerate(differs)).row(0),
                strict=True,
            )
            if here
        ]
        words.append(
            f"{other.height} rows have other values, first {_row(other, key)}: {name} is stored as"
            f" {row[name]!r}, comes out as {row[f'{name}_again']!r}"
        )
    return "; ".join(words) or "the same values in other bits (the sign of a zero, or kinds of NaN)"


def _row(frame: pl.DataFrame, key: list[str]) -> str:
    row: dict[str, Any] = frame.row(0, named=True)
    return ", ".join(f"{name} {row[name]}" for name in key)
