"""Where rows that the gate holds back came from.

What does not belong here: holding them back (`gate.py`).
"""

from __future__ import annotations

import polars as pl


def vendor_lines(held: pl.DataFrame, raw: pl.DataFrame, listings: pl.DataFrame) -> pl.DataFrame:
    """Give rows held back after alignment the vendor's file and line; aligned bars have left them behind.

    Parameters
    ----------
    held
        Frame of `QUARANTINE`: aligned bars.
    raw
        Frame of `RAW_QUOTES` of the same partitions.
    listings
        Frame of `LISTINGS`.

    Returns
    -------
    pl.DataFrame
        Same rows with the file and line of the vendor's bar of the same key, where there is one.
    """
    key = ["exchange", "date", "source", "symbol", "known_at", "freq", "price_type", "ts"]
    owners = listings.select("source", "symbol", "exchange", "instrument_id", "first", "last")
    until = pl.col("last").fill_null(pl.date(9999, 12, 31))
    origins = (
        raw.join(owners, on=["exchange", "source", "symbol"])
        .filter(pl.col("date").is_between("first", until))
        .with_columns(symbol="instrument_id")
        .unique(key, keep="first", maintain_order=True)
        .select(*key, vendor_file="file", vendor_line="line")
    )
    ts = pl.col("evidence").str.json_path_match("$.ts").str.to_datetime(time_unit="us", time_zone="UTC")
    said = {name: pl.col("evidence").str.json_path_match(f"$.{name}") for name in ("freq", "price_type")}
    return (
        held.with_columns(ts=ts, **said)
        .join(origins, on=key, how="left")
        .with_columns(file=pl.coalesce("vendor_file", "file"), line=pl.coalesce("vendor_line", "line"))
    )
