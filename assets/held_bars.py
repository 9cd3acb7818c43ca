"""What partitions look like that are held as a whole: some of their bars, and the files they came in.

A rule of a partition blames no single row, so the quarantine has none to show.

What does not belong here: rows that fail by themselves (`explain.py`), why a partition is held
(`gate_checks.py`).
"""

from datetime import date, timedelta

import polars as pl

from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.schemas import ALIGNED_BARS, RAW_QUOTES

BEFORE = timedelta(days=7)
"""How far back the close before is looked for: over a weekend and a holiday."""

_SERIES = ("instrument_id", "source", "freq", "price_type")


def held_bars(lake: Lake, partitions: pl.DataFrame, each: int = 3) -> pl.DataFrame:
    """Return some bars of each partition, those first that moved most since the close before.

    Parameters
    ----------
    lake
        The lake.
    partitions
        Columns exchange and date, a few rows.
    each
        Bars of a partition at most.

    Returns
    -------
    pl.DataFrame
        Columns exchange, date, instrument_id, source, close_before (null if there is none within `BEFORE`),
        open, high, low, close, volume.
    """
    empty = ALIGNED_BARS.empty().with_columns(close_before=pl.lit(None, pl.Float64))
    found = [empty, *(_moved_most(lake, exchange, day, each) for exchange, day in partitions.iter_rows())]
    prices = ("close_before", "open", "high", "low", "close", "volume")
    return pl.concat(found, how="diagonal").select("exchange", "date", "instrument_id", "source", *prices)


def _moved_most(lake: Lake, exchange: str, day: date, each: int) -> pl.DataFrame:
    today = pl.lit(day, pl.Date)
    near = (pl.col("exchange") == exchange) & pl.col("date").is_between(today - BEFORE, today)
    before = pl.col("close").shift(1).over(_SERIES, order_by="ts")
    move = (pl.col("close") / pl.col("close_before")).log().abs()
    return (
        lake.read(ALIGNED_BARS, as_of=LATEST, where=near)
        .with_columns(close_before=before)
        .filter(pl.col("date") == today)
        # Equal moves in the order of the key: the same question has the same answer.
        .sort(move, *_SERIES, "ts", descending=[True, *(False for _ in (*_SERIES, "ts"))], nulls_last=True)
        .head(each)
        .collect()
    )


def files_of(lake: Lake, partitions: pl.DataFrame) -> pl.DataFrame:
    """Return the vendors' files that partitions came in.

    Parameters
    ----------
    lake
        The lake.
    partitions
        Columns exchange and date.

    Returns
    -------
    pl.DataFrame
        Column file, one row a file.
    """
    near = pl.col("exchange").is_in(partitions["exchange"].unique().to_list()) & pl.col("date").is_in(
        partitions["date"].unique().to_list()
    )
    rows = lake.read(RAW_QUOTES, as_of=LATEST, where=near).join(
        partitions.lazy(), on=["exchange", "date"], how="semi"
    )
    return rows.select(pl.col("file").unique()).collect()
