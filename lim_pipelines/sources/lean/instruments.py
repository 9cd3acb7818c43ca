"""What LEAN's files say of instruments, as listings.

What does not belong here: the rows of bars (`bars.py`), actions (`reference.py`).
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from pathlib import Path

import polars as pl

from lim_pipelines.exchanges import FIRST_CALENDAR_YEAR, get_exchange
from lim_pipelines.schemas import LISTINGS
from lim_pipelines.sources.lean.futures import mapped
from lim_pipelines.sources.lean.maps import Use
from lim_pipelines.sources.lean.markets import ASSET_CLASSES
from lim_pipelines.sources.lean.paths import FOLDER, LeanPath
from lim_pipelines.sources.lean.properties import FILE, properties_of

ALWAYS = date(FIRST_CALENDAR_YEAR, 1, 1)
"""What a symbol means by itself is no news; the dates of a listing say when it holds."""


def listings_of(landing: Path, path: LeanPath, mic: str, symbol: str, uses: list[Use]) -> pl.DataFrame:
    """Return the listings of a symbol: one for each firm that had the ticker, one for anything else.

    Parameters
    ----------
    landing
        The landing folder.
    path
        What the file's path says.
    mic
        Its exchange, where no firm tells.
    symbol
        The symbol of its rows.
    uses
        Firms that had the ticker; empty for what is no share.

    Returns
    -------
    pl.DataFrame
        Frame of `LISTINGS`. Shares without a use are not vouched for.
    """
    about = properties_of(landing, path)
    common = {
        "source": FOLDER,
        "symbol": symbol,
        "asset_class": ASSET_CLASSES[path.asset_class],
        "name": about.name or symbol,
        "multiplier": about.multiplier,
        "tick_size": about.tick_size,
        "lot_size": about.lot_size,
        "file": f"{path.root}/{FILE}",
        "known_at": ALWAYS,
    }
    if path.asset_class == "equity":
        rows = [
            {
                **common,
                "exchange": use.exchange,
                "instrument_id": use.instrument_id,
                "first": use.first,
                "last": use.last,
                "currency": about.currency or get_exchange(use.exchange).currency,
                "file": use.file or common["file"],
            }
            for use in uses
        ]
    else:
        rows = [
            {
                **common,
                "exchange": mic,
                "instrument_id": f"{mic}:{symbol}",
                "first": date(1900, 1, 1),
                "last": None,
                "currency": about.currency or get_exchange(mic).currency,
                **_contract(landing, path, mic, symbol),
            }
        ]
    return _frame(tuple(tuple(row.items()) for row in rows)) if rows else LISTINGS.empty()


@lru_cache(maxsize=4096)
def _frame(rows: tuple[tuple[tuple[str, object], ...], ...]) -> pl.DataFrame:
    """Make the listings of one symbol; a thousand files of it say the same."""
    records = [dict(row) for row in rows]
    known = {name: column.dtype for name, column in LISTINGS.columns.items() if name in records[0]}
    frame = pl.DataFrame(records, schema_overrides={**known, "known_at": pl.Date})
    return LISTINGS.conform(
        frame.with_columns(pl.col("known_at").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"))
    )


def _contract(landing: Path, path: LeanPath, mic: str, symbol: str) -> dict[str, object]:
    """Root and expiry of a future's contract; a perpetual has neither."""
    month = symbol.rpartition(".")[2]
    if path.asset_class not in ("future", "cryptofuture") or not month.isdigit():
        return {}
    expiry = None
    if path.asset_class == "future":
        contracts = mapped(landing, path.root, path.market, path.ticker)
        expiry = next((contract.expiry for contract in contracts if contract.month == month), None)
    return {"root": f"{mic}:{path.ticker}", "expiry": expiry}
