"""Columns that the rules of alternative data read beside the table's own.

What does not belong here: the rules (`rules/facts.py`, `rules/alternative.py`).
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.validate.rules.facts import FIELD_UNITS, PERIODS

NEW_YORK = "America/New_York"
_BALANCE = ("cash", "cur_assets")
_EARNINGS = ("eps_basic", "eps_diluted")


def prepare(frame: pl.DataFrame) -> pl.DataFrame:
    """Add the columns that these rules read beside the table's own and those of every table.

    Parameters
    ----------
    frame
        Rows of a validated table of alternative data before validation.

    Returns
    -------
    pl.DataFrame
        Same rows and order, with own_partition (year or date is that of ts), and

        - facts: known_period, usual_unit (null for a field of any unit), part_of_assets and sign_of_earnings
          (against the other figures of the same filing; null where there is nothing to compare);
        - events: has_words, new_york_weekday (1 is Monday);
        - texts: has_words, readable;
        - relations: has_words, between_two, weekday.
    """
    moment = pl.col("ts")
    if "year" in frame.columns:
        frame = frame.with_columns(own_partition=pl.col("year") == moment.dt.year())
    else:
        frame = frame.with_columns(own_partition=pl.col("date") == moment.dt.date())
    if "field" in frame.columns:
        return _facts(frame)
    if "kind" in frame.columns:
        return frame.with_columns(
            _has_words("kind"), new_york_weekday=moment.dt.convert_time_zone(NEW_YORK).dt.weekday()
        )
    if "text" in frame.columns:
        return frame.with_columns(
            _has_words("text"), readable=~pl.col("text").str.contains(r"[\x{FFFD}\x00-\x08\x0e-\x1f]")
        )
    # An id that ends with its last colon is that of an empty name.
    nameless = pl.any_horizontal(
        pl.col(name).str.contains(r"(^|:)\s*$") for name in ("subject_id", "object_id")
    )
    return frame.with_columns(
        has_words=~nameless & pl.col("relation").str.contains(r"\S"),
        between_two=pl.col("subject_id") != pl.col("object_id"),
        weekday=moment.dt.weekday(),
    )


def _has_words(name: str) -> pl.Expr:
    return pl.col(name).str.contains(r"\S").alias("has_words")


def _facts(frame: pl.DataFrame) -> pl.DataFrame:
    """Add what the rules of facts read."""
    field, value = pl.col("field"), pl.col("value")

    def beside(name: str) -> pl.Expr:
        """Value of a field in the same filing."""
        same = ["source", "entity_id", "period", "ts", "known_at"]
        return pl.when(field == name).then(value.fill_nan(None)).max().over(same)

    return frame.with_columns(
        known_period=pl.col("period").is_in(PERIODS),
        usual_unit=pl.col("unit") == field.replace_strict(FIELD_UNITS, default=None, return_dtype=pl.String),
        part_of_assets=pl.when(field.is_in(_BALANCE)).then(value.fill_nan(None) <= beside("assets")),
        sign_of_earnings=pl.when(field.is_in(_EARNINGS), beside("net_income") < 0).then(
            value.fill_nan(None) <= 0
        ),
    )
