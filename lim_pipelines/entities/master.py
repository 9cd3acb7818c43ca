"""The entity master: entities, dated links, names, from listings, claims, index members and decisions.

Every link is known from the moment on at which all it rests on was known: the claim, who the claim's ticker
was, and who issued that share. What vendors claim of a company is claimed of its issuer; when it turns out to
be one with another, the claims count for the joint issuer from then on.

What does not belong here: which shares are one company (`issuers.py`), the lake
(`alternative/entity_master.py`), following links (`expand.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from lim_pipelines.entities import names
from lim_pipelines.entities.called import best_listing, entities_of, names_of
from lim_pipelines.entities.curated import SOURCE, STATED
from lim_pipelines.entities.evidence import ALWAYS, FIRST, evidence, first_days, same_share
from lim_pipelines.entities.issuers import issuer_links, issuer_spans
from lim_pipelines.entities.places import (
    COMMODITIES,
    EXCHANGE_COUNTRY,
)
from lim_pipelines.entities.resolve import SIMULATED, resolve
from lim_pipelines.entities.rivals import told_apart
from lim_pipelines.schemas import ENTITY_LINKS

BY_EXCHANGE = 0.6
"""Score of the country in which a share is traded as its issuer's, until a vendor says otherwise."""
LISTINGS_SOURCE = "listings"
"""Decisions about instruments, not about a vendor's words, name this source."""


@dataclass(frozen=True)
class Master:
    """Everything that is known of entities.

    Parameters
    ----------
    entities, links
        Frames of `ENTITIES` and `ENTITY_LINKS`.
    names
        Frame of `NAMES`: what entities are called, for `match_names`.
    review
        Frame of `LINK_REVIEWS`: tickers in claims and lists of members that mean nobody for certain.
    """

    entities: pl.DataFrame
    links: pl.DataFrame
    names: pl.DataFrame
    review: pl.DataFrame


def build(
    listings: pl.DataFrame, claims: pl.DataFrame, members: pl.DataFrame, decisions: pl.DataFrame
) -> Master:
    """Make the entity master.

    Parameters
    ----------
    listings
        Frame of `LISTINGS`, of all sources.
    claims
        Frame of `RAW_CLAIMS`, with all revisions.
    members
        Frame of `INDEX_MEMBERS`, with all revisions.
    decisions
        Frame of `decided.DECISIONS`.

    Returns
    -------
    Master
        Nothing in it that is known at a moment depends on claims, members or decisions known later.
    """
    shares = listings.filter((pl.col("asset_class") == "equity") & (pl.col("exchange") != SIMULATED))
    # Who the ticker in a claim is must not depend on claims: listings alone say.
    listed = issuer_links(shares, same_share(shares))
    said = _said(claims, listings, listed, decisions)
    stays = resolve(members.with_columns(on=pl.col("first")), listings, listed, decisions)
    members_of = _member_of(stays.matched, listings, listed)
    people = _decided_pairs(decisions, shares)
    issued = issuer_links(shares, evidence(shares, said.rows, members_of, people))
    spans = issuer_spans(issued)
    links = pl.concat(
        [
            issued,
            _industries_and_countries(said.rows, shares, spans),
            members_of,
            _quoted_in(listings),
            _on_commodity(listings),
        ]
    )
    links = links.sort("score", descending=True, maintain_order=True)
    links = told_apart(links.unique(ENTITY_LINKS.row_key, keep="first", maintain_order=True))
    called = names_of(said.rows, spans)
    return Master(
        entities_of(links, listings, called),
        links,
        called,
        pl.concat([said.review, stays.review]).sort("source", "name", "candidate"),
    )


@dataclass(frozen=True)
class _Said:
    rows: pl.DataFrame
    review: pl.DataFrame


def _said(
    claims: pl.DataFrame, listings: pl.DataFrame, listed: pl.DataFrame, decisions: pl.DataFrame
) -> _Said:
    """Claims by instrument: the embedded ones, and those of vendors once it is clear whom they mean."""
    asked = claims.with_columns(on=pl.min_horizontal(pl.col("known_at").dt.date(), pl.col("last")))
    found = resolve(asked, listings, listed, decisions)
    columns = ("instrument_id", "relation", "object", "first", "last", "score", "source", "known_at")
    vendors = found.matched.filter(pl.col("instrument_id").is_not_null()).select(columns)
    there = set(listings["instrument_id"])
    stated = pl.DataFrame(
        [
            (s.instrument_id, s.relation, s.object, s.first, s.last, 1.0, SOURCE)
            for s in STATED
            if s.instrument_id in there
        ],
        schema={name: vendors.schema[name] for name in columns[:-1]},
        orient="row",
    )
    public = pl.col("first").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    stated = stated.with_columns(known_at=pl.max_horizontal(public, ALWAYS))
    rows = pl.concat([vendors, stated]).with_columns(
        key=pl.when(pl.col("relation") == "named").then(names.key(pl.col("object"))),
        form=pl.when(pl.col("relation") == "named").then(names.legal_form(pl.col("object"))),
    )
    return _Said(rows, found.review)


