"""Raw quotes of one Monday, for tests of alignment."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl

from lim_pipelines.schemas import RAW_QUOTES

MONDAY = date(2018, 12, 17)
CLOSE = datetime(2018, 12, 17, 21, 0, tzinfo=UTC)
LAG = timedelta(minutes=15)


def quote(**changes: object) -> dict[str, object]:
    row: dict[str, object] = {
        "exchange": "XNAS",
        "date": MONDAY,
        "source": "bokeh_stocks",
        "symbol": "AAPL",
        "freq": "1d",
        "price_type": "trade",
        "ts": CLOSE,
        "open": 165.0,
        "high": 168.0,
        "low": 162.0,
        "close": 163.9,
        "volume": 4e7,
        "ex_factor": 1.0,
        "file": "a.csv",
        "line": 2,
        "withdrawn": False,
        "known_at": CLOSE + LAG,
    }
    return row | changes


def raw(*rows: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=RAW_QUOTES.schema, orient="row")
