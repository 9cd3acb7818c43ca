"""From entities to instruments and back, each as of a day and a moment.

A company's fact concerns all its share classes; an industry's, a country's or a macro fact all members. The
links are many to many: an instrument is in several industries' schemes, an industry has many instruments.

What does not belong here: finding links (`master.py`), facts (`align/`).
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.entities.known import links_at
from lim_pipelines.entities.resolve import with_issuer

OF_ISSUERS = {"industry": "in_industry", "country": "in_country"}
"""Kinds of entities whose children are issuers, and the relation that says so."""
OF_INSTRUMENTS = {"index": "member_of", "currency": "quoted_in", "commodity": "on_commodity"}
"""Kinds of entities whose children are instruments."""


def members(links: pl.DataFrame, asked: pl.DataFrame) -> pl.DataFrame:
    """Find the instruments that belong to entities.

    Parameters
    ----------
    links
        Frame of `ENTITY_LINKS`, with all revisions.
    asked
        Columns `entity_id`, `on` (Date) and `known_at` (UTC); others are carried along, repeated for each
        instrument.

    Returns
    -------
    pl.DataFrame
        The rows of `asked` with `instrument_id` beside: those that belonged to the entity on that day as far
        as was known at that moment. What has none is left out.
    """
    rows = asked.with_row_index("_row")
    wanted = rows.select("entity_id", "on", "known_at").unique()
    kind = pl.col("entity_id").str.split(":").list.first()
    found = [_of_issuers(links, wanted.filter(kind == "issuer"))]
    for name, relation in OF_ISSUERS.items():
        part = _children(links, wanted.filter(kind == name), relation)
        through = _of_issuers(links, part.select("on", "known_at", entity_id="child").unique())
        found.append(
            part.join(through.rename({"entity_id": "child"}), on=["child", "on", "known_at"]).select(
                "entity_id", "on", "known_at", "instrument_id"
            )
        )
    for name, relation in OF_INSTRUMENTS.items():
        part = _children(links, wanted.filter(kind == name), relation)
        found.append(part.select("entity_id", "on", "known_at", instrument_id="child"))
    every = pl.concat(found).unique()
    joined = rows.join(every, on=["entity_id", "on", "known_at"]).sort("_row", "instrument_id")
    return joined.drop("_row")


def parents(links: pl.DataFrame, asked: pl.DataFrame, relation: str) -> pl.DataFrame:
    """Find the entities that instruments belong to.

    Parameters
    ----------
    links
        Frame of `ENTITY_LINKS`, with all revisions.
    asked
        Columns `instrument_id`, `on` (Date) and `known_at` (UTC); others are carried along.
    relation
        issued_by, in_industry, in_country, member_of, quoted_in or on_commodity.

    Returns
    -------
    pl.DataFrame
        The rows of `asked` with `entity_id` beside, one row for each entity; for `issued_by` every row has
        one.
    """
    if relation == "issued_by":
        return with_issuer(asked, links)
    if relation in OF_INSTRUMENTS.values():
        found = links_at(links, asked, relation, "instrument_id")
    else:
        issuers = with_issuer(asked, links).rename({"entity_id": "_issuer"})
        found = links_at(links, issuers, relation, "_issuer").drop("_issuer")
    return found.rename({"parent": "entity_id"}).drop("score", "method", "link_known_at")


def _children(links: pl.DataFrame, wanted: pl.DataFrame, relation: str) -> pl.DataFrame:
    """Children that were an entity's then: all that ever were, looked at again as of then."""
    ever = links.filter(pl.col("relation") == relation).select("child", entity_id="parent").unique()
    maybe = wanted.join(ever, on="entity_id")
    held = links_at(links, maybe.select("child", "on", "known_at").unique(), relation)
    held = held.select("child", "on", "known_at", entity_id="parent")
    return maybe.join(held, on=maybe.columns, how="semi")


def _of_issuers(links: pl.DataFrame, wanted: pl.DataFrame) -> pl.DataFrame:
    """Instruments of issuers, also of those that have become one with another since they were named."""
    own = wanted.with_columns(instrument_id=pl.col("entity_id").str.strip_prefix("issuer:"))
    now = with_issuer(own.rename({"entity_id": "_named"}), links)
    ever = links.filter(pl.col("relation") == "issued_by").select(maybe="child", entity_id="parent").unique()
    # Without any link an instrument is its own issuer's.
    columns = ["_named", "entity_id", "on", "known_at", "instrument_id"]
    main = now.with_columns(instrument_id=pl.col("entity_id").str.strip_prefix("issuer:"))
    linked = now.drop("instrument_id").join(ever.rename({"maybe": "instrument_id"}), on="entity_id")
    both = pl.concat([frame.select(columns) for frame in (now, main, linked)]).unique()
    then = with_issuer(both.rename({"entity_id": "_now"}), links)
    held = then.filter(pl.col("entity_id") == pl.col("_now"))
    return held.select("on", "known_at", "instrument_id", entity_id="_named").select(
        "entity_id", "on", "known_at", "instrument_id"
    )
