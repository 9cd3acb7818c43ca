"""Which instrument a vendor's symbol means: the embedded listings and those that vendors' files brought.

What does not belong here: reading vendors' files (`sources/`), using the listings (`align/`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from lim_pipelines.align.revisions import merge
from lim_pipelines.instruments import listings
from lim_pipelines.lake import LATEST, Commit, Lake
from lim_pipelines.schemas import LISTINGS, Table
from lim_pipelines.sources import REFERENCE_SOURCES


def known_listings(lake: Lake) -> pl.DataFrame:
    """All listings, embedded and registered.

    Which instrument a symbol meant on a date is no news about the future: the listing's own dates say when
    it holds, so this is read as known today.

    Returns
    -------
    pl.DataFrame
        Frame of `LISTINGS`.
    """
    return pl.concat([listings(), lake.read(LISTINGS, as_of=LATEST).collect()])


def register(lake: Lake, found: pl.DataFrame) -> Commit | None:
    """Add what files say of instruments to the lake's listings.

    Parameters
    ----------
    lake
        Lake to write.
    found
        Frame of `LISTINGS`; several files may say the same. What is there stays; what differs is a revision.

    Returns
    -------
    Commit or None
        None if nothing was found.
    """
    if found.is_empty():
        return None
    found = found.sort([*LISTINGS.row_key, "file"]).unique(LISTINGS.key, keep="last", maintain_order=True)
    scope = found.select(LISTINGS.partition_key).unique()
    return lake.update(LISTINGS, scope, lambda there: merge(there, found, datetime.now(UTC), LISTINGS))


def load_reference(lake: Lake, landing: Path, table: Table) -> Commit:
    """Read one table of facts about instruments from every source that has it, and write it.

    Parameters
    ----------
    lake
        Lake to write.
    landing
        The landing folder.
    table
        `CORPORATE_ACTIONS`, `ROLLS` or `INDEX_MEMBERS`.
    """
    given = [source.reference(landing).get(table.name, table.empty()) for source in REFERENCE_SOURCES]
    found = table.conform(pl.concat([table.empty(), *given]))
    scope = found.select(table.partition_key).unique()
    return lake.update(table, scope, lambda there: merge(there, found, datetime.now(UTC), table))
