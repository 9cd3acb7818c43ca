"""Who issued an instrument, as it was known over time.

Every instrument is its own issuer until there is evidence that it is a share of a company with another one
(`evidence.py`). The company is called after its main instrument: an id in no special units (`@`), the best
priority of its listings, the shortest id; or the one that the evidence says leads. An instrument has one
issuer at a time: the link that was known last (`known.links_at`).

What does not belong here: industries, countries and other links (`master.py`).
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.entities.evidence import FIRST, first_days
from lim_pipelines.schemas import ENTITY_LINKS, UTC_TIME


def issuer_links(shares: pl.DataFrame, edges: pl.DataFrame) -> pl.DataFrame:
    """Follow the evidence through time.

    Parameters
    ----------
    shares
        Columns instrument_id, priority and first: listings of equities.
    edges
        Frame of `evidence.EDGES`, in order of time.

    Returns
    -------
    pl.DataFrame
        `issued_by` links, frame of `ENTITY_LINKS`: each instrument is its own issuer, known since it is
        listed, until evidence says otherwise.
    """
    name = pl.col("instrument_id")
    order = shares.group_by("instrument_id").agg(pl.col("priority").min())
    order = order.sort(name.str.contains("@"), "priority", name.str.len_chars(), name)
    rank = {instrument: place for place, instrument in enumerate(order["instrument_id"])}
    company = {instrument: [instrument] for instrument in rank}
    since = first_days(shares).sort("instrument_id")
    rows = [(one, one, None, 1.0, "listing", "listings", first) for one, first in since.iter_rows()]
    for edge in edges.iter_rows(named=True):
        # The first of a company is its main instrument.
        keeps, gives = company[edge["one"]], company[edge["other"]]
        if keeps is gives:
            continue
        if not edge["leads"] and rank[gives[0]] < rank[keeps[0]]:
            keeps, gives = gives, keeps
        said = (edge["first"], edge["score"], edge["method"], edge["source"], edge["known_at"])
        rows += [(one, keeps[0], *said) for one in gives]
        keeps += gives
        company.update(dict.fromkeys(gives, keeps))
    schema = {
        **{"child": pl.String(), "parent": pl.String(), "first": pl.Date(), "score": pl.Float64()},
        **{"method": pl.String(), "source": pl.String(), "known_at": UTC_TIME},
    }
    table = pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        relation=pl.lit("issued_by"),
        parent="issuer:" + pl.col("parent"),
        first=pl.col("first").fill_null(FIRST),
    )
    # Of two joins known at one moment the later one is what holds.
    return ENTITY_LINKS.conform(table.unique(["child", "known_at"], keep="last", maintain_order=True))


def issuer_spans(links: pl.DataFrame) -> pl.DataFrame:
    """Say who an instrument's issuer was taken to be, from when until when.

    Parameters
    ----------
    links
        Frame of `ENTITY_LINKS`; of it `issued_by`.

    Returns
    -------
    pl.DataFrame
        Columns instrument_id, entity_id, since, until (null: still).
    """
    ordered = links.filter(pl.col("relation") == "issued_by").sort("child", "known_at")
    return ordered.select(
        instrument_id="child",
        entity_id="parent",
        since="known_at",
        until=pl.col("known_at").shift(-1).over("child"),
    )
