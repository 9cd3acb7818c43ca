"""Which instrument a vendor's symbol means: the embedded listings and those that vendors' files brought.

What does not belong here: reading vendors' files (`sources/`), using the listings (`align/`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from lim_pipelines import clock
from lim_pipelines.align.revisions import merge
from lim_pipelines.instruments import listings
from lim_pipelines.lake import LATEST, Commit, Lake
from lim_pipelines.schemas import LISTINGS, Table
from lim_pipelines.sources import REFERENCE_SOURCES
from lim_pipelines.sources.base import RejectedFileError


def known_listings(lake: Lake) -> pl.DataFrame:
    """All listings, embedded and registered.

    Which instrument a symbol meant on a date is no news about the future: the listing's own dates say when
    it holds, so this is read as known today.

    Returns
    -------
    pl.DataFrame
        Frame of `LISTINGS`, one row a key: what is embedded holds against what files say.
    """
    both = pl.concat([listings(), lake.read(LISTINGS, as_of=LATEST).collect()])
    return both.unique(LISTINGS.key, keep="first", maintain_order=True)


def register(lake: Lake, found: pl.DataFrame) -> Commit | None:
    """Add what files say of instruments to the lake's listings.

    Parameters
    ----------
    lake
        Lake to write.
    found
        Frame of `LISTINGS`; several files may say the same. What is there stays; what differs is a revision,
        unless it comes from another file that is older than the one that told it last.

    Returns
    -------
    Commit or None
        None if nothing was found.
    """
    if found.is_empty():
        return None
    found = found.sort([*LISTINGS.row_key, "file"]).unique(LISTINGS.key, keep="last", maintain_order=True)
    scope = found.select(LISTINGS.partition_key).unique()

    def with_news(there: pl.DataFrame) -> pl.DataFrame:
        return merge(there, _no_older_files(found, there), clock.now(), LISTINGS)

    return lake.update(LISTINGS, scope, with_news)


def _no_older_files(found: pl.DataFrame, there: pl.DataFrame) -> pl.DataFrame:
    """Leave out what another file said better: one known later, or of the same moment and a later name."""
    key = list(LISTINGS.key)
    latest = there.sort("known_at").unique(key, keep="last").select(*key, told_at="known_at", told_by="file")
    same_moment = pl.col("known_at") == pl.col("told_at")
    older = (pl.col("known_at") < pl.col("told_at")) | (same_moment & (pl.col("file") < pl.col("told_by")))
    judged = found.join(latest, on=key, how="left")
    kept = judged.filter((~older | (pl.col("file") == pl.col("told_by"))).fill_null(True))
    return kept.select(found.columns)


@dataclass(frozen=True)
class Loaded:
    """What was read of one table: the commit, and one error for each source whose files were refused."""

    commit: Commit
    refused: tuple[RejectedFileError, ...]


def load_reference(lake: Lake, landing: Path, table: Table) -> Loaded:
    """Read one table of facts about instruments from every source that has it, and write it.

    A source with a file that cannot be trusted is left out: what the lake holds of it stays, and the others
    go on.

    Parameters
    ----------
    lake
        Lake to write.
    landing
        The landing folder.
    table
        `CORPORATE_ACTIONS`, `ROLLS` or `INDEX_MEMBERS`.
    """
    given, refused = [table.empty()], []
    for source in REFERENCE_SOURCES:
        try:
            given.append(source.reference(landing).get(table.name, table.empty()))
        except RejectedFileError as error:
            refused.append(error)
    found = table.conform(pl.concat(given))
    scope = found.select(table.partition_key).unique()
    commit = lake.update(table, scope, lambda there: merge(there, found, clock.now(), table))
    return Loaded(commit, tuple(refused))
