"""Columns that rules read of bid and ask of one moment.

What does not belong here: making mid prices (`align/mid.py`).
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.validate.prepare.runs import Runs, unknown

_KEY = ("exchange", "date", "instrument_id", "freq", "ts")
COLUMNS = ("spread", "widest_spread")


def spreads(frame: pl.DataFrame, runs: Runs) -> pl.DataFrame:
    """Bid against ask of the same bar, for the rows of both and of the mid that is made of them.

    Parameters
    ----------
    frame
        Bars, columns of `ALIGNED_BARS`.
    runs
        Its runs.

    Returns
    -------
    pl.DataFrame
        spread, ask less bid at the close as a share of their middle, and widest_spread, the highest ask less
        the lowest bid: below zero the bid stood above the ask all the while. Each side is held against what
        was last known of the other by then. Null without both sides.
    """
    kinds = set(runs.heads["price_type"].unique())
    if not {"bid", "ask"} <= kinds:
        return unknown(frame.height, COLUMNS)
    values = ("high", "low", "close")
    row = pl.int_range(pl.len(), dtype=pl.Int64).alias("row")
    quoted = frame.select(row, *_KEY, "price_type", "known_at", *values).filter(
        pl.col("price_type").is_in(["bid", "ask", "mid"])
    )

    def side(name: str) -> pl.DataFrame:
        """Look up what was last known of one side when each quote was."""
        given = quoted.filter(pl.col("price_type") == name).sort("known_at")
        return (
            quoted.sort("known_at")
            .join_asof(given, on="known_at", by=list(_KEY), suffix=f"_{name}", check_sortedness=False)
            .select("row", *(pl.col(f"{value}_{name}") for value in values))
            .sort("row")
        )

    both = pl.concat([side("bid"), side("ask").drop("row")], how="horizontal")
    middle = ((pl.col("close_bid") + pl.col("close_ask")) / 2).abs()
    found = both.select(
        "row",
        spread=(pl.col("close_ask") - pl.col("close_bid")) / middle,
        widest_spread=(pl.col("high_ask") - pl.col("low_bid")) / middle,
    )
    return frame.select(row).join(found, on="row", how="left", maintain_order="left").select(COLUMNS)
