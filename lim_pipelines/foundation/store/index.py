"""Which series a moment's windows are drawn from, and where their rows lie: one Parquet file a cutoff.

What does not belong here: the rows (`shelf.py`), making an index (`updating.py`).

An index is written as a whole, by renaming a finished file. The rows that it names stay as they are, also
when another one of the same cutoff has taken its place: `extents` remembers them. Who has read an index can
go on reading, whatever becomes of the store.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.folders import sync
from lim_pipelines.foundation.store.digest import together

SCHEMA = pl.Schema(
    {
        "exchange": pl.String,
        "freq": pl.String,
        "asset_class": pl.String,
        "instrument_id": pl.String,
        "offset": pl.Int64,
        "capacity": pl.Int64,
        "length": pl.Int64,
        "first_ts": pl.Int64,
        "last_ts": pl.Int64,
        "last_close": pl.Float64,
        "newest": pl.Int64,
        "digest": pl.String,
        "blocks": pl.Binary,
    }
)
"""A row a series: its extent (first row, rows), how many of them hold bars; ends of its first and last bar
(microseconds, UTC); the last close, which the next bar's return starts from; when the newest of its bars
became known (microseconds, UTC); its content hash, and those of its whole blocks."""

_FACTS = "lim_windows"
_INDICES, _NAMED = "indices", "extents.parquet"


@dataclass(frozen=True)
class Index:
    """Series as of a cutoff.

    Parameters
    ----------
    folder
        Folder of the shelf that the rows lie in.
    cutoff
        What was known at this day's midnight, UTC.
    lake
        Identity of the table of bars (`Lake.identity`) that the versions are of.
    cells
        "exchange/frequency" to the version of the lake that it was brought up to; what is not named is not
        there.
    series
        Columns of `SCHEMA`, sorted by exchange, instrument, frequency and asset class.
    """

    folder: Path
    cutoff: date
    lake: str
    cells: dict[str, int]
    series: pl.DataFrame

    def of(self, config: FoundationConfig) -> pl.DataFrame:
        """Series of a family."""
        return self.series.filter(
            pl.col("exchange").is_in(config.exchanges)
            & pl.col("asset_class").is_in(config.asset_classes)
            & pl.col("freq").is_in(config.freqs)
        )

    def digest(self, config: FoundationConfig) -> str:
        """Content hash of a family's series: `digest_of` of the same series."""
        return together(self.of(config)["digest"].to_list())


def cell(exchange: str, freq: str) -> str:
    """Name of an exchange's bars of a frequency, the unit that is brought up to date."""
    return f"{exchange}/{freq}"


def cells_of(config: FoundationConfig) -> set[tuple[str, str]]:
    """Exchanges and frequencies of a family."""
    return {(exchange, freq) for exchange in config.exchanges for freq in config.freqs}


def write(index: Index) -> None:
    """Put an index into its folder, in place of one of the same cutoff."""
    folder = index.folder / _INDICES
    folder.mkdir(exist_ok=True)
    # First, so that no row is ever named by an index that has gone and free for others.
    names = ["offset", "capacity", "length"]
    named = pl.concat([extents(index.folder), index.series.select(names)])
    _put(named.group_by("offset").agg(pl.col("capacity", "length").max()).sort("offset"), folder / _NAMED)
    facts = {"cutoff": index.cutoff.isoformat(), "lake": index.lake, "cells": index.cells}
    _put(index.series, _path(index.folder, index.cutoff), json.dumps(facts))


def _put(rows: pl.DataFrame, path: Path, facts: str = "") -> None:
    temporary = path.with_name(f".tmp-{uuid.uuid4().hex}")
    rows.write_parquet(temporary, compression="lz4", metadata={_FACTS: facts})
    sync(temporary)
    temporary.replace(path)
    sync(path.parent)


def read(folder: Path, cutoff: date) -> Index | None:
    """Read the index of a cutoff; None if there is none."""
    path = _path(folder, cutoff)
    if not path.exists():
        return None
    facts = json.loads(pl.read_parquet_metadata(path)[_FACTS])
    return Index(folder, cutoff, facts["lake"], facts["cells"], pl.read_parquet(path))


def cutoffs(folder: Path) -> list[date]:
    """Cutoffs that have an index, earliest first."""
    return sorted(date.fromisoformat(path.stem) for path in (folder / _INDICES).glob("[0-9]*.parquet"))


def extents(folder: Path) -> pl.DataFrame:
    """Extents that an index names or ever named: offset, capacity, the most rows that one used (length)."""
    path = folder / _INDICES / _NAMED
    if not path.exists():
        return pl.DataFrame(schema={name: SCHEMA[name] for name in ("offset", "capacity", "length")})
    return pl.read_parquet(path)


def abandoned(folder: Path) -> float:
    """Share of the rows that were ever named that no index names any more."""
    ever = extents(folder)["length"].sum()
    named = [pl.scan_parquet(_path(folder, day)).select("offset", "length") for day in cutoffs(folder)]
    if not ever or not named:
        return 1.0
    now = pl.concat(named).group_by("offset").agg(pl.col("length").max())
    return 1 - int(now.select(pl.col("length").sum()).collect().item()) / int(ever)


def _path(folder: Path, cutoff: date) -> Path:
    return folder / _INDICES / f"{cutoff.isoformat()}.parquet"
