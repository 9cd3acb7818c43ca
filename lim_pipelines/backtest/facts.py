"""What a backtest must know of instruments beside their bars: what they are, corporate actions, currencies.

What does not belong here: exchanges' rules (`exchanges/`), prices (`market.py`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta

import polars as pl

from lim_pipelines.instruments import DOLLARS
from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.reference import known_listings
from lim_pipelines.schemas import CORPORATE_ACTIONS, LISTINGS, ONE_PRICE, UTC_TIME, VALIDATED_BARS

RATES: dict[str, pl.DataType | type[pl.DataType]] = {
    "currency": pl.String,
    "known_at": UTC_TIME,
    "rate": pl.Float64,
}
"""Columns of exchange rates: units of the base currency for one of `currency`."""

_A_YEAR = timedelta(days=366)


@dataclass(frozen=True)
class Facts:
    """Facts about instruments; empty frames where there are none.

    Parameters
    ----------
    listings
        Rows of `LISTINGS`: currency, multiplier, tick, lot and end of each instrument.
    actions
        Rows of `CORPORATE_ACTIONS`: splits and dividends.
    rates
        Columns of `RATES`, any order.
    """

    listings: pl.DataFrame = field(default_factory=LISTINGS.empty)
    actions: pl.DataFrame = field(default_factory=CORPORATE_ACTIONS.empty)
    rates: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=RATES))


def read_facts(lake: Lake, bars: pl.DataFrame, base: str) -> Facts:
    """Read what the lake knows of the instruments of some bars.

    Parameters
    ----------
    lake
        Where listings, corporate actions and exchange rates lie.
    bars
        Bars of the instruments.
    base
        Base currency.

    Returns
    -------
    Facts
        As known today: what an instrument is and what it paid is no news about prices; an exchange rate is
        used from the moment on at which it was known.
    """
    here = bars.select("instrument_id").unique()
    listings = known_listings(lake).join(here, on="instrument_id", how="semi")
    actions = lake.read(
        CORPORATE_ACTIONS, as_of=LATEST, where=pl.col("instrument_id").is_in(here["instrument_id"].implode())
    )
    foreign = set(listings["currency"]) - {base, *DOLLARS}
    rates = read_rates(lake, foreign, base, bars) if foreign else Facts().rates
    return Facts(listings, actions.collect(), rates)


def read_rates(lake: Lake, currencies: Collection[str], base: str, bars: pl.DataFrame) -> pl.DataFrame:
    """Read exchange rates from daily bars of currency pairs, named `<venue>:<base><quote>`.

    Parameters
    ----------
    lake
        Where the bars of pairs lie.
    currencies
        Currencies wanted.
    base
        Base currency.
    bars
        Bars whose span of time is wanted, and a year before it.

    Returns
    -------
    pl.DataFrame
        Columns of `RATES`. Where several venues quote a pair the first by name is taken.
    """
    name = (
        pl.col("instrument_id").str.split(":").list.last().str.replace_all("[^A-Za-z]", "").str.to_uppercase()
    )
    first, last = bars.select(first=pl.col("date").min(), last=pl.col("date").max()).row(0)
    quoted = quoted_pairs() & pl.col("date").is_between(first - _A_YEAR, last)
    pairs = lake.read(VALIDATED_BARS, as_of=LATEST, where=quoted).filter(pl.col("close") > 0).collect()
    wanted = pl.DataFrame(
        [(f"{one}{base}", one, False) for one in sorted(currencies)]
        + [(f"{base}{one}", one, True) for one in sorted(currencies)],
        schema={"pair": pl.String, "currency": pl.String, "inverse": pl.Boolean},
        orient="row",
    )
    found = pairs.with_columns(pair=name).join(wanted, on="pair")
    venue = pl.col("instrument_id") == pl.col("instrument_id").min().over("currency")
    rate = pl.when("inverse").then(1.0 / pl.col("close")).otherwise("close")
    return found.filter(venue).select("currency", "known_at", rate=rate)


def quoted_pairs() -> pl.Expr:
    """Rows of `VALIDATED_BARS` that are daily bars of currency pairs."""
    return (pl.col("asset_class") == "fx") & (pl.col("freq") == "1d") & pl.col("price_type").is_in(ONE_PRICE)
