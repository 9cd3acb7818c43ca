"""Closes as traded at decisions, and whether shares were split since a company's figures.

What does not belong here: what is divided by them (`fundamentals.py`).
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final

import polars as pl

from lim_pipelines.align.asof import as_known
from lim_pipelines.inputs.blocks import Reads
from lim_pipelines.inputs.linked import last_moment
from lim_pipelines.schemas import ONE_PRICE, VALIDATED_BARS

DIVIDEND_AT_MOST: Final = 0.05
"""Part of the price. What `ex_factor` takes away beyond it is counted as a split; a larger special dividend
costs a ratio, a split of one to twenty counted as a dividend would make it wrong."""

CLOSE_AT_MOST: Final = timedelta(days=7)
"""Age of a close at a decision: a vendor whose days are out with the next open has the session before's."""


def with_closes(reads: Reads, decisions: pl.DataFrame, lookback: timedelta) -> pl.DataFrame:
    """Add `close`, the newest as traded, and `split_at`, the close of the last session begun with a split.

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
    moment = last_moment(decisions)
    closes = reads.known_by(VALIDATED_BARS, moment, daily & (pl.col("date") >= first - CLOSE_AT_MOST))
    told = closes.select(
        "instrument_id",
        "ts",
        "known_at",
        close=pl.when(~pl.col("withdrawn")).then("close"),
        close_known_at="known_at",
    )
    rows = as_known(
        decisions,
        told,
        by=["instrument_id"],
        columns=["close", "close_known_at"],
        at="decided_at",
        expiry=CLOSE_AT_MOST,
    )
    keys = ["instrument_id", "decided_at"]
    asked = decisions.select(keys).unique().join(_splits(reads, moment, daily), on="instrument_id")
    # As known then: a later revision may take a split back, or withdraw the bar.
    held = pl.col("until").is_null() | (pl.col("until") > pl.col("decided_at"))
    split = asked.filter(held & (pl.col("known_at") <= pl.col("decided_at"))).group_by(keys)
    return rows.join(split.agg(split_at=pl.col("ts").max()), on=keys, how="left", maintain_order="left")


def _splits(reads: Reads, moment: datetime, daily: pl.Expr) -> pl.DataFrame:
    """Revisions that say that a session began with a split: instrument_id, ts, known_at, until (the next)."""
    odd = (pl.col("ex_factor") - 1).abs() > DIVIDEND_AT_MOST
    key = list(VALIDATED_BARS.key)
    once = reads.known_by(VALIDATED_BARS, moment, daily & odd).select(key).unique()
    there = pl.col("instrument_id").is_in(once["instrument_id"].unique().to_list())
    there &= pl.col("date").is_in(once["date"].unique().to_list())
    bars = reads.known_by(VALIDATED_BARS, moment, daily & there).join(once, on=key, how="semi")
    bars = bars.with_columns(until=pl.col("known_at").shift(-1).over(key, order_by="known_at"))
    return bars.filter(odd & ~pl.col("withdrawn")).select("instrument_id", "ts", "known_at", "until")
