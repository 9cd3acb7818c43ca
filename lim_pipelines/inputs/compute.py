"""Compute the inputs of some sessions: every block, joined as of each decision and scaled.

What a row holds depends on the facts known at its decision, not on which sessions are computed with it.

What does not belong here: what the inputs are (the blocks), writing them (`build.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import polars as pl

from lim_pipelines.align.standardise import Method, Scaled, cross_section, over_time
from lim_pipelines.exchanges import FIRST_CALENDAR_YEAR, get_exchange
from lim_pipelines.inputs.blocks import Block, Reads
from lim_pipelines.inputs.decisions import decisions, moments
from lim_pipelines.inputs.registry import BLOCKS
from lim_pipelines.schemas import INPUT_SCALES, MODEL_INPUTS, UTC_TIME

WINDOW: Final = 1260
"""Sessions, about five years, that a session's macro features are scaled by."""

AT_LEAST: Final = 60
"""Sessions of them that a fit needs; a cross-section needs `align.standardise.AT_LEAST` instruments."""

_NAN: Final = float("nan")

_DECISION: Final = ("exchange", "date", "instrument_id", "decided_at")

_FITTED: Final[dict[str, Any]] = {
    "feature": pl.String,
    "decided_at": UTC_TIME,
    "location": pl.Float64,
    "scale": pl.Float64,
    "n": pl.Int64,
    "first": UTC_TIME,
    "last": UTC_TIME,
}


@dataclass(frozen=True)
class Computed:
    """Inputs of some sessions of an exchange.

    Parameters
    ----------
    rows, scales
        Frames of `MODEL_INPUTS` and `INPUT_SCALES`. Every session with decisions has a scale of every
        feature; a decision of which a block knows nothing has no row of it.
    decisions
        Columns exchange, date, instrument_id, decided_at, known_at.
    """

    rows: pl.DataFrame
    scales: pl.DataFrame
    decisions: pl.DataFrame


def compute(reads: Reads, mic: str, days: list[date]) -> Computed:
    """Compute the inputs of some sessions of an exchange, from what was known at their decisions.

    Parameters
    ----------
    reads
        What may be read.
    mic
        The exchange.
    days
        Dates, sorted.
    """
    asked = decisions(reads.lake, mic, days[0], days[-1]).filter(pl.col("date").is_in(days))
    rows, scales = [MODEL_INPUTS.empty()], [INPUT_SCALES.empty()]
    if asked.height and not get_exchange(mic).simulated:
        for block in BLOCKS.values():
            valued, fitted = (_of_sessions if block.about == "session" else _of_instruments)(
                reads, block, mic, asked
            )
            rows.append(_listed(block, valued, asked))
            scales.append(_complete(block, fitted, asked))
    return Computed(pl.concat(rows), pl.concat(scales), asked)


def _of_sessions(
    reads: Reads, block: Block, mic: str, asked: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Values of a block about sessions, scaled by the sessions before: one row a session."""
    first, last = asked["date"].min(), asked["date"].max()
    assert isinstance(first, date)
    assert isinstance(last, date)
    # Twice as many days as sessions: more than any calendar needs.
    oldest = max(date(FIRST_CALENDAR_YEAR, 1, 1), first - timedelta(days=2 * WINDOW))
    values = block.compute(reads, moments(mic, oldest, last))
    wanted = pl.col("date").is_in(asked["date"].unique().to_list())

    def scale(method: Method, long: pl.DataFrame) -> Scaled:
        return over_time(
            long, method, by=["feature"], at="decided_at", window=WINDOW, only=wanted, at_least=AT_LEAST
        )

    values, fitted = _scaled(block, values, scale)
    return values.filter(wanted), fitted


def _of_instruments(
    reads: Reads, block: Block, mic: str, asked: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Values of a block about instruments, scaled among those of the session: one row a decision."""
    values = block.compute(reads, asked.drop("known_at")).join(asked, on=_DECISION)
    # Who comes late has no influence on those who were in time: each is scaled among all that came no later.
    turns = values.select("decided_at", turn="known_at").unique()
    seen = values.join(turns, on="decided_at").filter(pl.col("known_at") <= pl.col("turn"))

    def scale(method: Method, long: pl.DataFrame) -> Scaled:
        return cross_section(long, method, by=["feature", "decided_at", "turn"], at="decided_at")

    scaled, fitted = _scaled(block, seen, scale)
    return scaled.filter(pl.col("known_at") == pl.col("turn")).drop("turn"), fitted


def _scaled(
    block: Block, values: pl.DataFrame, scale: Callable[[Method, pl.DataFrame], Scaled]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Add a column `scaled.<feature>` a feature, and return the fitted numbers of all of them."""
    keys = [name for name in (*_DECISION, "known_at", "turn") if name in values.columns]
    numbers = []
    for feature in block.features:
        if feature.scaling is None:
            values = values.with_columns(pl.col(feature.name).alias(f"scaled.{feature.name}"))
            continue
        long = values.select(*keys, value=feature.name, feature=pl.lit(feature.name))
        done = scale(feature.scaling, long)
        values = values.with_columns(done.rows["scaled"].alias(f"scaled.{feature.name}"))
        numbers.append(done.fitted)
    return values, pl.concat(numbers) if numbers else pl.DataFrame(schema=_FITTED)


def _listed(block: Block, values: pl.DataFrame, asked: pl.DataFrame) -> pl.DataFrame:
    """Frame of `MODEL_INPUTS`: rows of which something is known."""
    on = [name for name in _DECISION if name in values.columns]
    rows = asked.join(values.drop("known_at", strict=False), on=on)
    names = [feature.name for feature in block.features]
    lists = {
        into: pl.concat_list(
            pl.col(f"{prefix}{name}").fill_null(_NAN)
            if feature.width == 1
            else pl.col(f"{prefix}{name}").fill_null(pl.lit([_NAN] * feature.width))
            for name, feature in zip(names, block.features, strict=True)
        )
        for into, prefix in (("values", ""), ("scaled", "scaled."))
    }
    rows = rows.filter(pl.col("newest").is_not_null())
    if rows.is_empty():  # The digest would ask for an encoder that need not be installed.
        return MODEL_INPUTS.empty()
    return MODEL_INPUTS.conform(
        rows.with_columns(**lists, block=pl.lit(block.name), spec=pl.lit(block.spec()))
    )


def _complete(block: Block, fitted: pl.DataFrame, asked: pl.DataFrame) -> pl.DataFrame:
    """Frame of `INPUT_SCALES`: every session and feature, fitted or not, and each later turn of it."""
    by = ["exchange", "date", "decided_at"]
    turns = asked.select(*by, turn="decided_at").unique()
    if "turn" in fitted.columns:
        turns = pl.concat([turns, asked.select(*by, turn="known_at")]).unique()
    else:
        fitted = fitted.with_columns(turn="decided_at")
    features = pl.DataFrame(
        {"feature": [f.name for f in block.features], "method": [f.scaling or "none" for f in block.features]}
    )
    on = ["feature", "decided_at", "turn"]
    rows = turns.join(features, how="cross").join(fitted, on=on, how="left")
    return INPUT_SCALES.conform(
        rows.rename({"first": "fitted_first", "last": "fitted_last"}).with_columns(
            block=pl.lit(block.name), fitted_on=pl.col("n").fill_null(0), known_at="turn"
        )
    )
