"""Quotes and bars, from the vendor's file to what models read, and what is held back on the way.

What does not belong here: what instruments are (`reference.py`), which rows are right (`validate/`).
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.schemas import columns
from lim_pipelines.schemas.table import Column, Table

_PRICES = {
    "open": Column(pl.Float64, "currency", "first price", nullable=True),
    "high": Column(pl.Float64, "currency", "highest price", nullable=True),
    "low": Column(pl.Float64, "currency", "lowest price", nullable=True),
    "close": Column(pl.Float64, "currency", "last price, as traded, not adjusted"),
    "volume": Column(pl.Float64, "units", "units traded; of bids and asks the size quoted", nullable=True),
    "ex_factor": Column(
        pl.Float64,
        "ratio",
        "multiplies the previous close to make it comparable with this bar: 1 without a corporate action,"
        " 0.5 on the ex-date of a 2:1 split; close[t] / (close[t-1] * ex_factor[t]) - 1 is the total return",
    ),
    "turnover": Column(pl.Float64, "currency", "value traded", nullable=True, default=None),
    "vwap": Column(pl.Float64, "currency", "volume-weighted average price", nullable=True, default=None),
    "trades": Column(pl.Int64, "trades", "number of trades", nullable=True, default=None),
    "open_interest": Column(
        pl.Float64,
        "contracts",
        "contracts open, as last published when the bar was known",
        nullable=True,
        default=None,
    ),
}

RAW_QUOTES = Table(
    "raw_quotes",
    "Vendor quotes parsed to the canonical columns, vendor symbols kept, nothing dropped.",
    {
        "exchange": columns.EXCHANGE,
        "date": columns.DATE,
        "source": columns.SOURCE,
        "symbol": Column(pl.String, "", "the vendor's symbol"),
        "freq": columns.FREQ,
        "price_type": columns.PRICE_TYPE,
        "ts": columns.TS,
        **_PRICES,
        "file": columns.FILE,
        "line": columns.LINE,
        "withdrawn": columns.WITHDRAWN,
        "known_at": columns.KNOWN_AT,
    },
    key=("exchange", "date", "source", "symbol", "freq", "price_type", "ts"),
    partition_key=("exchange", "date"),
    stored_by=("exchange", "freq"),
)

_BARS = {
    "exchange": columns.EXCHANGE,
    "date": columns.DATE,
    "instrument_id": columns.INSTRUMENT,
    "freq": columns.FREQ,
    "price_type": columns.PRICE_TYPE,
    "ts": columns.TS,
    **_PRICES,
    "asset_class": columns.ASSET_CLASS,
    "source": columns.SOURCE,
    "withdrawn": columns.WITHDRAWN,
    "known_at": columns.KNOWN_AT,
}
_BAR_KEY = ("exchange", "date", "instrument_id", "freq", "price_type", "ts")

ALIGNED_BARS = Table(
    "aligned_bars",
    "Bars on the exchange's session grid, under stable instrument ids.",
    _BARS,
    key=_BAR_KEY,
    partition_key=("exchange", "date"),
    stored_by=("exchange", "freq"),
)

VALIDATED_BARS = Table(
    "validated_bars",
    "Aligned bars that pass every blocking rule; what models and backtests read.",
    _BARS,
    key=_BAR_KEY,
    partition_key=("exchange", "date"),
    stored_by=("exchange", "freq"),
)

RESAMPLED_BARS = Table(
    "resampled_bars",
    "Longer bars made from validated ones, where the vendors give none, by the exchange's sessions.",
    _BARS,
    key=_BAR_KEY,
    partition_key=("exchange", "date"),
    stored_by=("exchange", "freq"),
)

CONTINUOUS_FUTURES = Table(
    "continuous_futures",
    "Futures contracts stitched at their rolls: prices as traded of the contract held; point in time.",
    {
        **_BARS,
        "contract": Column(pl.String, "", "instrument id of the contract held"),
        "roll_gap": Column(
            pl.Float64, "currency", "after a roll the new contract's close less the old one's, else 0"
        ),
    },
    key=_BAR_KEY,
    partition_key=("exchange", "instrument_id"),
    stored_by=("exchange",),
)

QUARANTINE = Table(
    "quarantine",
    "Rows that were held back: where they came from, which rule, why, and the row itself.",
    {
        "stage": Column(pl.String, "", "parse, align or validate"),
        "exchange": columns.EXCHANGE,
        "date": columns.DATE,
        "source": columns.SOURCE,
        "file": columns.FILE,
        "line": columns.LINE,
        "symbol": Column(pl.String, "", "vendor symbol or instrument id"),
        "rule": Column(pl.String, "", "name of the rule that the row fails"),
        "reason": Column(pl.String, "", "what is wrong and what to do"),
        "evidence": Column(pl.String, "", "the row as JSON"),
        "known_at": columns.KNOWN_AT,
    },
    key=("stage", "exchange", "date", "source", "file", "line", "symbol", "rule", "evidence"),
    partition_key=("stage", "exchange", "date"),
    stored_by=("stage",),
)
