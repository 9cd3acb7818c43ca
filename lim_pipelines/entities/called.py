"""What entities are called: by vendors, for matching; and for people.

What does not belong here: whom a name means (`matching.py`), the links (`master.py`).
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.entities.evidence import ALWAYS
from lim_pipelines.entities.matching import NAMES
from lim_pipelines.entities.places import COUNTRIES, CURRENCIES, INDEX_NAMES, certain_names
from lim_pipelines.schemas import ENTITIES, UTC_TIME


def best_listing(listings: pl.DataFrame) -> pl.DataFrame:
    """Keep the listing of best priority for each instrument.

    Parameters
    ----------
    listings
        Frame of `LISTINGS`.
    """
    order = listings.sort("instrument_id", "priority", "source", "symbol", "first")
    return order.unique("instrument_id", keep="first", maintain_order=True)


def names_of(said: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """Say what entities are called: issuers by claims, while they are issuers, all others for certain.

    Parameters
    ----------
    said
        Claims by instrument: instrument_id, relation, object, known_at.
    spans
        Who an instrument's issuer was taken to be, as of `issuers.issuer_spans`.

    Returns
    -------
    pl.DataFrame
        Frame of `matching.NAMES`.
    """
    named = said.filter(pl.col("relation") == "named").join(spans, on="instrument_id")
    named = named.filter(pl.col("until").is_null() | (pl.col("until") > pl.col("known_at")))
    named = named.select(
        "entity_id", name="object", known_at=pl.max_horizontal("known_at", "since"), until="until"
    )
    certain = pl.DataFrame(
        [(entity, name) for entity, every in certain_names().items() for name in every],
        schema={"entity_id": pl.String, "name": pl.String},
        orient="row",
    ).with_columns(known_at=ALWAYS, until=pl.lit(None, UTC_TIME))
    every = pl.concat([named, certain.select(named.columns)])
    return every.select(NAMES.names()).unique().sort("entity_id", "name", "known_at", "until")


def entities_of(links: pl.DataFrame, listings: pl.DataFrame, called: pl.DataFrame) -> pl.DataFrame:
    """List all that links lead to, with a name for people.

    Parameters
    ----------
    links, listings
        Frames of `ENTITY_LINKS` and `LISTINGS`.
    called
        Frame of `matching.NAMES`.

    Returns
    -------
    pl.DataFrame
        Frame of `ENTITIES`.
    """
    told = links.sort("known_at", "source").select("source", "known_at", entity_id="parent")
    there = told.unique("entity_id", keep="first", maintain_order=True)
    best = best_listing(listings)
    spoken = best.select(
        entity_id="issuer:" + pl.col("instrument_id"),
        listed=pl.when(pl.col("name") != pl.col("symbol")).then("name"),
    )
    own = {
        **{f"country:{code}": every[0] for code, every in COUNTRIES.items()},
        **{f"currency:{code}": every[0] for code, every in CURRENCIES.items()},
        **{f"index:{code}": every[0] for code, every in INDEX_NAMES.items()},
    }
    plain = there.join(spoken, on="entity_id", how="left").with_columns(
        name=pl.coalesce(
            "listed",
            pl.col("entity_id").replace_strict(own, default=None, return_dtype=pl.String),
            pl.col("entity_id").str.splitn(":", 2).struct.field("field_1"),
        ),
        nameless=pl.col("listed").is_null() & pl.col("entity_id").str.starts_with("issuer:"),
    )
    # Where listings know only the ticker, the first name that a vendor gives, from when it was known on.
    first = called.sort("known_at", "name").unique("entity_id", keep="first")
    news = (
        plain.filter("nameless")
        .drop("name")
        .join(first.select("entity_id", "name", since="known_at"), on="entity_id")
    )
    news = news.filter(pl.col("since") > pl.col("known_at")).with_columns(known_at="since")
    both = pl.concat([plain.select(news.select(pl.exclude("since")).columns), news.drop("since")])
    return ENTITIES.conform(both.with_columns(kind=pl.col("entity_id").str.split(":").list.first()))
