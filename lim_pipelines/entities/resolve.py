"""Whom a vendor's ticker means on a day.

Order of trust: a person's decision; the vendor's own listing on that day; all vendors' listings of that
ticker on that day. What two listings of the same rank claim for different companies is nobody's until a
person decides. A re-used ticker is told apart by the dates of its listings.

Scores, and why: 1 where a person or the vendor's own listing says so. .95 where other vendors' listings of
that day all mean one company: a US ticker is reserved for one company at a time, what is left is a listing
without dates. .8 where they disagree and one has the best priority: those that lose are mostly guesses of the
exchange, such as pystock's, right for 92 % of symbols.

What does not belong here: names (`matching.py`), where listings come from (`reference.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from lim_pipelines.entities import decided
from lim_pipelines.entities.known import FOREVER, links_at
from lim_pipelines.entities.reviews import reviews
from lim_pipelines.schemas import UTC_TIME

BY_OWN_LISTING = 1.0
BY_ALL_LISTINGS = 0.95
BY_PRIORITY = 0.8
SIMULATED = "XSIM"
TIED = "listings of equal priority mean different companies"
NO_LISTING = "no listing of an equity with this ticker holds on the day"


@dataclass(frozen=True)
class Resolved:
    """What was found, and what a person must decide.

    Parameters
    ----------
    matched
        The mentions that are linked, with the columns they came with, and `entity_id`, `instrument_id` (null
        if the link is to something that is no share), `score`, `method` beside. `known_at` is raised to the
        moment from which the link can be used, where that is a later decision.
    review
        Frame of `LINK_REVIEWS`, all pending: a row for each candidate of what is linked to nobody.
    """

    matched: pl.DataFrame
    review: pl.DataFrame


def resolve(
    mentions: pl.DataFrame, listings: pl.DataFrame, links: pl.DataFrame, decisions: pl.DataFrame
) -> Resolved:
    """Link tickers to instruments and their issuers, each as of the moment it was mentioned.

    Parameters
    ----------
    mentions
        Columns `source`, `symbol`, `on` (Date: the day the ticker is of) and `known_at` (UTC); also
        `exchange` (MIC or null) where the vendor says it, and `rows` (how many rows it stands for, 1
        without); others are carried along.
    listings
        Frame of `LISTINGS`, of all sources; only equities count.
    links
        Frame of `ENTITY_LINKS`; of it `issued_by`. An instrument without such a link known in time is its
        own issuer: `issuer:<instrument_id>`.
    decisions
        Frame of `decided.DECISIONS`.

    Returns
    -------
    Resolved
        Rows in = rows matched + rows counted in the review.
    """
    columns = [*mentions.columns]
    rows = mentions.with_columns(pl.col("known_at").cast(UTC_TIME)).with_row_index("_row")
    if "exchange" not in columns:
        rows = rows.with_columns(exchange=pl.lit(None, pl.String))
    listed = _candidates(rows, listings, links)
    listed = decided.without_rejected(rows, listed, decisions, "symbol")
    best = listed.filter(pl.col("priority") == pl.col("priority").min().over("_row"))
    winners = _winners(listed, best)
    by_person = _canonical(decided.accepted(rows, decisions, "symbol", winners), rows, links)
    found = pl.concat([by_person, winners.join(by_person, on="_row", how="anti")], how="diagonal")
    matched = rows.drop("exchange" if "exchange" not in columns else [], strict=False).join(
        found.rename({"known_at": "_since"}), on="_row", how="inner", maintain_order="left"
    )
    matched = matched.with_columns(known_at=pl.max_horizontal("known_at", "_since"))
    open_ = rows.join(found, on="_row", how="anti")
    candidates = best.select("_row", candidate="entity_id", score=pl.lit(0.0)).unique()
    review = reviews(
        open_.drop("name", strict=False).rename({"symbol": "name"}), candidates, "ticker", TIED, NO_LISTING
    )
    return Resolved(matched.select(*columns, "instrument_id", "entity_id", "score", "method"), review)


def _candidates(rows: pl.DataFrame, listings: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """Instruments that a row's ticker may mean, with their issuers; the vendor's own ones alone if any."""
    shares = listings.filter((pl.col("asset_class") == "equity") & (pl.col("exchange") != SIMULATED)).select(
        "source", "symbol", "instrument_id", "first", "last", "priority", _mic="exchange"
    )
    asked = rows.select("_row", "source", "symbol", "exchange", "on", "known_at")
    holds = pl.col("on").is_between("first", pl.col("last").fill_null(FOREVER))
    holds &= pl.col("exchange").is_null() | (pl.col("exchange") == pl.col("_mic"))
    own = asked.join(shares, on=["source", "symbol"]).filter(holds).with_columns(own=pl.lit(True))
    rest = asked.join(own, on="_row", how="anti")
    others = rest.join(shares.drop("source"), on="symbol").filter(holds).with_columns(own=pl.lit(False))
    both = pl.concat([own.select(others.columns), others]).sort("_row", "priority", "instrument_id")
    both = both.unique(["_row", "instrument_id"], keep="first", maintain_order=True)
    return with_issuer(both, links).select("_row", "instrument_id", "entity_id", "priority", "own")


def with_issuer(rows: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """Add the issuer of each row's instrument as `entity_id`.

    Parameters
    ----------
    rows
        Columns `instrument_id`, `on`, `known_at`; others are carried along.
    links
        Frame of `ENTITY_LINKS`.
    """
    keys = ["instrument_id", "on", "known_at"]
    known = links_at(links, rows.select(keys).unique(), "issued_by", "instrument_id")
    return rows.join(
        known.select(*keys, entity_id="parent"), on=keys, how="left", maintain_order="left"
    ).with_columns(pl.col("entity_id").fill_null("issuer:" + pl.col("instrument_id")))


def _canonical(decisions: pl.DataFrame, rows: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """Decisions with the issuer that their instrument had when they became known."""
    shares = decisions.filter(pl.col("instrument_id").is_not_null()).drop("entity_id")
    shares = shares.join(rows.select("_row", "on", moment="known_at"), on="_row")
    shares = with_issuer(
        shares.with_columns(since="known_at", known_at=pl.max_horizontal("known_at", "moment")), links
    ).with_columns(known_at="since")
    others = decisions.filter(pl.col("instrument_id").is_null())
    return pl.concat([shares.select(decisions.columns), others])


def _winners(listed: pl.DataFrame, best: pl.DataFrame) -> pl.DataFrame:
    """Rows whose best candidates are one instrument, or share classes of one issuer."""
    is_main = "issuer:" + pl.col("instrument_id") == pl.col("entity_id")
    one = best.filter(pl.col("entity_id").n_unique().over("_row") == 1)
    one = one.with_columns(_main=is_main).sort(
        "_row", "_main", "instrument_id", descending=[False, True, False]
    )
    one = one.unique("_row", keep="first", maintain_order=True)
    issuers = listed.group_by("_row").agg(issuers=pl.col("entity_id").n_unique())
    score = (
        pl.when("own").then(BY_OWN_LISTING).when(pl.col("issuers") == 1).then(BY_ALL_LISTINGS)
    ).otherwise(BY_PRIORITY)
    return one.join(issuers, on="_row").select(
        "_row",
        "instrument_id",
        "entity_id",
        score=score,
        method=pl.when("own").then(pl.lit("listing")).otherwise(pl.lit("ticker")),
        known_at=pl.lit(None, UTC_TIME),
    )
