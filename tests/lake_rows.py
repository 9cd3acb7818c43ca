"""Rows for tests of the lake: bars of one instrument, and the content of partitions."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl

from lim_pipelines.lake import Lake
from lim_pipelines.schemas import VALIDATED_BARS, Table

DAY = date(2018, 10, 1)


def bar(
    day: date = DAY,
    exchange: str = "XNAS",
    close: float = 1.0,
    known_day: date | None = None,
    **other: object,
) -> dict[str, object]:
    """One daily bar; `known_day` later than `day` makes it a correction."""
    known = known_day or day
    return {
        "exchange": exchange,
        "date": day,
        "instrument_id": f"{exchange}:A",
        "freq": "1d",
        "price_type": "trade",
        "ts": datetime(day.year, day.month, day.day, 21, tzinfo=UTC),
        "open": close,
        "high": close,
        "low": close,
        "close": close,
        "volume": None,
        "ex_factor": 1.0,
        "asset_class": "equity",
        "source": "test",
        "withdrawn": False,
        "known_at": datetime(known.year, known.month, known.day, 22, tzinfo=UTC),
        **other,
    }


def frame(*rows: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=VALIDATED_BARS.schema)


def days(n: int) -> list[date]:
    return [DAY + timedelta(i) for i in range(n)]


def content_hash(lake: Lake, table: Table, scope: pl.DataFrame) -> str:
    """Content hash of partitions as they lie there: an update that changes nothing."""
    return lake.update(table, scope, lambda there: there).fingerprint
