"""What shows that two instruments are shares of one company, and since when that is known.

- The same listing in other units: `XNAS:AAPL@2017` is XNAS:AAPL (the ids are ours, known always).
- A person, or the table of share classes (`curated.py`).
- One CIK, the number that the SEC gives a company.
- A guess corrected: pystock names no exchange, ours is guessed from the ticker's length. Where other vendors
  list the ticker on one other exchange of the country, and there only, that is the one: a US ticker is
  reserved for one company at a time. Score .9.
- Equal names (`names.key`, no contradicting legal forms) on exchanges of one country, with tickers that are
  the same or of one stem: GOOG and GOOGL, DISCA and DISCK. Score .95. Equal names alone are not enough: in
  August 2015 there were three First Bancorps (FBP, FBNC, FNLC).
- Equal names, said within three years of each other, where just one of them is in an index on the day: the
  others are its listed notes and preferred shares (Citigroup: C and BLW). Score .9. Ten years later the name
  may be another company's (Broadcom).

Equal tickers on two exchanges of a country are one company only by such evidence.

What does not belong here: what follows from it (`issuers.py`).
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from lim_pipelines.entities.curated import SHARE_CLASSES, SOURCE
from lim_pipelines.entities.known import FOREVER, links_at
from lim_pipelines.entities.names import contradict
from lim_pipelines.entities.places import EXCHANGE_COUNTRY
from lim_pipelines.schemas import UTC_TIME

ALWAYS = pl.datetime(1970, 1, 1, time_zone="UTC").cast(UTC_TIME)
FIRST = pl.date(1900, 1, 1)
BY_NAME = 0.95
BY_MEMBERSHIP = 0.9
BY_TICKER = 0.9
ONE_TIME = timedelta(days=3 * 365)
"""How far apart two claims of a name may be that an index member and its notes share."""
GUESSED = ("pystock", "pystock_collection")
"""Sources of listings whose exchange is a guess."""

EDGES = pl.Schema(
    {
        **{"one": pl.String(), "other": pl.String(), "leads": pl.Boolean(), "first": pl.Date()},
        **{"score": pl.Float64(), "method": pl.String(), "source": pl.String(), "known_at": UTC_TIME},
    }
)
"""Pairs of instruments. `leads`: the company goes by the name of the first one's."""
_DAYS = ("first", "last")


def _from(day: pl.Expr) -> pl.Expr:
    """Moment from which something is known that was public on a day."""
    return pl.max_horizontal(day.cast(pl.Datetime("us")).dt.replace_time_zone("UTC"), ALWAYS)


def evidence(
    shares: pl.DataFrame, said: pl.DataFrame, members: pl.DataFrame, people: pl.DataFrame
) -> pl.DataFrame:
    """Find pairs of instruments of one company.

    Parameters
    ----------
    shares
        Frame of `LISTINGS`: those of equities.
    said
        Claims by instrument: instrument_id, relation (named, identified_by), object, source, known_at; `key`
        and `form` of names.
    members
        The `member_of` links, frame of `ENTITY_LINKS`.
    people
        Columns one, other, leads, decision, known_at: what people decided about pairs.

    Returns
    -------
    pl.DataFrame
        Frame of `EDGES`, in order of time; what people had rejected by then is left out.
    """
    numbers = said.filter(pl.col("relation") == "identified_by", pl.col("object").str.starts_with("cik/"))
    tickers = _with_country(shares)
    same_name = _same_name(tickers, said)
    by_person = people.filter(pl.col("decision") == "accepted").select("one", "other", "leads", "known_at")
    parts = [
        same_share(shares),
        _edges(_classes(tickers), 1.0, "listing", SOURCE),
        _edges(_pairs(numbers, ["object", "source"]), 1.0, "vendor"),
        _edges(same_name.filter(_one_stem(pl.col("symbol"), pl.col("symbol_2"))), BY_NAME, "name"),
        _edges(_one_member(same_name, members), BY_MEMBERSHIP, "name"),
        _edges(by_person, 1.0, "person", "listings"),
    ]
    every = pl.concat(parts).sort(
        "known_at", "score", "one", "other", "source", descending=[False, True, False, False, False]
    )
    no = people.filter(pl.col("decision") == "rejected").rename({"known_at": "_no"})
    both = pl.concat([no.select("one", "other", "_no"), no.select(one="other", other="one", _no="_no")])
    refused = every.join(both, on=["one", "other"]).filter(pl.col("_no") <= pl.col("known_at"))
    every = every.join(refused, on=["one", "other", "known_at"], how="anti", maintain_order="left")
    return every.unique(["one", "other"], keep="first", maintain_order=True)


