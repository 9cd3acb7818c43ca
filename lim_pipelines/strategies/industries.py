"""Which industry each instrument of a decision belonged to, as known then.

What does not belong here: who says so (`entities/`), what is made of it (`portfolio/`).
"""

from __future__ import annotations

from datetime import date, datetime

import polars as pl

from lim_pipelines.entities.expand import parents
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import ENTITY_LINKS

NO_LINKS = ENTITY_LINKS.empty()


def read_links(lake: Lake, known_by: datetime) -> pl.DataFrame:
    """Read who belongs to whom, as far as `industries_at` asks, all revisions known by a moment."""
    wanted = rows_of_links() & (pl.col("known_at") <= known_by)
    return lake.revisions(ENTITY_LINKS, wanted).sort(ENTITY_LINKS.row_key).collect()


def rows_of_links() -> pl.Expr:
    """Rows of `ENTITY_LINKS` that say who belongs to which industry."""
    return pl.col("relation").is_in(["issued_by", "in_industry"])


def industries_at(links: pl.DataFrame, instruments: pl.Series, on: date, known_at: datetime) -> pl.DataFrame:
    """Look up one industry an instrument, all of one scheme.

    Parameters
    ----------
    links
        As from `read_links`.
    instruments
        Instrument ids.
    on
        The day.
    known_at
        The moment.

    Returns
    -------
    pl.DataFrame
        Columns instrument_id and industry (an entity id), sorted, of the scheme that knows most of the
        instruments; of several the one with the fewest industries. Who is in none has no row.
    """
    if links.is_empty():
        return pl.DataFrame(schema={"instrument_id": pl.String, "industry": pl.String})
    asked = pl.DataFrame({"instrument_id": instruments.unique().sort()}).with_columns(
        on=pl.lit(on), known_at=pl.lit(known_at).cast(links.schema["known_at"])
    )
    found = parents(links, asked, "in_industry").with_columns(
        scheme=pl.col("entity_id").str.split("/").list.first()
    )
    best = (
        found.group_by("scheme")
        .agg(known=pl.col("instrument_id").n_unique(), groups=pl.col("entity_id").n_unique())
        .sort("known", "groups", "scheme", descending=[True, False, False])
        .head(1)
    )
    return (
        found.join(best, on="scheme", how="semi")
        .select("instrument_id", industry="entity_id")
        .sort("instrument_id")
    )
