"""Whom a name means: the one known name that is like enough, and clearly more like it than any other.

A name is linked by itself from `AUTOMATIC` on if the next entity is `MARGIN` behind; docs/entities.md
says how often that was right. Everything else that is like a known name goes to the list for people; what is
like none (most words of a news graph are no companies) is simply not linked.

Countries, currencies, commodities and indices are linked by the words of their names, exactly.

What does not belong here: how alike two names are (`likeness.py`), which names are known (`master.py`).
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.entities import decided
from lim_pipelines.entities import names as spelling
from lim_pipelines.entities.likeness import alike
from lim_pipelines.entities.resolve import Resolved
from lim_pipelines.entities.reviews import reviews
from lim_pipelines.schemas import UTC_TIME

AUTOMATIC = 0.96
"""Least score of a link without a person."""
MARGIN = 0.06
"""How far behind the second entity must be."""
CONTESTED = f"less alike than {AUTOMATIC}, or another entity is less than {MARGIN} behind"
NAMES = pl.Schema({"entity_id": pl.String(), "name": pl.String(), "known_at": UTC_TIME, "until": UTC_TIME})
"""Names that entities are known by, since when that is known, and until when (null: still): an issuer that
turns out to be another one hands its names on."""
_MOST_CANDIDATES = 5


def match_names(mentions: pl.DataFrame, names: pl.DataFrame, decisions: pl.DataFrame) -> Resolved:
    """Link names to entities, each as of the moment it was mentioned, or as soon after as it was possible.

    Parameters
    ----------
    mentions
        Columns `source`, `name`, `known_at` (UTC), and `rows` (how many rows it stands for, 1 without);
        others are carried along.
    names
        Frame of `NAMES`.
    decisions
        Frame of `decided.DECISIONS`.

    Returns
    -------
    Resolved
        `matched`: `known_at` is raised to the moment from which the link can be used, where the name or the
        decision came later; `instrument_id` is null, `method` is name or person. `review`: what is like some
        name, with the best candidates. Mentions in neither are like no name.
    """
    columns = mentions.columns
    rows = mentions.with_columns(pl.col("known_at").cast(UTC_TIME)).with_row_index("_row")
    likely = _candidates(rows, names)
    turns = _turns(likely, decisions)
    by_name = _first_turn(rows, turns)
    at_once = by_name.filter(pl.col("known_at").is_null())
    by_person = decided.accepted(rows, decisions, "name", at_once)
    found = pl.concat([by_person.with_columns(_place=0), by_name.with_columns(_place=1)], how="diagonal")
    # A decision in time beats the name; of two that come later the earlier one holds.
    in_time = rows.select("_row", moment="known_at")
    found = found.join(in_time, on="_row").with_columns(
        _since=pl.max_horizontal("moment", pl.col("known_at").fill_null(pl.col("moment")))
    )
    found = found.sort("_row", "_since", "_place").unique("_row", keep="first", maintain_order=True)
    said = found.select("_row", "instrument_id", "entity_id", "score", "method", "_since")
    matched = rows.join(said, on="_row", how="inner", maintain_order="left").with_columns(known_at="_since")
    open_ = rows.join(found, on="_row", how="anti")
    review = _review(open_, likely)
    return Resolved(matched.select(*columns, "instrument_id", "entity_id", "score", "method"), review)


def _candidates(rows: pl.DataFrame, names: pl.DataFrame) -> pl.DataFrame:
    """Entities that each name may mean, with the likeness of their likest name and since when it is known."""
    company = pl.col("entity_id").str.starts_with("issuer:")
    known = names.filter(company)
    pairs = alike(rows["name"], known["name"]).join(known, left_on="alias", right_on="name")
    others = names.filter(~company).with_columns(words=spelling.words(pl.col("name")))
    asked = rows.select("name").unique().with_columns(words=spelling.words(pl.col("name")))
    certain = asked.join(others.drop("name"), on="words").with_columns(score=pl.lit(1.0))
    columns = ("name", "entity_id", "score", "known_at", "until")
    both = pl.concat([pairs.select(columns), certain.select(columns)])
    return both.rename({"known_at": "since"}).unique()


def _turns(likely: pl.DataFrame, decisions: pl.DataFrame) -> pl.DataFrame:
    """Say what each name of each source means from each moment on at which that may change.

    Columns source, name, at, and entity_id and score, null where it means nobody for certain.
    """
    no = decisions.filter(pl.col("decision") == decided.REJECTED)
    no = no.select("source", "name", "known_at", "target")
    plain = likely.with_columns(source=pl.lit(None, pl.String))
    own = no.select("source", "name").unique().join(likely, on="name").select(plain.columns)
    both = pl.concat([plain, own])
    by = ["source", "name"]
    ends = both.filter(pl.col("until").is_not_null()).select(*by, at="until")
    refused = no.select(*by, at="known_at").join(own, on=by, how="semi")
    at = pl.concat([both.select(*by, at="since"), ends, refused])
    known = (
        at.unique()
        .join(both, on=by, nulls_equal=True)
        .filter(
            (pl.col("since") <= pl.col("at")) & (pl.col("until").is_null() | (pl.col("until") > pl.col("at")))
        )
    )
    gone = known.join(no, on=by).filter(
        (pl.col("known_at") <= pl.col("at")) & (pl.col("target") == pl.col("entity_id"))
    )
    state = [*by, "at", "entity_id"]
    left = known.join(gone.select(state), on=state, how="anti", nulls_equal=True)
    left = left.group_by(state).agg(pl.col("score").max())
    left = left.sort("score", "entity_id", descending=[True, False])
    of = [*by, "at"]
    top = left.group_by(of, maintain_order=True).agg(
        pl.col("entity_id").first(), pl.col("score").first(), second=pl.col("score").get(1, null_on_oob=True)
    )
    certain = (pl.col("score") >= AUTOMATIC) & (
        pl.col("score") - pl.col("second").fill_null(0.0) >= MARGIN - 1e-9
    )
    held = top.filter(certain).select(*of, "entity_id", "score")
    return at.unique().join(held, on=of, how="left", nulls_equal=True)


def _first_turn(rows: pl.DataFrame, turns: pl.DataFrame) -> pl.DataFrame:
    """Say what each row means: as of its moment, or else from the first later turn on that is certain.

    `known_at` is the moment of the turn where that is later, null otherwise.
    """
    special = turns.filter(pl.col("source").is_not_null())
    asked = rows.select("_row", "source", "name", moment="known_at")
    own = asked.join(special, on=["source", "name"])
    rest = asked.join(special.select("source", "name").unique(), on=["source", "name"], how="anti")
    common = turns.filter(pl.col("source").is_null()).drop("source")
    every = pl.concat([own, rest.join(common, on="name").select(own.columns)])
    now = every.filter(pl.col("at") <= pl.col("moment")).sort("at").unique("_row", keep="last")
    now = now.filter(pl.col("entity_id").is_not_null()).with_columns(at=pl.lit(None, UTC_TIME))
    later = every.filter((pl.col("at") > pl.col("moment")) & pl.col("entity_id").is_not_null())
    later = later.join(now, on="_row", how="anti").sort("at").unique("_row", keep="first")
    return pl.concat([now, later]).select(
        "_row",
        "entity_id",
        "score",
        known_at="at",
        method=pl.lit("name"),
        instrument_id=pl.lit(None, pl.String),
    )


def _review(open_: pl.DataFrame, likely: pl.DataFrame) -> pl.DataFrame:
    best = likely.group_by("name", "entity_id").agg(pl.col("score").max())
    best = best.sort("score", "entity_id", descending=[True, False])
    best = best.group_by("name", maintain_order=True).head(_MOST_CANDIDATES)
    asked = open_.join(best, on="name", how="semi")
    candidates = asked.select("_row", "name").join(best, on="name")
    return reviews(
        asked, candidates.select("_row", "score", candidate="entity_id"), "name", CONTESTED, CONTESTED
    )
