"""The entity master in the lake: made anew from listings, claims, index members and people's decisions.

What does not belong here: who is who (`entities/`), vendors' files (`sources/`), aligned rows (`steps.py`).

Nothing is forgotten: a decision stays known from its moment on when its file is gone; a later one, the other
way, takes it back. The rest follows from what the lake holds, so that running it again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from lim_pipelines.align.symbols import ON
from lim_pipelines.alternative.people import decisions
from lim_pipelines.entities.decided import DECISIONS
from lim_pipelines.entities.master import Master, build
from lim_pipelines.entities.matching import match_names
from lim_pipelines.entities.places import certain_names
from lim_pipelines.entities.resolve import resolve
from lim_pipelines.lake import Commit, Lake
from lim_pipelines.reference import known_listings
from lim_pipelines.schemas import (
    ENTITIES,
    ENTITY_LINKS,
    INDEX_MEMBERS,
    LINK_REVIEWS,
    RAW_CLAIMS,
    RAW_EVENTS,
    RAW_FACTS,
    RAW_RELATIONS,
    RAW_TEXTS,
    Table,
)
from lim_pipelines.sources.base import RejectedFileError
from lim_pipelines.sources.link_decisions import read_decisions

BY_SYMBOL = (RAW_FACTS, RAW_EVENTS, RAW_TEXTS)


@dataclass(frozen=True)
class Built:
    """What a run did.

    Parameters
    ----------
    entities, links, reviews
        The commits.
    refused
        One error for each list of decisions that cannot be trusted; what was decided before stays.
    """

    entities: Commit
    links: Commit
    reviews: Commit
    refused: tuple[RejectedFileError, ...]


def build_entities(lake: Lake, landing: Path) -> Built:
    """Make the entity master, and the list of what people must decide.

    Parameters
    ----------
    lake
        Lake to read and write.
    landing
        The landing folder; of it the lists of decisions.
    """
    before = _news(decisions(lake).select(DECISIONS.names()))
    master = _master(lake, before)
    found, refused = read_decisions(landing, _targets(lake, master.entities))
    decided = _news(pl.concat([before, found]))
    if not decided.equals(before):
        master = _master(lake, decided)
    pending = pl.concat([master.review, *_waiting(lake, master, decided)])
    return Built(
        _write(lake, ENTITIES, master.entities),
        _write(lake, ENTITY_LINKS, master.links),
        _write(lake, LINK_REVIEWS, _reviews(pending, decided)),
        refused,
    )


def refused_decisions(lake: Lake, landing: Path) -> tuple[RejectedFileError, ...]:
    """Say which lists of decisions cannot be trusted, by the entities that the lake holds."""
    return read_decisions(landing, _targets(lake, lake.revisions(ENTITIES).collect()))[1]


def known_names(lake: Lake) -> pl.DataFrame:
    """Return what entities are called, frame of `matching.NAMES`, for `match_names`."""
    return _master(lake, decisions(lake)).names


def _master(lake: Lake, decided: pl.DataFrame) -> Master:
    claims, members = lake.revisions(RAW_CLAIMS).collect(), lake.revisions(INDEX_MEMBERS).collect()
    return build(known_listings(lake), claims, members, decided)


def _targets(lake: Lake, entities: pl.DataFrame) -> pl.Series:
    """Ids of all that a decision may name: entities, what names mean for certain, instruments."""
    certain = pl.Series("entity_id", list(certain_names()), pl.String)
    ids = (entities["entity_id"], certain, known_listings(lake)["instrument_id"])
    return pl.concat([one.rename("target") for one in ids]).unique()


def _news(every: pl.DataFrame) -> pl.DataFrame:
    """Decisions that differ from the one before them about the same name and entity."""
    about = ["source", "name", "target"]
    ordered = every.unique([*about, "known_at"], keep="first", maintain_order=True).sort(*about, "known_at")
    return ordered.filter(pl.col("decision").ne_missing(pl.col("decision").shift(1).over(about)))


def _waiting(lake: Lake, master: Master, decided: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Find what of the raw tables is linked to nobody."""
    listings = known_listings(lake)
    for table in BY_SYMBOL:
        keys = ["source", "symbol", ON.alias("on"), "known_at"]
        asked = lake.revisions(table).group_by(keys).agg(rows=pl.len()).collect()
        yield resolve(asked, listings, master.links, decided).review
    ends = [
        lake.revisions(RAW_RELATIONS).select("source", "known_at", name=end) for end in ("subject", "object")
    ]
    named = pl.concat(ends).group_by("source", "name", "known_at").agg(rows=pl.len()).collect()
    yield match_names(named, master.names, decided).review


def _reviews(pending: pl.DataFrame, decided: pl.DataFrame) -> pl.DataFrame:
    """Put everything that waits and everything that was decided on one list."""
    about = ["source", "name", "candidate"]
    done = decided.select(
        "source",
        "name",
        "decided_by",
        "known_at",
        candidate="target",
        score=pl.lit(1.0),
        method=pl.lit("person"),
        state="decision",
        reason=pl.lit("a person decided; a later decision takes it back"),
        rows=pl.lit(0, pl.Int64),
    )
    waits = pending.join(done, on=about, how="anti").sort(*about, "known_at")
    # The same ticker may wait in several tables.
    waits = waits.group_by(about, maintain_order=True).agg(
        pl.col("score").max(),
        pl.col("method", "state", "reason", "decided_by", "known_at").first(),
        pl.col("rows").sum(),
    )
    return LINK_REVIEWS.conform(pl.concat([waits, done.select(waits.columns)], how="vertical_relaxed"))


def _write(lake: Lake, table: Table, frame: pl.DataFrame) -> Commit:
    """Make a frame the whole content of a table."""
    key = list(table.partition_key)
    there = lake.revisions(table).select(key).unique().collect()
    return lake.write(table, frame, pl.concat([there, frame.select(key)]).unique())
