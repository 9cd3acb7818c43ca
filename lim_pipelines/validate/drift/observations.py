"""What is watched of daily bars: return, traded value, spread of each instrument and session.

What does not belong here: model inputs (`inputs.py`), comparing (`distances.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import date, timedelta

import polars as pl

from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.schemas import ONE_PRICE, VALIDATED_BARS
from lim_pipelines.validate.drift.windows import MOST_STRETCHES, RECENT_SESSIONS

VARIABLES = ("return", "volume", "spread")

VOLUME_SESSIONS = 250
"""Sessions that a session's traded value is held against: a year. Markets grow; a year's growth is small
beside what one would call a change, and two months of tripled volume hardly move the mean."""

_FEWEST_VOLUMES = 60

MOST_INSTRUMENTS = 100
"""Instruments of an exchange and asset class that are looked at: they move together, more say little more."""

_DAYS = timedelta(days=int(1.5 * ((MOST_STRETCHES + 1) * RECENT_SESSIONS + VOLUME_SESSIONS)))
"""Calendar days that hold both windows; exchanges are open on 0.69 of all days or more."""


def newest_sessions(lake: Lake) -> dict[str, date]:
    """Newest session with daily bars, by exchange."""
    bars = lake.read(VALIDATED_BARS, as_of=LATEST, where=pl.col("freq") == "1d")
    newest = bars.group_by("exchange").agg(pl.col("date").max()).sort("exchange")
    return dict(newest.collect(engine="streaming").iter_rows())


def read_bars(lake: Lake, exchange: str, newest: date) -> pl.DataFrame:
    """Read the daily bars of both windows, of a sample of the instruments that still trade.

    Parameters
    ----------
    lake
        Where the bars lie.
    exchange
        Market identifier.
    newest
        Its newest session.
    """
    here = (pl.col("exchange") == exchange) & (pl.col("freq") == "1d")
    lately = pl.col("date") > newest - timedelta(days=2 * RECENT_SESSIONS)
    alive = lake.read(VALIDATED_BARS, as_of=LATEST, where=here & lately)
    alive = alive.select("asset_class", "instrument_id").unique()
    names = [
        name
        for part in alive.collect().partition_by("asset_class")
        for name in sample_of(part["instrument_id"], MOST_INSTRUMENTS)
    ]
    wanted = here & (pl.col("date") > newest - _DAYS) & pl.col("instrument_id").is_in(names)
    columns = ("date", "ts", "instrument_id", "asset_class", "price_type")
    figures = ("close", "high", "low", "volume", "turnover", "ex_factor")
    return lake.read(VALIDATED_BARS, as_of=LATEST, where=wanted).select(*columns, *figures).collect()


def sample_of(names: Iterable[str], most: int) -> list[str]:
    """Choose some names, by their hash: the same ones whenever and beside whichever others."""
    return sorted(sorted(names, key=lambda name: hashlib.blake2b(name.encode()).digest())[:most])


def variables_of(bars: pl.DataFrame) -> pl.DataFrame:
    """Compute what is watched.

    Parameters
    ----------
    bars
        Daily bars of one exchange, one revision a bar, as `read_bars` gives them.

    Returns
    -------
    pl.DataFrame
        asset_class, date, instrument_id; return: log return with corporate actions put right; volume: log of
        the traded value over its mean of the 250 sessions before; spread: log of ask less bid over mid where
        both are quoted, else of the session's log range (Parkinson, Journal of Business 53, 1980). Null where
        it cannot be computed. Sorted by date and instrument.
    """
    own = "instrument_id"
    traded = bars.filter(pl.col("price_type").is_in(ONE_PRICE)).sort(own, "ts")
    before = (pl.col("close").shift(1) * pl.col("ex_factor")).over(own)
    # Value and not pieces: a split changes no value.
    value = _positive(pl.coalesce("turnover", pl.col("close") * pl.col("volume")))
    year = value.shift(1).rolling_mean(VOLUME_SESSIONS, min_samples=_FEWEST_VOLUMES).over(own)
    variables = traded.select(
        "asset_class",
        "date",
        own,
        _positive(pl.col("close") / before).log().alias("return"),
        _positive(value / year).log().alias("volume"),
        _positive(_positive(pl.col("high") / pl.col("low")).log()).log().alias("range"),
    )
    quoted = _quoted_spreads(bars)
    return (
        variables.join(quoted, on=[own, "date"], how="left")
        # One measure an instrument: a session without quotes has no spread, not another one.
        .with_columns(quotes=pl.col("quoted").is_not_null().any().over(own))
        .with_columns(spread=pl.when("quotes").then("quoted").otherwise("range"))
        .select("asset_class", "date", own, *VARIABLES)
        .sort("asset_class", "date", own)
    )


def _quoted_spreads(bars: pl.DataFrame) -> pl.DataFrame:
    bid, ask = (
        bars.filter(pl.col("price_type") == side).select("instrument_id", "date", pl.col("close").alias(side))
        for side in ("bid", "ask")
    )
    both = bid.join(ask, on=["instrument_id", "date"])
    relative = 2 * (pl.col("ask") - pl.col("bid")) / (pl.col("ask") + pl.col("bid"))
    return both.select("instrument_id", "date", quoted=_positive(relative).log())


def _positive(value: pl.Expr) -> pl.Expr:
    return pl.when((value > 0) & value.is_finite()).then(value)


def standardised(rows: pl.DataFrame, stretches: int) -> pl.DataFrame:
    """Put each instrument's variables on one scale, by numbers of the reference alone.

    Parameters
    ----------
    rows
        Variables with `stretch`.
    stretches
        Stretches of the reference; the recent one goes by this number.

    Returns
    -------
    pl.DataFrame
        The same with zero mean and unit variance in the reference. Null of instruments that have fewer than
        `RECENT_SESSIONS` values there, or always the same one: there is nothing to hold them against.
    """
    scored = []
    for name in VARIABLES:
        past = pl.when(pl.col("stretch") < stretches).then(name)
        mean, std = (stat.over("instrument_id") for stat in (past.mean(), past.std()))
        known = (past.count().over("instrument_id") >= RECENT_SESSIONS) & (std > 0)
        scored.append(pl.when(known).then((pl.col(name) - mean) / std).alias(name))
    return rows.with_columns(scored)
