"""Bars made from validated bars: longer ones from shorter ones, continuous futures from contracts.

What does not belong here: how bars are resampled and stitched (`align/`), bars that vendors give.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from lim_pipelines.align.continuous import continuous
from lim_pipelines.align.resample import resample
from lim_pipelines.lake import LATEST, Commit, Lake, as_of_view
from lim_pipelines.reference import known_listings
from lim_pipelines.schemas import CONTINUOUS_FUTURES, INTRADAY, RESAMPLED_BARS, ROLLS, VALIDATED_BARS

LADDER = ("15s", "1m", "20m", "1h", "1d")
"""Bar lengths that are made where the vendors do not give them."""


def resample_bars(lake: Lake, scope: pl.DataFrame) -> Commit:
    """Make the longer bars of `LADDER` that vendors do not give, and write `resampled_bars`.

    Parameters
    ----------
    lake
        Lake to read and write.
    scope
        Columns exchange and date.
    """
    keys = list(RESAMPLED_BARS.partition_key)
    near = pl.col("exchange").is_in(scope["exchange"].unique().to_list()) & pl.col("date").is_between(
        scope["date"].min(), scope["date"].max()
    )
    intraday = lake.revisions(VALIDATED_BARS, near & pl.col("freq").is_in(INTRADAY)).select(keys).unique()
    longer = scope.lazy().join(intraday, on=keys, how="semi")
    bars = lake.revisions(VALIDATED_BARS, near & pl.col("freq").is_in([*INTRADAY, "1d"]))
    # Most partitions hold daily bars only, of which there is nothing to make.
    wanted = bars.join(longer, on=keys, how="semi").collect() if intraday.head(1).collect().height else None
    return lake.write(RESAMPLED_BARS, RESAMPLED_BARS.empty() if wanted is None else ladder(wanted), scope)


def ladder(bars: pl.DataFrame) -> pl.DataFrame:
    """Make the longer bars of `LADDER` that are missing.

    Parameters
    ----------
    bars
        Frame of `VALIDATED_BARS` with all revisions, whole sessions.

    Returns
    -------
    pl.DataFrame
        Frame of `RESAMPLED_BARS`. Each correction of a bar gives a revision of the longer bars it is part of,
        known when the correction was.
    """
    if not bars["freq"].is_in(INTRADAY).any():
        return RESAMPLED_BARS.empty()
    later = pl.struct(VALIDATED_BARS.key).is_duplicated()
    # Before the first correction of anything there is one state of knowledge for each bar; after it as many
    # as there are moments at which corrections became known.
    moments = bars.filter(later)["known_at"].unique().sort().to_list()
    found = [_ladder_as_of(bars, moment) for moment in [*moments, bars["known_at"].max()]]
    rows = pl.concat(found).unique(maintain_order=True)
    values = [name for name in rows.columns if name != "known_at"]
    return RESAMPLED_BARS.conform(rows.sort("known_at").unique(values, keep="first"))


def _ladder_as_of(bars: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    there = as_of_view(bars, moment, VALIDATED_BARS)
    series = ["exchange", "date", "instrument_id", "price_type"]
    made = [RESAMPLED_BARS.empty()]
    for freq in LADDER:
        missing = there.join(there.filter(pl.col("freq") == freq), on=series, how="anti")
        # Of the longest bars that divide the length wanted; fewer rows, the same result.
        for shorter in reversed([name for name in INTRADAY if _divides(name, freq)]):
            longer = resample(missing.filter(pl.col("freq") == shorter), freq)
            made.append(longer)
            missing = missing.join(longer, on=series, how="anti")
            there = pl.concat([there, longer])
    return pl.concat(made)


def _divides(shorter: str, freq: str) -> bool:
    """Whether bars of one length make up whole bars of another; any intraday bars make up a session."""
    if freq not in INTRADAY:
        return True
    return shorter != freq and not (INTRADAY[freq] % INTRADAY[shorter])


def stitch_futures(lake: Lake) -> Commit:
    """Stitch contracts at their rolls, and write `continuous_futures`."""
    rolls = lake.read(ROLLS, as_of=LATEST).collect()
    listings = known_listings(lake).filter(pl.col("root").is_in(rolls["root"].unique().to_list()))
    where = pl.col("exchange").is_in(listings["exchange"].unique().to_list()) & pl.col("instrument_id").is_in(
        listings["instrument_id"].unique().to_list()
    )
    bars = lake.read(VALIDATED_BARS, as_of=LATEST, where=where).collect()
    rows = CONTINUOUS_FUTURES.conform(continuous(bars, rolls))
    before = lake.revisions(CONTINUOUS_FUTURES).select(CONTINUOUS_FUTURES.partition_key).collect()
    scope = pl.concat([before, rows.select(CONTINUOUS_FUTURES.partition_key)]).unique()
    return lake.write(CONTINUOUS_FUTURES, rows, scope)
