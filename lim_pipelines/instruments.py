"""Instruments: one stable id each, whatever vendors call it.

Here are the instruments of the embedded data. Those of vendors' files come with the files: sources register
them in the lake's table of listings (`reference.py`). What listings say of an instrument is read here, too.

What does not belong here: prices (`lake.py`), exchange rules (`exchanges/`). Splits and dividends travel with
the bars as `ex_factor`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Literal, get_args

import polars as pl

from lim_pipelines.exchanges import get_exchange
from lim_pipelines.schemas import LISTINGS, UTC_TIME
from lim_pipelines.simulate import xsim

AssetClass = Literal["equity", "index", "commodity", "fx", "cfd", "crypto", "future", "rate"]
ASSET_CLASSES: tuple[AssetClass, ...] = get_args(AssetClass)
"""In the order of the model's embedding: new ones go to the end."""

DOLLARS = ("USDT", "USDC", "BUSD")
"""Coins that are kept at one dollar; they count as dollars."""

_ALWAYS = pl.lit(datetime(1970, 1, 1, tzinfo=UTC), UTC_TIME)


@dataclass(frozen=True)
class Instrument:
    """One instrument.

    Parameters
    ----------
    instrument_id
        `<MIC>:<name>`; never changes.
    exchange
        Its exchange's market identifier.
    name
        Name for people.
    asset_class
        One of `ASSET_CLASSES`.
    currency
        ISO 4217 code of its prices.
    """

    instrument_id: str
    exchange: str
    name: str
    asset_class: AssetClass
    currency: str


@dataclass(frozen=True)
class Listing:
    """What a source calls an instrument, and from when to when.

    Parameters
    ----------
    source, symbol
        Source name and its symbol, as in the vendor's file.
    instrument_id
        The instrument meant.
    first, last
        Sessions, both included, for which the symbol means that instrument; None is open.
    priority
        Where two sources give the same bar, the lower number wins.
    """

    source: str
    symbol: str
    instrument_id: str
    first: date | None = None
    last: date | None = None
    priority: int = 0


_REAL = (
    Instrument("XNAS:AAPL", "XNAS", "Apple", "equity", "USD"),
    Instrument("XNAS:FB", "XNAS", "Meta Platforms", "equity", "USD"),
    Instrument("XNAS:GOOGL", "XNAS", "Alphabet A", "equity", "USD"),
    Instrument("XNAS:MSFT", "XNAS", "Microsoft", "equity", "USD"),
    Instrument("XNAS:IXIC", "XNAS", "NASDAQ Composite index", "index", "USD"),
    Instrument("XNYS:IBM", "XNYS", "IBM", "equity", "USD"),
    Instrument("XNYS:SPX", "XNYS", "S&P 500 index", "index", "USD"),
    Instrument("XNYM:WTI", "XNYM", "WTI crude oil, Cushing spot", "commodity", "USD"),
)

_REAL_LISTINGS = (
    Listing("bokeh_stocks", "AAPL", "XNAS:AAPL"),
    Listing("bokeh_stocks", "FB", "XNAS:FB"),
    # The package's GOOG is Google's only class before the split of April 2014, today's GOOGL.
    Listing("bokeh_stocks", "GOOG", "XNAS:GOOGL", last=date(2014, 4, 2)),
    Listing("bokeh_stocks", "IBM", "XNYS:IBM"),
    Listing("bokeh_stocks", "MSFT", "XNAS:MSFT"),
    Listing("arch_series", "nasdaq", "XNAS:IXIC"),
    Listing("arch_series", "sp500", "XNYS:SPX"),
    Listing("arch_series", "wti", "XNYM:WTI"),
    Listing("hv_apple", "AAPL", "XNAS:AAPL", priority=1),
)


@lru_cache(maxsize=1)
def instruments() -> dict[str, Instrument]:
    """All registered instruments by id, real ones first, then the simulated ones."""
    simulated = (
        Instrument(f"XSIM:{name}", "XSIM", f"simulated {name}", "equity", "USD")
        for name in xsim.instrument_names()
    )
    return {instrument.instrument_id: instrument for instrument in (*_REAL, *simulated)}


@lru_cache(maxsize=1)
def listings() -> pl.DataFrame:
    """Symbol history of every source.

    Returns
    -------
    pl.DataFrame
        Frame of `LISTINGS`. Files dropped in the landing folder (source `csv_drop`) name instruments by the
        part of the id behind the colon.
    """
    by_id = instruments()
    rows = [*_REAL_LISTINGS]
    rows += [
        Listing("csv_drop", i.instrument_id.split(":", 1)[1], i.instrument_id, priority=-1)
        for i in by_id.values()
    ]
    rows += [
        Listing("xsim", i.instrument_id.split(":", 1)[1], i.instrument_id)
        for i in by_id.values()
        if i.exchange == "XSIM"
    ]
    return LISTINGS.conform(
        pl.DataFrame(
            [
                {
                    "source": listing.source,
                    "symbol": listing.symbol,
                    "first": listing.first or date(1900, 1, 1),
                    "last": listing.last,
                    "priority": listing.priority,
                    **vars(by_id[listing.instrument_id]),
                }
                for listing in rows
            ],
            schema_overrides={"last": pl.Date},
            infer_schema_length=None,
        ).with_columns(file=pl.lit("lim_pipelines/instruments.py"), known_at=_ALWAYS)
    )


def terms(instruments: pl.DataFrame, listings: pl.DataFrame) -> pl.DataFrame:
    """Say what each instrument is.

    Parameters
    ----------
    instruments
        Columns exchange, instrument_id, n rows.
    listings
        Rows of `LISTINGS`. Of several of an instrument the one of the lowest priority number counts; it ends
        with the last of them, and not at all if one is open.

    Returns
    -------
    pl.DataFrame
        n rows in the order given: exchange, instrument_id, currency (the exchange's where nothing is listed),
        multiplier (1 where nothing is), tick_size, lot_size, last.
    """
    open_ended = pl.col("last").is_null().any()
    ends = listings.group_by("instrument_id").agg(
        last=pl.when(~open_ended).then(pl.col("last").max()),
    )
    first = listings.sort("priority", "first", descending=[False, True]).unique(
        "instrument_id", keep="first", maintain_order=True
    )
    mics = instruments["exchange"].unique()
    usual = pl.col("exchange").replace_strict(
        mics, [get_exchange(mic).currency for mic in mics], return_dtype=pl.String
    )
    return (
        instruments.join(
            first.select("instrument_id", "currency", "multiplier", "tick_size", "lot_size"),
            on="instrument_id",
            how="left",
            maintain_order="left",
        )
        .join(ends, on="instrument_id", how="left", maintain_order="left")
        .with_columns(
            pl.col("multiplier").fill_null(1.0),
            currency=pl.when(pl.col("currency").is_in(DOLLARS))
            .then(pl.lit("USD"))
            .otherwise(pl.col("currency").fill_null(usual)),
        )
    )