def _decided_pairs(decisions: pl.DataFrame, shares: pl.DataFrame) -> pl.DataFrame:
    """Pairs of instruments that people say are, or are not, of one issuer."""
    pairs = decisions.filter(pl.col("source") == LISTINGS_SOURCE).select(
        "decision", "known_at", one=pl.col("target").str.strip_prefix("issuer:"), other="name"
    )
    ids = shares.select("instrument_id").unique()
    pairs = pairs.join(ids, left_on="one", right_on="instrument_id", how="semi")
    return pairs.join(ids, left_on="other", right_on="instrument_id", how="semi").with_columns(
        leads=pl.lit(True)
    )


def _industries_and_countries(said: pl.DataFrame, shares: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """Claims about issuers; and the countries of exchanges for want of better."""
    traded = best_listing(shares).select(
        "instrument_id",
        relation=pl.lit("in_country"),
        object=pl.col("exchange").replace_strict(EXCHANGE_COUNTRY, default=None, return_dtype=pl.String),
        first=pl.lit(None, pl.Date),
        last=pl.lit(None, pl.Date),
        score=pl.lit(BY_EXCHANGE),
        source=pl.lit("listings"),
        known_at=ALWAYS,
        method=pl.lit("listing"),
    )
    claimed = said.filter(pl.col("relation").is_in(["in_industry", "in_country"])).drop("key", "form")
    # For want of better: not where a better claim was known before.
    every = pl.concat(
        [claimed.with_columns(method=pl.lit("vendor")), traded.filter(pl.col("object").is_not_null())]
    )
    kind = (
        pl.when(pl.col("relation") == "in_industry").then(pl.lit("industry:")).otherwise(pl.lit("country:"))
    )
    known = pl.max_horizontal("known_at", "since")
    made = every.join(spans, on="instrument_id").filter(
        pl.col("until").is_null() | (pl.col("until") > pl.col("known_at"))
    )
    made = made.filter(
        (pl.col("method") == "vendor") | (pl.col("entity_id") == "issuer:" + pl.col("instrument_id"))
    )
    made = made.select(
        "relation",
        child="entity_id",
        parent=kind + pl.col("object"),
        first=pl.col("first").fill_null(FIRST),
        last="last",
        score="score",
        method="method",
        source="source",
        known_at=known,
    )
    # Several shares of an issuer may carry the same claim; told again, it is news if it ends otherwise.
    best = made.sort("known_at", "score", "last", "method", descending=[False, True, False, False])
    best = best.unique(ENTITY_LINKS.row_key, keep="first", maintain_order=True)
    key = list(ENTITY_LINKS.key)
    told = pl.int_range(pl.len()).over(key) == 0
    return best.filter(told | pl.col("last").ne_missing(pl.col("last").shift(1).over(key))).select(
        *ENTITY_LINKS.columns
    )


def _member_of(stays: pl.DataFrame, listings: pl.DataFrame, listed: pl.DataFrame) -> pl.DataFrame:
    """Stays in indices, of the share and of the same share in other units or by another guess."""
    issuer = (
        listed.sort("known_at").unique("child", keep="last").select(instrument_id="child", _same="parent")
    )
    shares = listings.select("symbol", "instrument_id").unique().join(issuer, on="instrument_id")
    shares = shares.join(first_days(listings).rename({"known_at": "_since"}), on="instrument_id")
    others = stays.join(issuer, on="instrument_id").drop("instrument_id").join(shares, on=["symbol", "_same"])
    others = others.with_columns(known_at=pl.max_horizontal("known_at", "_since"))
    found = pl.concat([stays, others.select(stays.columns)]).filter(pl.col("instrument_id").is_not_null())
    found = found.unique(maintain_order=True)
    return found.select(
        relation=pl.lit("member_of"),
        child="instrument_id",
        parent="index:" + pl.col("index_id"),
        first="first",
        last="last",
        score="score",
        method="method",
        source="source",
        known_at="known_at",
    ).select(*ENTITY_LINKS.columns)


def _quoted_in(listings: pl.DataFrame) -> pl.DataFrame:
    best = best_listing(listings).drop("known_at").join(first_days(listings), on="instrument_id")
    return _plain(best, "quoted_in", "currency:" + pl.col("currency"))


def _on_commodity(listings: pl.DataFrame) -> pl.DataFrame:
    roots = {root: name for name, codes in COMMODITIES.items() for root in codes}
    root = pl.coalesce("root", "instrument_id")
    named = root.replace_strict(roots, default=None, return_dtype=pl.String)
    best = best_listing(listings).drop("known_at").join(first_days(listings), on="instrument_id")
    return _plain(
        best.with_columns(_named=named).filter(pl.col("_named").is_not_null()),
        "on_commodity",
        "commodity:" + pl.col("_named"),
    )


def _plain(rows: pl.DataFrame, relation: str, parent: pl.Expr) -> pl.DataFrame:
    """Links that follow from what an instrument is."""
    return rows.select(
        relation=pl.lit(relation),
        child="instrument_id",
        parent=parent,
        first=FIRST,
        last=pl.lit(None, pl.Date),
        score=pl.lit(1.0),
        method=pl.lit("listing"),
        source=pl.lit("listings"),
        known_at="known_at",
    ).select(*ENTITY_LINKS.columns)
