"""Bars made from validated bars: longer ones from shorter ones, continuous futures from contracts.

What does not belong here: how bars are resampled and stitched (`align/`), bars that vendors give.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from lim_pipelines.align.continuous import as_taken, broken, continuous
from lim_pipelines.align.ladder import ladder
from lim_pipelines.align.revisions import merge
from lim_pipelines.lake import Commit, Lake, as_of_view
from lim_pipelines.reference import known_listings
from lim_pipelines.schemas import CONTINUOUS_FUTURES, INTRADAY, RESAMPLED_BARS, ROLLS, VALIDATED_BARS

_ALWAYS, _NEVER = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


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


@dataclass(frozen=True)
class Stitched:
    """What was stitched.

    Parameters
    ----------
    commit
        What the write did.
    refused
        Why a root could not be stitched, one entry a root.
    """

    commit: Commit
    refused: tuple[str, ...]


def stitch_futures(lake: Lake) -> Stitched:
    """Stitch contracts at their rolls, and write `continuous_futures`.

    A root whose rolls do not follow each other is left out: what the lake holds of it stays.
    """
    rolls = lake.revisions(ROLLS).collect()
    listings = known_listings(lake).filter(pl.col("root").is_in(rolls["root"].unique().to_list()))
    # Two sources roll on other days: the calendar of the one that wins the bars, too.
    ranked = listings.select("root", "source", "priority").sort("priority", "source")
    chosen = ranked.join(rolls, on=["root", "source"], how="semi").unique("root", maintain_order=True)
    rolls = as_taken(rolls.join(chosen, on=["root", "source"], how="semi"))
    where = pl.col("exchange").is_in(listings["exchange"].unique().to_list()) & pl.col("instrument_id").is_in(
        listings["instrument_id"].unique().to_list()
    )
    wrong = broken(rolls)
    sound = rolls.filter(~pl.col("root").is_in(list(wrong)))
    rows = stitched(lake.revisions(VALIDATED_BARS, where).collect(), sound)
    known = ~pl.col("instrument_id").is_in(list(wrong))
    before = lake.revisions(CONTINUOUS_FUTURES, known).select(CONTINUOUS_FUTURES.partition_key).collect()
    scope = pl.concat([before, rows.select(CONTINUOUS_FUTURES.partition_key)]).unique()
    return Stitched(lake.write(CONTINUOUS_FUTURES, rows, scope), tuple(wrong.values()))


def stitched(contracts: pl.DataFrame, rolls: pl.DataFrame) -> pl.DataFrame:
    """Stitch contracts with all their revisions.

    Parameters
    ----------
    contracts
        Frame of `VALIDATED_BARS` of contracts, all revisions.
    rolls
        Frame of `ROLLS`, as they were taken.

    Returns
    -------
    pl.DataFrame
        Frame of `CONTINUOUS_FUTURES`. A correction of a contract's bar revises the rows that depend on it,
        known when it was; what was known before stays. A row of which nothing is left is withdrawn.
    """
    repeated = pl.struct(VALIDATED_BARS.key).is_duplicated()
    moments = contracts.filter(repeated | pl.col("withdrawn"))["known_at"].unique().sort().to_list()
    rows, key, since = CONTINUOUS_FUTURES.empty(), list(CONTINUOUS_FUTURES.key), _ALWAYS
    for until in [*moments, _NEVER]:
        view = as_of_view(contracts, until - timedelta(microseconds=1), VALIDATED_BARS)
        state = CONTINUOUS_FUTURES.conform(continuous(view, rolls))
        rows = merge(rows, state, since, CONTINUOUS_FUTURES)
        left = rows.sort("known_at").unique(key, keep="last").filter(~pl.col("withdrawn"))
        gone = left.join(state, on=key, how="anti").with_columns(
            withdrawn=pl.lit(True), known_at=pl.lit(since, rows.schema["known_at"])
        )
        rows, since = CONTINUOUS_FUTURES.conform(pl.concat([rows, gone])), until
    return rows
