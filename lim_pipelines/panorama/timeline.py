"""One instrument's history: its bars, and all that happened to it or was said of it, each when it was known.

What does not belong here: how it is drawn (`timeline_plot.py`), what models read of it (`inputs/`), which
happenings there are (`happenings.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from lim_pipelines.lake import LATEST, AsOf, Lake
from lim_pipelines.modalities.sentiment import SCORES, Vader
from lim_pipelines.modalities.store import TEXTS, Vectors
from lim_pipelines.panorama import happenings
from lim_pipelines.reference import known_listings
from lim_pipelines.schemas import (
    CONTINUOUS_FUTURES,
    ENTITY_LINKS,
    ONE_PRICE,
    RESAMPLED_BARS,
    UTC_TIME,
    VALIDATED_BARS,
    VALIDATED_EVENTS,
    VALIDATED_FACTS,
    VALIDATED_TEXTS,
)

WINDOW = timedelta(days=730)
"""What is drawn in detail."""

_MARGIN = timedelta(days=10)


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
        day (of known_at, UTC), texts (how many), sentiment (their mean, -1 to 1, null if not embedded);
        sorted.
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
        """First and last moment to draw in detail, None without anything to draw.

        The records of prices, texts and events of a company need not meet: of the moments at which one of
        them ends, two years before the one by which most of them can be seen, and the newest of several such.
        """
        records = [self.bars["ts"], self.texts["day"].cast(UTC_TIME)]
        records += [
            self.marks.filter(pl.col("lane") == lane)["known_at"].sort()
            for lane in (happenings.TOLD if self.bars.height or self.texts.height else happenings.LANES)
        ]
        ends = [record[-1] for record in records if record.len()]
        if not ends:
            return None
        seen = {
            end: sum(record.is_between(end - WINDOW, end).any() for record in records) for end in set(ends)
        }
        end = max(seen, key=lambda moment: (seen[moment], moment))
        return end - WINDOW, end + _MARGIN


def timeline(
    lake: Lake, instrument_id: str, as_of: datetime | None = None, sentiment: pl.DataFrame | None = None
) -> Timeline:
    """Read all of one instrument.

    Parameters
    ----------
    lake
        Lake to read.
    instrument_id
        Its id, `<MIC>:<name>`.
    as_of
        Show only what was known at this moment, UTC.
    sentiment
        As `sentiment_of_texts` returns it; None if texts are not embedded.

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
        _texts(lake, links, moment, sentiment),
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


def sentiment_of_texts(vectors: Vectors, as_of: AsOf) -> pl.DataFrame | None:
    """Return the sentiment of the texts that are embedded: text_id, sentiment; None if none are."""
    encoder = Vader()
    if not vectors.uri(TEXTS, encoder).exists():
        return None
    rows = vectors.read(TEXTS, encoder, as_of=as_of)
    overall = pl.col("vector").arr.get(SCORES.index("compound"))
    return rows.select(text_id="key", sentiment=overall.cast(pl.Float64))


def _texts(lake: Lake, links: pl.DataFrame, as_of: AsOf, sentiment: pl.DataFrame | None) -> pl.DataFrame:
    """Texts about the issuers by the day on which they were known."""
    about = pl.col("entity_id").is_in(links["entity_id"].to_list())
    rows = lake.read(VALIDATED_TEXTS, as_of=as_of, where=about)
    held = happenings.while_linked(rows.select("entity_id", "ts", "known_at", "text_id").collect(), links)
    # One text that names the company twice is one text.
    once = held.unique("text_id")
    if sentiment is None:
        sentiment = pl.DataFrame(schema={"text_id": pl.String, "sentiment": pl.Float64})
    return (
        once.join(sentiment, on="text_id", how="left")
        .group_by(day=pl.col("known_at").dt.date())
        .agg(texts=pl.len(), sentiment=pl.col("sentiment").mean())
        .sort("day")
    )
