"""Corporate actions of shares and rolls of futures, from LEAN's map files and factor files.

What does not belong here: what the files mean (`maps.py`, `factors.py`, `futures.py`).

An action counts as known when its first session opens: it was announced by then, days or weeks before as a
rule, but the files do not say when. A roll on the last trading day counts as known when that session
opens, too; the date of expiry is fixed when a contract is listed. What comes as a feed was known no
earlier than its file.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl

from lim_pipelines.schemas import CORPORATE_ACTIONS, ROLLS, Table
from lim_pipelines.sources.clock import session_grid
from lim_pipelines.sources.lean.factors import events_of
from lim_pipelines.sources.lean.futures import mapped
from lim_pipelines.sources.lean.maps import Use, firms, uses_of
from lim_pipelines.sources.lean.markets import exchanges_of
from lim_pipelines.sources.lean.paths import FOLDER, LeanPath, roots
from lim_pipelines.sources.lean.reference_files import listed

_A_WHILE = timedelta(days=14)


def corporate_actions(landing: Path) -> pl.DataFrame:
    """Return splits, dividends, symbol changes and delistings of all firms, frame of `CORPORATE_ACTIONS`."""
    rows: list[dict[str, Any]] = []
    for market in _folders(landing, "equity"):
        for uses in _all_firms(landing, market).values():
            rows += _changes(landing, uses)
            rows += _distributions(landing, market, uses)
    return _table(rows, CORPORATE_ACTIONS)


def rolls(landing: Path) -> pl.DataFrame:
    """Return rolls on the last trading day, frame of `ROLLS`."""
    rows: list[dict[str, Any]] = []
    for market in _folders(landing, "future"):
        for ticker in _names(landing, f"future/{market}/map_files"):
            contracts = mapped(landing, FOLDER, market, ticker)
            mics = exchanges_of(LeanPath(FOLDER, "future", market, "daily", ticker.upper(), "trade", None))
            for mic in mics if contracts else ():
                rows += _rolls(landing, f"{mic}:{ticker.upper()}", mic, contracts)
    return _table(rows, ROLLS)


def _all_firms(landing: Path, market: str) -> dict[str, tuple[Use, ...]]:
    """Firms with a map file, and those that only a factor file speaks of."""
    found = dict(firms(landing, FOLDER, market))
    for name in _names(landing, f"equity/{market}/factor_files"):
        if name not in found:
            own = (use for use in uses_of(landing, FOLDER, market, name.upper()) if use.firm == name)
            found[name] = tuple(own)
    return found


def _changes(landing: Path, uses: tuple[Use, ...]) -> Iterator[dict[str, Any]]:
    for old, new in pairwise(uses):
        if old.last and old.ticker != new.ticker and (when := _session_after(old.exchange, old.last)):
            yield {**_row(landing, old, when, "symbol_change", new.file, new.line), "new_symbol": new.ticker}
    if uses and uses[-1].last and (when := _session_after(uses[-1].exchange, uses[-1].last)):
        yield _row(landing, uses[-1], when, "delisting", uses[-1].file, uses[-1].line)


def _distributions(landing: Path, market: str, uses: tuple[Use, ...]) -> Iterator[dict[str, Any]]:
    for event in events_of(landing, FOLDER, market, uses[0].firm) if uses else ():
        when = _session_after(uses[-1].exchange, event.after)
        use = next((use for use in uses if when and use.last is not None and when[0] <= use.last), uses[-1])
        if when and event.split != 1:
            yield {**_row(landing, use, when, "split", event.file, event.line), "ratio": event.split}
        if when and event.dividend != 1:
            said = {"ratio": event.dividend, "amount": event.amount or None}
            yield {**_row(landing, use, when, "dividend", event.file, event.line), **said}


def _row(
    landing: Path, use: Use, when: tuple[date, datetime], kind: str, file: str, line: int
) -> dict[str, Any]:
    day, opens = when
    return {
        "source": FOLDER,
        "exchange": use.exchange,
        "symbol": use.ticker,
        "instrument_id": use.instrument_id,
        "ex_date": day,
        "kind": kind,
        "ratio": None,
        "amount": None,
        "new_symbol": None,
        "file": file,
        "line": line,
        "known_at": _known(landing, file, opens),
    }


def _rolls(landing: Path, root: str, mic: str, contracts: tuple[Any, ...]) -> Iterator[dict[str, Any]]:
    for current, following in pairwise(contracts):
        grid = session_grid(mic, current.until - _A_WHILE, current.until).tail(1)
        if grid.is_empty():
            continue
        _, opens, closes = grid.select("date", "open", "close").row(0)
        yield {
            "source": FOLDER,
            "exchange": mic,
            "root": root,
            "ts": closes,
            "current_contract": f"{root}.{current.month}",
            "next_contract": f"{root}.{following.month}",
            "carry_contract": None,
            "file": current.file,
            "line": current.line,
            "known_at": _known(landing, current.file, opens),
        }


def _session_after(mic: str, day: date) -> tuple[date, datetime] | None:
    """Date and open of the first session after a day."""
    grid = session_grid(mic, day + timedelta(days=1), day + _A_WHILE).head(1)
    return None if grid.is_empty() else grid.select("date", "open").row(0)


def _known(landing: Path, file: str, happened: datetime) -> datetime:
    source = listed(landing, file)
    if source.history:
        return happened
    return max(happened, source.arrived_at)


def _folders(landing: Path, asset_class: str) -> list[str]:
    """Markets of a class."""
    places = [landing / root / asset_class for root in roots()]
    return sorted(
        {path.name for place in places if place.is_dir() for path in place.iterdir() if path.is_dir()}
    )


def _names(landing: Path, folder: str) -> list[str]:
    """Names of the csv files of the first data folder that has the folder."""
    place = next((p for p in (landing / root / folder for root in roots()) if p.is_dir()), None)
    return sorted(path.stem for path in place.glob("*.csv")) if place else []


def _table(rows: list[dict[str, Any]], table: Table) -> pl.DataFrame:
    return table.conform(pl.DataFrame(rows, schema=table.schema) if rows else table.empty())