def first_days(listings: pl.DataFrame) -> pl.DataFrame:
    """Return since when each instrument is listed: instrument_id and `known_at`; always, if without dates."""
    return listings.group_by("instrument_id").agg(known_at=_from(pl.col("first").min()))


def same_share(shares: pl.DataFrame) -> pl.DataFrame:
    """Find pairs of instruments that are one and the same share, which listings alone tell.

    Parameters
    ----------
    shares
        As for `evidence`.

    Returns
    -------
    pl.DataFrame
        Frame of `EDGES`, known from the first day of both listings on.
    """
    units = first_days(shares).with_columns(base=pl.col("instrument_id").str.split("@").list.first())
    return pl.concat(
        [
            _edges(_pairs(units, ["base"]), 1.0, "listing", "listings"),
            _edges(_guesses_corrected(_with_country(shares)), BY_TICKER, "ticker", "listings"),
        ]
    )


def _with_country(shares: pl.DataFrame) -> pl.DataFrame:
    country = pl.col("exchange").replace_strict(EXCHANGE_COUNTRY, default=None, return_dtype=pl.String)
    return shares.with_columns(country=country).filter(pl.col("country").is_not_null())


def _edges(pairs: pl.DataFrame, score: float, method: str, source: str = "") -> pl.DataFrame:
    """Bring pairs to `EDGES`; what they do not say themselves is given."""
    said = {
        "leads": pl.lit(False),
        "first": FIRST,
        "source": pl.lit(source),
    }
    filled = pairs.with_columns(**{name: what for name, what in said.items() if name not in pairs.columns})
    return filled.select(
        *(
            {"score": pl.lit(score), "method": pl.lit(method)}.get(name, pl.col(name)).cast(dtype).alias(name)
            for name, dtype in EDGES.items()
        )
    )


