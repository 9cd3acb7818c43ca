"""The same bar more than once: what to keep and what to hold back.

What does not belong here: the same bar from different vendors (`align/`), corrections that arrive later
(`align/revisions.py`); those differ in source or `known_at` and are no duplicates.
"""

from __future__ import annotations

import polars as pl

VALUES = (
    *("open", "high", "low", "close", "volume", "ex_factor"),
    *("turnover", "vwap", "trades", "open_interest"),
)


def split_duplicates(
    frame: pl.DataFrame, key: list[str], order: list[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Part rows into those to keep and those that repeat or contradict another.

    Parameters
    ----------
    frame
        Rows with the columns of `key`, of `order`, and `VALUES`.
    key
        Columns that identify a bar.
    order
        Columns whose least row is the first.

    Returns
    -------
    kept, held
        Of rows with the same values the first is kept, the others are held as `duplicate_bar`. Rows of one
        bar that contradict each other are all held as `conflicting_duplicate`. `held` has two more
        columns, rule and reason.
    """
    again = repeated(frame, key)
    verdict = (
        pl.when(pl.struct(VALUES).n_unique().over(key) > 1)
        .then(pl.lit("conflicting_duplicate"))
        .when(pl.int_range(pl.len()).over(key, order_by=order) > 0)
        .then(pl.lit("duplicate_bar"))
    )
    # Windows over half a million groups of one row are slow: only repeated rows need them.
    judged = frame.filter(again).with_columns(rule=verdict)
    kept = judged.filter(pl.col("rule").is_null()).drop("rule")
    held = judged.filter(pl.col("rule").is_not_null()).with_columns(
        pl.when(pl.col("rule") == "duplicate_bar")
        .then(pl.lit("the same bar was given before with the same values; the first one was kept"))
        .otherwise(pl.lit("the bar is given more than once with different values; send one corrected file"))
        .alias("reason")
    )
    return pl.concat([frame.filter(~again), kept]), held


def all_different(frame: pl.DataFrame, labels: list[str], ts: str) -> bool:
    """Whether no two rows have the same labels and time; quick where runs of a label go forward in time.

    Parameters
    ----------
    frame
        Rows with the columns `labels` (text) and `ts`, without nulls.
    labels, ts
        Names of columns.

    Returns
    -------
    bool
        True is certain. Two rows of the same hash may, once in many million files, make it False for nothing.
    """
    if frame.height < 2:
        return True
    moments = frame[ts]
    differs = [(pl.col(name) != pl.col(name).first()).any() for name in labels]
    varying = [label for label, varies in zip(labels, frame.select(differs), strict=True) if varies.item()]
    rising = moments > moments.shift(1)
    if not varying:
        return bool(rising[1:].all())
    if len(varying) == 1:
        label = frame[varying[0]]
        begins = (label != label.shift(1)).fill_null(True)
        if (rising.fill_null(True) | begins).all():
            starts = label.filter(begins)
            if starts.n_unique() == len(starts):
                return True
    return frame.select(*varying, ts).hash_rows().n_unique() == frame.height


def repeated(frame: pl.DataFrame, key: list[str]) -> pl.Series:
    """Tell which rows share their key with another; quicker than polars tells it of structs."""
    alike = frame.select(key).hash_rows().is_duplicated()
    if alike.any():
        # The same hash is no proof; few rows are left to compare in full.
        places = alike.arg_true()
        exact = frame.select(pl.struct(key).gather(places)).to_series().is_duplicated()
        alike = alike.scatter(places, exact)
    return alike
