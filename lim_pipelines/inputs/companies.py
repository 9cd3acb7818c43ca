"""Which company decides at each decision, under which names facts were told of it, and its shares.

A fact keeps the issuer that its instrument had when it became known. When two issuers turn out to be one,
what was told of either is the company's: all blocks read facts through `Companies.theirs`.

What does not belong here: who issued what (`entities/`), what is made of the facts (the blocks).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from lim_pipelines.entities.expand import members
from lim_pipelines.entities.known import links_at
from lim_pipelines.inputs.linked import DECISION, with_parents


@dataclass(frozen=True)
class Companies:
    """Decisions' companies.

    Parameters
    ----------
    rows
        Columns `DECISION`, entity_id (of the company as it was known then: its issuer, and other names that
        it goes by) and shares (how many different ones of it were known).
    names
        Columns company (entity_id of `rows`), name (issuer that facts were told of), own (whether it is the
        company's issuer).
    """

    rows: pl.DataFrame
    names: pl.DataFrame

    def theirs(self, facts: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
        """Facts by company instead of by issuer; those of others are left out.

        Parameters
        ----------
        facts
            Column entity_id, and others.
        key
            Columns that identify a fact, entity_id among them; of those alike under several of a company's
            names, the one under its own counts.
        """
        named = facts.join(self.names, left_on="entity_id", right_on="name", maintain_order="left")
        ordered = named.sort("own", "entity_id", descending=[False, True], maintain_order=True)
        theirs = ordered.with_columns(entity_id="company").drop("company", "own")
        return theirs.unique(list(key), keep="last", maintain_order=True)


def companies(decisions: pl.DataFrame, links: pl.DataFrame) -> Companies:
    """Find the company of each decision's instrument, as it was known then.

    Parameters
    ----------
    decisions
        Columns `DECISION`.
    links
        As from `known_links`.
    """
    rows = with_parents(decisions, links, "issued_by").rename({"entity_id": "issuer"})
    # Most issuers never had another instrument than their own.
    foreign = (pl.col("relation") == "issued_by") & (pl.col("parent") != "issuer:" + pl.col("child"))
    several = links.filter(foreign).select(issuer="parent").unique()
    asked = rows.join(several, on="issuer", how="semi").select(
        entity_id="issuer", on="date", known_at="decided_at"
    )
    held = shares(links, members(links, asked.unique()))
    name = "issuer:" + pl.col("instrument_id")
    other = name.filter(name != pl.col("entity_id")).unique().sort()
    sets = held.group_by(issuer="entity_id", date="on", decided_at="known_at").agg(
        others=other, shares=pl.col("share").n_unique().cast(pl.Int64)
    )
    rows = rows.join(sets, on=["issuer", "date", "decided_at"], how="left", maintain_order="left")
    rows = rows.with_columns(
        pl.col("shares").fill_null(1),
        _names=pl.concat_list(pl.concat_list("issuer"), pl.col("others").fill_null([])),
    ).with_columns(entity_id=pl.col("_names").list.join(" "))
    names = rows.select("issuer", name="_names", company="entity_id").unique().explode("name")
    return Companies(
        rows.select(*DECISION, "entity_id", "shares"),
        names.select("company", "name", own=pl.col("name") == pl.col("issuer")),
    )


def shares(links: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Add `share`: the same for instruments that are one share in other units, or under a guessed exchange.

    Parameters
    ----------
    links
        As from `known_links`.
    rows
        Columns instrument_id, on, known_at, and others.
    """
    keys = ["instrument_id", "on", "known_at"]
    guessed = links.filter(pl.col("relation") == "issued_by", pl.col("method") == "ticker")
    asked = rows.join(guessed.select(instrument_id="child").unique(), on="instrument_id", how="semi")
    held = links_at(links, asked.select(keys).unique(), "issued_by", "instrument_id")
    held = held.filter(pl.col("method") == "ticker").select(
        *keys, share=pl.col("parent").str.strip_prefix("issuer:")
    )
    found = rows.join(held, on=keys, how="left", maintain_order="left")
    share = pl.col("share").fill_null(pl.col("instrument_id"))
    return found.with_columns(share=share.str.split("@").list.first())
