"""Mid bars of instruments that nobody prints trades of: currencies and contracts for difference.

What does not belong here: bids and asks of instruments that trade; those stay beside the trades.
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.schemas import ALIGNED_BARS

QUOTED_ONLY = ("fx", "cfd")
"""Asset classes whose price is the middle of bid and ask."""

_OHLC = ("open", "high", "low", "close")
_TRADED = ("volume", "turnover", "vwap", "trades", "open_interest")


def with_mid(bars: pl.DataFrame) -> pl.DataFrame:
    """Add a mid bar wherever an instrument without trades has a bid and an ask.

    Parameters
    ----------
    bars
        Frame of `ALIGNED_BARS`, all revisions.

    Returns
    -------
    pl.DataFrame
        The same rows and one of price type mid for each moment at which bid and ask of a bar were both known
        and one of them was new. Its prices are the means of bid and ask; the mean of the two highs is not the
        highest mid, only close to it. It has no volume: a size quoted is nothing traded. Where the vendor
        gives a mid bar of the same moment, that one stays.
    """
    quoted = bars.filter(
        pl.col("asset_class").is_in(QUOTED_ONLY) & pl.col("price_type").is_in(["bid", "ask"])
    )
    if quoted.is_empty():
        return bars
    bid = quoted.filter(pl.col("price_type") == "bid").sort("known_at")
    ask = quoted.filter(pl.col("price_type") == "ask").sort("known_at")
    key = [name for name in ALIGNED_BARS.key if name != "price_type"]

    def beside(left: pl.DataFrame, right: pl.DataFrame) -> pl.DataFrame:
        """Each revision of one side with what was last known of the other by then."""
        other = right.select(*key, "known_at", "withdrawn", *_OHLC)
        joined = left.join_asof(other, on="known_at", by=key, suffix="_other", check_sortedness=False)
        return joined.filter(pl.col("withdrawn_other").is_not_null())

    both = pl.concat([beside(bid, ask), beside(ask, bid)])
    both = both.unique([*key, "known_at"], keep="first", maintain_order=True)
    mid = both.with_columns(
        *((pl.col(name) + pl.col(f"{name}_other")).truediv(2).alias(name) for name in _OHLC),
        withdrawn=pl.col("withdrawn") | pl.col("withdrawn_other"),
        price_type=pl.lit("mid"),
        **{name: pl.lit(None, ALIGNED_BARS.schema[name]) for name in _TRADED},
    )
    made = mid.join(bars, on=ALIGNED_BARS.row_key, how="anti")
    return ALIGNED_BARS.conform(pl.concat([bars, made.select(bars.columns)]))
