"""What happened to an instrument, as marks on its timeline: a lane, words, and the two clocks.

What does not belong here: bars and texts, which are drawn as curves (`timeline.py`), colours.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from lim_pipelines.lake import LATEST, AsOf, Lake
from lim_pipelines.schemas import (
    CORPORATE_ACTIONS,
    ENTITY_LINKS,
    QUARANTINE,
    ROLLS,
    UTC_TIME,
    VALIDATED_BARS,
    VALIDATED_EVENTS,
    VALIDATED_FACTS,
    VALIDATED_MACRO,
)
from lim_pipelines.sources.base import QUARANTINE_AS

EARNINGS, FILINGS, OTHER = "earnings", "filings", "events"
ACTIONS, ROLLED, INDEX, MACRO = "splits, dividends", "rolls", "index", "macro"
REVISED, HELD = "revisions", "quarantine"
LANES: Final = (EARNINGS, FILINGS, OTHER, ACTIONS, ROLLED, INDEX, MACRO, REVISED, HELD)
"""From the top."""

TOLD: Final = (EARNINGS, FILINGS, OTHER)
"""Lanes of what is told of the company itself."""

SCHEMA: Final = pl.Schema({"lane": pl.String(), "what": pl.String(), "ts": UTC_TIME, "known_at": UTC_TIME})
"""Lane, what it is in words, the moment it describes, the moment it could be known."""

SLOW_MACRO_DAYS = 20
"""Series whose values come at least this far apart (median) are releases; daily rates are none."""


def _marks(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())


def _midnight(day: str) -> pl.Expr:
    """Midnight, UTC, of a column of dates."""
    return pl.col(day).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def while_linked(rows: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """Keep the rows about an entity whose moment lies within a link to it.

    Parameters
    ----------
    rows
        Columns entity_id, ts and others.
    links
        Columns entity_id, first, last (days, both included; null is open).
    """
    day = pl.col("ts").dt.date()
    joined = rows.join(links.select("entity_id", "first", "last"), on="entity_id")
    held = joined.filter((day >= pl.col("first")) & (pl.col("last").is_null() | (day <= pl.col("last"))))
    return held.select(rows.columns).unique(maintain_order=True)


def of_bars(lake: Lake, instrument_id: str, bars: pl.DataFrame, as_of: AsOf) -> pl.DataFrame:
    """Corporate actions (as reported, and as the bars carry them) and revisions of bars."""
    reported = (
        lake.read(CORPORATE_ACTIONS, as_of=as_of, where=pl.col("instrument_id") == instrument_id)
        .select(
            "known_at",
            ts=_midnight("ex_date"),
            what=pl.format(
                "{}{}{}",
                "kind",
                pl.format(" x {}", pl.col("ratio").round(4)).fill_null(""),
                pl.format(" {} a share", pl.col("amount").round(4)).fill_null(""),
            ),
            lane=pl.lit(ACTIONS),
        )
        .collect()
    )
    told = reported["ts"].dt.date().to_list()
    carried = bars.filter((pl.col("ex_factor") != 1.0) & ~pl.col("ts").dt.date().is_in(told)).select(
        "ts", "known_at", lane=pl.lit(ACTIONS), what=pl.format("ex, factor {}", pl.col("ex_factor").round(5))
    )
    revised = (
        _known(
            lake.revisions(
                VALIDATED_BARS,
                (pl.col("exchange") == instrument_id.partition(":")[0])
                & (pl.col("instrument_id") == instrument_id)
                & (pl.col("freq") == "1d"),
            ),
            as_of,
        )
        .select("ts", "price_type", "known_at", "close", "withdrawn")
        .sort("ts", "price_type", "known_at")
    )
    before = pl.col("close").shift(1).over("ts", "price_type")
    marked = (
        revised.with_columns(before=before)
        .filter(pl.col("before").is_not_null())
        .select(
            "ts",
            "known_at",
            lane=pl.lit(REVISED),
            what=pl.when("withdrawn")
            .then(pl.lit("bar withdrawn"))
            .otherwise(pl.format("bar revised: close {} -> {}", "before", "close")),
        )
        .collect()
    )
    return pl.concat([_marks(reported), _marks(carried), _marks(marked)])


def of_instrument(lake: Lake, instrument_id: str, listed: pl.DataFrame, as_of: AsOf) -> pl.DataFrame:
    """Return rolls, entries to and exits from indices, rows held back.

    Parameters
    ----------
    lake, instrument_id, as_of
        Where to look, for what, and when.
    listed
        Rows of `LISTINGS` of the instrument: what sources call it.
    """
    mine = pl.any_horizontal(
        pl.col(name) == instrument_id for name in ("root", "current_contract", "next_contract")
    )
    rolls = lake.read(ROLLS, as_of=as_of, where=mine).select(
        "ts",
        "known_at",
        lane=pl.lit(ROLLED),
        what=pl.format("{} -> {}", "current_contract", "next_contract"),
    )
    member = (pl.col("relation") == "member_of") & (pl.col("child") == instrument_id)
    links = lake.read(ENTITY_LINKS, as_of=as_of, where=member)
    entries, exits = (
        links.filter(pl.col(day).is_not_null()).select(
            "known_at",
            ts=_midnight(day),
            lane=pl.lit(INDEX),
            what=pl.format(words, pl.col("parent").str.strip_prefix("index:")),
        )
        for day, words in (("first", "enters {}"), ("last", "leaves {}"))
    )
    names = [instrument_id, *listed["symbol"].unique().to_list()]
    places = [instrument_id.partition(":")[0], QUARANTINE_AS]
    sources = [*listed["source"].unique().to_list(), ""]
    here = (
        pl.col("exchange").is_in(places)
        & pl.col("symbol").is_in(names)
        & (pl.col("source").is_in(sources) | (pl.col("symbol") == instrument_id))
    )
    held = lake.read(QUARANTINE, as_of=as_of, where=here).select(
        "known_at",
        ts=_midnight("date"),
        lane=pl.lit(HELD),
        what=pl.format("held back ({}): {}", "stage", "rule"),
    )
    return pl.concat([_marks(one.collect()) for one in (rolls, entries, exits, held)])


def of_issuers(lake: Lake, links: pl.DataFrame, as_of: AsOf) -> pl.DataFrame:
    """Events and filed numbers of the companies behind an instrument; numbers of one filing are one mark."""
    about = pl.col("entity_id").is_in(links["entity_id"].to_list())
    kind = pl.col("kind")
    lane = pl.when(kind.str.contains("earnings")).then(pl.lit(EARNINGS)).otherwise(pl.lit(OTHER))
    value = pl.format(" {} {}", pl.col("value").round(4), "unit").fill_null("")
    events = lake.read(VALIDATED_EVENTS, as_of=as_of, where=about).select(
        "entity_id",
        "ts",
        "known_at",
        lane=pl.when(kind.str.contains("filing")).then(pl.lit(FILINGS)).otherwise(lane),
        what=pl.format("{}{} {}", kind.str.replace_all("_", " "), value, "detail").str.strip_chars(),
    )
    facts = (
        lake.read(VALIDATED_FACTS, as_of=as_of, where=about)
        .group_by("entity_id", "ts", "known_at", "form", "source")
        .agg(n=pl.len())
        .select(
            "entity_id",
            "ts",
            "known_at",
            lane=pl.lit(FILINGS),
            what=pl.format(
                "{} to {}: {} numbers", pl.col("form").fill_null("figures"), pl.col("ts").dt.date(), "n"
            ),
        )
    )
    return pl.concat([_marks(while_linked(one.collect(), links)) for one in (events, facts)])


def of_macro(lake: Lake, as_of: AsOf) -> pl.DataFrame:
    """Values of the macro series that are released, not quoted daily; revisions too."""
    rows = _known(lake.revisions(VALIDATED_MACRO), as_of)
    gaps = pl.col("ts").unique().sort().diff().dt.total_days().median()
    slow = rows.group_by("series_id").agg(gap=gaps).filter(pl.col("gap") >= SLOW_MACRO_DAYS)
    return _marks(
        rows.join(slow, on="series_id", how="semi")
        .select(
            "ts",
            "known_at",
            lane=pl.lit(MACRO),
            what=pl.format("{}: {} {}", "series_id", pl.col("value").round(4), "unit"),
        )
        .collect()
    )


def _known(rows: pl.LazyFrame, as_of: AsOf) -> pl.LazyFrame:
    return rows if as_of is LATEST else rows.filter(pl.col("known_at") <= as_of)