def _pairs(rows: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Neighbours in each group, in order of time: enough to join them all."""
    time = ["known_at"] if "known_at" in rows.columns else []
    unique = rows.sort(*by, *time, "instrument_id").unique(
        [*by, "instrument_id"], keep="first", maintain_order=True
    )
    return unique.select(
        *by, *time, one=pl.col("instrument_id").shift(1).over(by), other="instrument_id"
    ).filter(pl.col("one").is_not_null())


def _classes(tickers: pl.DataFrame) -> pl.DataFrame:
    table = pl.DataFrame(
        [(c.one, c.other, c.first) for c in SHARE_CLASSES], schema=["left", "right", "first"], orient="row"
    )
    here = tickers.filter(pl.col("country") == "US").select("symbol", "instrument_id", *_DAYS)
    joined = table.join(here, left_on="left", right_on="symbol", suffix="_one")
    joined = joined.join(here, left_on="right", right_on="symbol", suffix="_other")
    # Tickers are used again: both must mean these shares at one time after the first day.
    first = pl.max_horizontal("first", "first_one", "first_other")
    last = pl.min_horizontal("last", "last_other").fill_null(FOREVER)
    joined = joined.filter(first <= last, pl.col("instrument_id") != pl.col("instrument_id_other"))
    return joined.select(
        one="instrument_id",
        other="instrument_id_other",
        first=first,
        leads=pl.lit(True),
        known_at=_from(first),
    )


def _guesses_corrected(tickers: pl.DataFrame) -> pl.DataFrame:
    """Instruments on a guessed exchange, and the one that other vendors list under their ticker."""
    guess = pl.col("source").is_in(GUESSED)
    base = pl.col("instrument_id").str.split("@").list.first()
    stated = tickers.filter(~guess).select(
        "symbol", "country", "priority", *_DAYS, one="instrument_id", base=base
    )
    guessed = tickers.filter(guess).select("symbol", "country", *_DAYS, other="instrument_id")
    # What another vendor lists, too, is no guess.
    guessed = guessed.join(tickers.filter(~guess), left_on="other", right_on="instrument_id", how="anti")
    both = guessed.join(stated, on=["symbol", "country"], suffix="_one")
    # Another company may have had the ticker before, or have it later.
    first = pl.max_horizontal("first", "first_one")
    both = both.filter(first <= pl.min_horizontal("last", "last_one").fill_null(FOREVER))
    both = both.filter(pl.col("base").n_unique().over("other", "symbol", "country") == 1)
    both = both.with_columns(known_at=_from(first)).sort("known_at", "priority", "one")
    best = both.unique("other", keep="first", maintain_order=True)
    return best.select("one", "other", "known_at", leads=pl.lit(True))


def _same_name(tickers: pl.DataFrame, said: pl.DataFrame) -> pl.DataFrame:
    """Pairs of instruments of one country whose companies go by one name, known from `known_at` on."""
    named = said.filter(pl.col("relation") == "named", pl.col("key") != "").sort(
        "known_at", "source", "object"
    )
    named = named.unique(["instrument_id", "key", "form"], keep="first", maintain_order=True)
    listed = tickers.select("instrument_id", "symbol", "country").unique()
    named = named.join(listed, on="instrument_id").select(
        "instrument_id", "symbol", "country", "key", "form", "source", "known_at"
    )
    both = named.join(named, on=["key", "country"], suffix="_2")
    both = both.filter(pl.col("instrument_id") < pl.col("instrument_id_2"))
    both = both.filter(~contradict(pl.col("form"), pl.col("form_2")))
    later = pl.col("known_at_2") > pl.col("known_at")
    return both.with_columns(
        one="instrument_id",
        other="instrument_id_2",
        source=pl.when(later).then("source_2").otherwise("source"),
        known_at=pl.max_horizontal("known_at", "known_at_2"),
        apart=(pl.col("known_at") - pl.col("known_at_2")).abs(),
    ).select("one", "other", "symbol", "symbol_2", "source", "known_at", "apart")


def _one_member(same_name: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """Those pairs of which one is in an index, and the other is not, on the day the names are known."""
    pairs = same_name.filter(pl.col("apart") <= ONE_TIME)
    pairs = pairs.select("one", "other", "source", named="known_at").unique()
    both = pl.concat([pairs, pairs.select(one="other", other="one", source="source", named="named")])
    stays = members.select(one="child", _since="known_at").unique()
    # A list of members may become known after the names.
    asked = both.join(stays, on="one").with_columns(
        on=pl.col("named").dt.date(), known_at=pl.max_horizontal("named", "_since")
    )
    asked = asked.select("one", "other", "source", "on", "known_at").unique()
    inside = links_at(members, asked, "member_of", "one").select(asked.columns).unique()
    too = links_at(members, inside, "member_of", "other").select(asked.columns).unique()
    return inside.join(too, on=asked.columns, how="anti").with_columns(leads=pl.lit(True))


def _one_stem(one: pl.Expr, other: pl.Expr) -> pl.Expr:
    """Whether tickers are the same, one is the other and a letter, or they differ in the last of four."""
    lengths = (one.str.len_chars(), other.str.len_chars())
    short, long = pl.min_horizontal(lengths), pl.max_horizontal(lengths)
    class_behind = (one.str.head(short) == other.str.head(short)) & (long == short + 1) & (short > 1)
    last_letter = (short == long) & (long > 3) & (one.str.head(long - 1) == other.str.head(long - 1))
    stem = r"^([A-Z]+)[.-][A-Z]$"
    dotted = (one.str.extract(stem) == other.str.extract(stem)).fill_null(False)
    return (one == other) | class_behind | last_letter | dotted
