"""Columns that the rules of alternative data read beside the table's own.

What does not belong here: the rules (`rules/alternative.py`).
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.validate.rules.alternative import PERIODS


def prepare(frame: pl.DataFrame) -> pl.DataFrame:
    """Add the columns that these rules read beside the table's own and those of every table.

    Parameters
    ----------
    frame
        Rows of a validated table of alternative data before validation.

    Returns
    -------
    pl.DataFrame
        Same rows and order, with known_period (facts), has_words (of what must have some) and between_two
        (relations).
    """

    def has_words(*names: str) -> pl.Expr:
        return pl.all_horizontal(pl.col(name).str.contains(r"\S") for name in names).alias("has_words")

    if "field" in frame.columns:
        return frame.with_columns(known_period=pl.col("period").is_in(PERIODS))
    if "kind" in frame.columns:
        return frame.with_columns(has_words("kind"))
    if "text" in frame.columns:
        return frame.with_columns(has_words("text"))
    # An id that ends with its last colon is that of an empty name.
    nameless = pl.any_horizontal(
        pl.col(name).str.contains(r"(^|:)\s*$") for name in ("subject_id", "object_id")
    )
    return frame.with_columns(
        has_words=~nameless & pl.col("relation").str.contains(r"\S"),
        between_two=pl.col("subject_id") != pl.col("object_id"),
    )
