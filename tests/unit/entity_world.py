"""Small worlds of listings, claims, members, links and decisions, for tests of entities."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from lim_pipelines.entities.decided import DECISIONS
from lim_pipelines.schemas import INDEX_MEMBERS, LISTINGS, RAW_CLAIMS

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def listing(
    source: str,
    symbol: str,
    instrument_id: str,
    first: date = date(1900, 1, 1),
    last: date | None = None,
    priority: int = 5,
    asset_class: str = "equity",
) -> dict[str, Any]:
    """One row of `LISTINGS`."""
    return {
        "source": source,
        "symbol": symbol,
        "exchange": instrument_id.split(":")[0],
        "instrument_id": instrument_id,
        "first": first,
        "last": last,
        "priority": priority,
        "name": symbol,
        "asset_class": asset_class,
        "currency": "USD",
        "file": "f",
        "known_at": EPOCH,
    }


def listings(*rows: dict[str, Any]) -> pl.DataFrame:
    """Frame of `LISTINGS`."""
    return LISTINGS.conform(pl.DataFrame(list(rows), schema_overrides={"last": pl.Date}))


def claim(
    source: str, symbol: str, relation: str, what: str, known_at: datetime, exchange: str | None = None
) -> dict[str, Any]:
    """One row of `RAW_CLAIMS`."""
    return {
        **{"source": source, "symbol": symbol, "exchange": exchange, "relation": relation, "object": what},
        **{"file": "f", "line": 1, "known_at": known_at},
    }


def claims(*rows: dict[str, Any]) -> pl.DataFrame:
    """Frame of `RAW_CLAIMS`."""
    if not rows:
        return RAW_CLAIMS.empty()
    return RAW_CLAIMS.conform(
        pl.DataFrame(list(rows), schema_overrides={"exchange": pl.String}, infer_schema_length=None)
    )


def stay(symbol: str, first: date, last: date | None = None, known: datetime = EPOCH) -> dict[str, Any]:
    """One stay in the S&P 500, a row of `INDEX_MEMBERS`."""
    return {
        **{"source": "sp500_members", "index_id": "XNYS:SPX", "symbol": symbol, "first": first, "last": last},
        **{"file": "f", "line": 1, "known_at": known},
    }


def stays(*rows: dict[str, Any]) -> pl.DataFrame:
    """Frame of `INDEX_MEMBERS`."""
    if not rows:
        return INDEX_MEMBERS.empty()
    return INDEX_MEMBERS.conform(pl.DataFrame(list(rows), schema_overrides={"last": pl.Date}))


def decisions(*rows: tuple[str, str, str, str, datetime]) -> pl.DataFrame:
    """Frame of `DECISIONS`, from (source, name, target, decision, known_at)."""
    made = [(source, name, target, what, "anna", known) for source, name, target, what, known in rows]
    return pl.DataFrame(made, schema=DECISIONS, orient="row")
