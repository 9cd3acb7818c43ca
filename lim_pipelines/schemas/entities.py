"""The entity master: who is who, and what belongs to what, from when to when, known since when.

What does not belong here: what vendors call instruments (`LISTINGS` in `reference.py`), numbers about
entities (`alternative.py`).
"""

from __future__ import annotations

from datetime import date

import polars as pl

from lim_pipelines.schemas import columns
from lim_pipelines.schemas.table import Column, Table

ENTITIES = Table(
    "entities",
    "Issuers, industries, countries, commodities, currencies, indices.",
    {
        "entity_id": Column(
            pl.String, "", "`<kind>:<name>`, such as issuer:XNAS:AAPL, industry:GICS/Energy, country:US"
        ),
        "kind": Column(pl.String, "", "issuer, industry, country, commodity, currency or index"),
        "name": Column(pl.String, "", "name for people"),
        "source": columns.SOURCE,
        "known_at": columns.KNOWN_AT,
    },
    key=("kind", "entity_id"),
    partition_key=("kind",),
    stored_by=(),
)

ENTITY_LINKS = Table(
    "entity_links",
    "Dated many-to-many links: an instrument to its issuer, an issuer to its industry, and so on.",
    {
        "relation": Column(
            pl.String,
            "",
            "issued_by (instrument -> issuer), in_industry, in_country (issuer ->), member_of (instrument ->"
            " index), quoted_in (instrument -> currency), on_commodity (instrument -> commodity)",
        ),
        "child": Column(pl.String, "", "instrument or entity id"),
        "parent": Column(pl.String, "", "entity id"),
        "first": Column(pl.Date, "", "first day on which it holds", default=date(1900, 1, 1)),
        "last": Column(pl.Date, "", "last day on which it holds; null is open", nullable=True, default=None),
        "score": Column(pl.Float64, "0 to 1", "how sure the link is; 1 where a vendor or a person says so"),
        "method": Column(pl.String, "", "listing, vendor, ticker, name or person"),
        "source": columns.SOURCE,
        "known_at": columns.KNOWN_AT,
    },
    key=("relation", "child", "parent", "first", "source"),
    partition_key=("relation",),
    stored_by=(),
)

LINK_REVIEWS = Table(
    "link_reviews",
    "Names and tickers that are linked to nobody yet, with the candidates: for a person to decide.",
    {
        "source": columns.SOURCE,
        "name": Column(pl.String, "", "name or ticker in the vendor's words"),
        "candidate": Column(pl.String, "", "entity or instrument id; empty if there is none"),
        "score": Column(pl.Float64, "0 to 1", "likeness"),
        "method": Column(pl.String, "", "ticker or name"),
        "state": Column(pl.String, "", "pending, accepted or rejected"),
        "reason": Column(pl.String, "", "why it is not linked by itself, and what to do"),
        "decided_by": Column(pl.String, "", "who decided; empty while pending", nullable=True, default=None),
        "rows": Column(pl.Int64, "rows", "raw rows that wait for the decision"),
        "known_at": columns.KNOWN_AT,
    },
    key=("source", "name", "candidate"),
    partition_key=("source",),
    stored_by=(),
)
