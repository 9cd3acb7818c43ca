"""One instrument's history: its bars, and all that happened to it or was said of it, each when it was known.

What does not belong here: how it is drawn (`timeline_plot.py`), what models read of it (`inputs/`), which
happenings there are (`happenings.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from lim_pipelines.lake import LATEST, AsOf, Lake
from lim_pipelines.panorama import happenings
from lim_pipelines.reference import known_listings
from lim_pipelines.schemas import (
    CONTINUOUS_FUTURES,
    ENTITY_LINKS,
    ONE_PRICE,
    RESAMPLED_BARS,
    VALIDATED_BARS,
    VALIDATED_EVENTS,
    VALIDATED_FACTS,
    VALIDATED_TEXTS,
)

WINDOW = timedelta(days=730)
"""What is drawn in detail."""


@dataclass(frozen=True)
class Timeline:
    """What there is to say of one instrument.

    Parameters
    ----------
    instrument_id, name
        Which one.
    issuers
        Entity ids of its issuers.
    as_of
        Moment after which nothing is shown; None is everything known.
    bars
        Daily: ts, known_at, close (as traded), adjusted (comparable with the last close, dividends
        reinvested), volume, ex_factor; sorted.
    marks
        As `happenings.SCHEMA`, sorted by known_at.
    texts
        day (of known_at, UTC), texts (how many), sorted.
    """

    instrument_id: str
    name: str
    issuers: tuple[str, ...]
    as_of: datetime | None
    bars: pl.DataFrame
    marks: pl.DataFrame
    texts: pl.DataFrame

    @property
    def window(self) -> tuple[datetime, datetime] | None:
        """First and last moment to draw in detail: two years up to the last bar, or to the last happening.

        None without anything to draw. The record of prices and that of events need not meet: what is told of
        a company decides, where there is such.
        """
        told = self.marks.filter(pl.col("lane").is_in(happenings.TOLD))
        moments = [*told["known_at"].to_list(), *self.texts["day"].cast(pl.Datetime("us", "UTC")).to_list()]
        closes = self.bars["ts"].to_list()
        if not moments and not closes:
            return None
        end = max(closes) if closes else max(moments)
        if moments and max(moments) < end - WINDOW:
            end = max(moments) + timedelta(days=30)
        return end - WINDOW, max(end, min(max(moments, default=end), end + timedelta(days=60)))


def timeline(lake: Lake, instrument_id: str, as_of: datetime | None = None) -> Timeline:
    """Read all of one instrument.

    Parameters
    ----------
    lake
        Lake to read.
    instrument_id
        Its id, `<MIC>:<name>`.
    as_of
        Show only what was known at this moment, UTC.

    Returns
    -------
    Timeline
        Empty parts where nothing is known; an instrument that nobody knows has all of them empty.
    """
    moment: AsOf = LATEST if as_of is None else as_of
    listed = known_listings(lake).filter(pl.col("instrument_id") == instrument_id)
    bars = _bars(lake, instrument_id, moment)
    links = issuers_of(lake, moment).filter(pl.col("instrument_id") == instrument_id)
    marks = pl.concat(
        [
            happenings.of_bars(lake, instrument_id, bars, moment),
            happenings.of_instrument(lake, instrument_id, listed, moment),
            happenings.of_issuers(lake, links, moment),
            happenings.of_macro(lake, moment),
        ]
    )
    return Timeline(
        instrument_id,
        listed["name"][0] if listed.height else "",
        tuple(links["entity_id"].unique().sort()),
        as_of,
        bars,
        marks.sort("known_at", "lane", "what"),
        _texts(lake, links, moment),
    )


def issuers_of(lake: Lake, as_of: AsOf) -> pl.DataFrame:
    """Return who issues what, from when to when: instrument_id, entity_id, first, last."""
    links = lake.read(ENTITY_LINKS, as_of=as_of, where=pl.col("relation") == "issued_by")
    return links.select("first", "last", instrument_id="child", entity_id="parent").collect()


def most_told(lake: Lake, most: int) -> list[str]:
    """Return the instruments of which there is most to show.

    Those with most of: daily bars, facts, events, texts; among equals those with the most daily bars.
    """
    daily = pl.col("freq") == "1d"
    bars = pl.concat(
        [
            lake.read(table, as_of=LATEST, where=daily).group_by("instrument_id").agg(bars=pl.len())
            for table in (VALIDATED_BARS, RESAMPLED_BARS, CONTINUOUS_FUTURES)
        ]
    )
    ranked = bars.group_by("instrument_id").agg(pl.col("bars").max()).collect(engine="streaming")
    links = issuers_of(lake, LATEST).select("instrument_id", "entity_id")
    ranked = ranked.with_columns(kinds=pl.lit(0, pl.UInt32))
    for table in (VALIDATED_FACTS, VALIDATED_EVENTS, VALIDATED_TEXTS):
        told = lake.read(table, as_of=LATEST).select("entity_id").unique().collect(engine="streaming")
        about = links.join(told, on="entity_id", how="semi")["instrument_id"].unique().to_list()
        ranked = ranked.with_columns(kinds=pl.col("kinds") + pl.col("instrument_id").is_in(about))
    order = ranked.sort("kinds", "bars", "instrument_id", descending=[True, True, False])
    return order.head(most)["instrument_id"].to_list()


def _bars(lake: Lake, instrument_id: str, as_of: AsOf) -> pl.DataFrame:
    """Daily bars as vendors give them, or made from shorter ones, or stitched."""
    mic = instrument_id.partition(":")[0]
    where = (
        (pl.col("exchange") == mic)
        & (pl.col("freq") == "1d")
        & (pl.col("instrument_id") == instrument_id)
        & pl.col("price_type").is_in(ONE_PRICE)
    )
    for table in (VALIDATED_BARS, RESAMPLED_BARS, CONTINUOUS_FUTURES):
        found = lake.read(table, as_of=as_of, where=where).collect()
        if found.height:
            break
    # Trades before mid quotes, where both are there.
    found = found.sort("ts", pl.col("price_type") != "trade").unique("ts", keep="first", maintain_order=True)
    later = pl.col("ex_factor").shift(-1, fill_value=1.0).cum_prod(reverse=True)
    return found.select("ts", "known_at", "close", "volume", "ex_factor", adjusted=pl.col("close") * later)


def _texts(lake: Lake, links: pl.DataFrame, as_of: AsOf) -> pl.DataFrame:
    """Texts about the issuers by the day on which they were known."""
    about = pl.col("entity_id").is_in(links["entity_id"].to_list())
    rows = lake.read(VALIDATED_TEXTS, as_of=as_of, where=about)
    held = happenings.while_linked(rows.select("entity_id", "ts", "known_at", "text_id").collect(), links)
    # One text that names the company twice is one text.
    return held.unique("text_id").group_by(day=pl.col("known_at").dt.date()).agg(texts=pl.len()).sort("day")
