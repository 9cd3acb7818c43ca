"""One file of LEAN's bars, entry by entry, as raw quotes.

What does not belong here: layouts (`formats.py`), ticks (`ticks.py`), what bars get afterwards (`finish.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import polars as pl

from lim_pipelines.schemas import LISTINGS, RAW_QUOTES
from lim_pipelines.sources.base import Parsed, RejectedFileError, SourceFile
from lim_pipelines.sources.landed import entries
from lim_pipelines.sources.lean import finish
from lim_pipelines.sources.lean.factors import events_of
from lim_pipelines.sources.lean.formats import bars_format
from lim_pipelines.sources.lean.futures import month_of
from lim_pipelines.sources.lean.hours import data_zone
from lim_pipelines.sources.lean.instruments import listings_of
from lim_pipelines.sources.lean.maps import Use, uses_of
from lim_pipelines.sources.lean.markets import exchanges_of, listed_on
from lim_pipelines.sources.lean.paths import LeanPath, roots
from lim_pipelines.sources.lean.reference_files import listed
from lim_pipelines.sources.lean.ticks import parse_ticks
from lim_pipelines.sources.quarantine import quarantine
from lim_pipelines.sources.tabular import Origin, parse

_DAY = re.compile(r"(\d{8})_", re.ASCII)
_OPEN_INTEREST = {"symbol": pl.String, "date": pl.Date, "open_interest": pl.Float64}


def read_bars(file: SourceFile, path: LeanPath, landing: Path) -> Iterator[Parsed]:
    """Parse a file.

    Yields
    ------
    Parsed
        A block or more for each entry of the zip. Files of open interest give no rows: their values go with
        the trades.

    Raises
    ------
    RejectedFileError
        unknown_market, unknown_entry, no_market_hours, and those of `landed.py` and of the engine.
    """
    mics = exchanges_of(path)
    if not mics:
        raise RejectedFileError(
            file.path,
            "unknown_market",
            f"{path.asset_class}/{path.market} is no market that we know",
            "add it to lim_pipelines/sources/lean/markets.py",
        )
    uses = uses_of(landing, path.root, path.market, path.ticker) if path.asset_class == "equity" else []
    mic = _main_exchange(path, uses) if path.asset_class == "equity" else min(mics)
    zone = data_zone(landing, file.path, path, mic)
    finisher = _Finisher(file, path, landing, zone, uses)
    for name, content in entries(landing, file.path):
        symbol = _symbol(name, path, file)
        origin = Origin(file.path, mic, file.arrived_at, file.history, member=name)
        if path.resolution == "tick":
            blocks = iter([parse_ticks(content, file, path, symbol, zone, origin)])
        else:
            blocks = parse(content, bars_format(path, symbol, zone), origin)
        known = listings_of(landing, path, mic, symbol, uses)
        before: dict[str, pl.DataFrame] = {}
        for block in blocks:
            if path.kind == "openinterest":
                yield Parsed(RAW_QUOTES.empty(), block.rejected, known)
            elif path.day is not None and not name.startswith(f"{path.day:%Y%m%d}_"):
                rejected = pl.concat([block.rejected, _wrong_day(block.rows, path)])
                yield Parsed(RAW_QUOTES.empty(), rejected)
            else:
                yield Parsed(finisher.finish(block.rows, before), block.rejected, known)
            known = LISTINGS.empty()


class _Finisher:
    """What bars of one file get once they are read."""

    def __init__(self, file: SourceFile, path: LeanPath, landing: Path, zone: str, uses: list[Use]) -> None:
        self._file, self._path, self._zone, self._uses = file, path, zone, uses
        events = tuple(events_of(landing, path.root, path.market, use.firm) for use in uses)
        self._events = finish.ex_events(tuple(uses), events)
        self._interest = pl.DataFrame(schema=_OPEN_INTEREST)
        if path.asset_class == "future" and path.kind == "trade":
            self._interest = _open_interest(path, landing)

    def finish(self, rows: pl.DataFrame, before: dict[str, pl.DataFrame]) -> pl.DataFrame:
        rows = finish.with_exchange(rows, self._uses)
        rows = finish.with_ex_factor(rows, self._events, before)
        rows = finish.with_open_interest(rows, self._interest)
        if self._path.freq == "1h":
            return finish.end_with_session(rows, self._file)
        if self._path.freq == "1d":
            return finish.known_after_vendors_day(rows, self._file, self._zone)
        return rows


def _main_exchange(path: LeanPath, uses: list[Use]) -> str:
    return uses[-1].exchange if uses else listed_on(path.market, path.ticker, "")


def _symbol(entry: str, path: LeanPath, file: SourceFile) -> str:
    """Symbol of an entry: the ticker, with the contract's month, or PERP for a perpetual."""
    if path.asset_class not in ("future", "cryptofuture"):
        return path.ticker
    if entry.endswith("_perp.csv"):
        return f"{path.ticker}.PERP"
    month = month_of(entry)
    if month is None:
        raise RejectedFileError(
            file.path,
            "unknown_entry",
            f"{entry[:100]} names no contract",
            "drop LEAN's own file: ..._YYYYMM.csv",
        )
    return f"{path.ticker}.{month}"


def _wrong_day(rows: pl.DataFrame, path: LeanPath) -> pl.DataFrame:
    """Hold back an entry that is named after another day than its file: that day has its own file."""
    held = rows.unique("line", keep="first", maintain_order=True).with_columns(
        date=pl.lit(path.day),
        rule=pl.lit("wrong_day"),
        reason=pl.lit("the entry is of another day than its file; drop that day's own file"),
    )
    return quarantine(
        "parse", held, ["ts", *(n for n in RAW_QUOTES.columns if n in ("open", "close", "volume"))]
    )


def _open_interest(path: LeanPath, landing: Path) -> pl.DataFrame:
    """Open interest by contract and day, from the root's daily file; empty if there is none."""
    daily = replace(path, resolution="daily", kind="openinterest", day=None)
    for root in roots(path.root):
        file = f"{root}/future/{path.market}/daily/{path.ticker.lower()}_openinterest.zip"
        where = landing / file
        if where.is_file():
            return _published(landing, file, where.stat().st_mtime_ns, replace(daily, root=root))
    return pl.DataFrame(schema=_OPEN_INTEREST)


@lru_cache(maxsize=32)
def _published(landing: Path, file: str, mtime_ns: int, path: LeanPath) -> pl.DataFrame:
    landed = listed(landing, file)
    found = [pl.DataFrame(schema=_OPEN_INTEREST)]
    for name, content in entries(landing, file):
        form = bars_format(path, _symbol(name, path, landed), "UTC")
        origin = Origin(file, min(exchanges_of(path)), landed.arrived_at, history=True, member=name)
        for block in parse(content, form, origin):
            found.append(block.rows.select("symbol", "date", open_interest="close"))
    return pl.concat(found).unique(["symbol", "date"], keep="last").sort("symbol", "date")
