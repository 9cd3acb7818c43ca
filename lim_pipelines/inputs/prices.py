"""Closes as traded at decisions, and whether shares were split since a company's figures.

What does not belong here: what is divided by them (`fundamentals.py`).
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

import polars as pl

from lim_pipelines.align.asof import as_known
from lim_pipelines.inputs.blocks import Reads
from lim_pipelines.inputs.linked import last_moment
from lim_pipelines.schemas import ONE_PRICE, VALIDATED_BARS

DIVIDEND_AT_MOST: Final = 0.05
"""Part of the price. What `ex_factor` takes away beyond it is counted as a split; a larger special dividend
costs a ratio, a split of one to twenty counted as a dividend would make it wrong."""


def with_closes(reads: Reads, decisions: pl.DataFrame, lookback: timedelta) -> pl.DataFrame:
    """Add `close`, as traded, and `split_at`, the close of the last session that began with a split.

    Parameters
    ----------
    reads
        What may be read.
    decisions
        Columns exchange, date, instrument_id, decided_at, and others.
    lookback
        How long before the first decision splits are looked for.

    Returns
    -------
    pl.DataFrame
        The rows, both columns as known at the decision; null where there is none.
    """
    first, last = decisions["date"].min(), decisions["date"].max()
    assert isinstance(first, date)
    daily = (
        pl.col("exchange").is_in(decisions["exchange"].unique().to_list())
        & pl.col("date").is_between(first - lookback, last)
        & (pl.col("freq") == "1d")
        & pl.col("price_type").is_in(ONE_PRICE)
    )
    odd = (pl.col("ex_factor") - 1).abs() > DIVIDEND_AT_MOST
    moment = last_moment(decisions)
    splits = reads.known_by(VALIDATED_BARS, moment, daily & odd)
    closes = reads.known_by(VALIDATED_BARS, moment, daily & (pl.col("date") >= first))
    known = closes.join(decisions.select("instrument_id", "date", "decided_at"), on=["instrument_id", "date"])
    known = known.filter(pl.col("known_at") <= pl.col("decided_at"))
    newest = known.sort("known_at").unique(["instrument_id", "date"], keep="last", maintain_order=True)
    newest = newest.filter(~pl.col("withdrawn")).select(
        "instrument_id", "date", "close", close_known_at="known_at"
    )
    return as_known(
        decisions.join(newest, on=["instrument_id", "date"], how="left"),
        splits.select("instrument_id", "ts", "known_at", split_at="ts"),
        by=["instrument_id"],
        columns=["split_at"],
        at="decided_at",
    )
