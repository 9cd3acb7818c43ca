"""Vendor files in a landing folder, for tests of sources."""

from __future__ import annotations

import gzip
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from lim_pipelines.schemas import LISTINGS, QUARANTINE, RAW_QUOTES
from lim_pipelines.sources.base import AlternativeSource, Parsed, ParsedTables, QuoteSource

ARRIVED = datetime(2026, 9, 1, tzinfo=UTC)


def drop(
    landing: Path, path: str, content: str | bytes, *, history: bool = True, arrived: datetime = ARRIVED
) -> Path:
    """Lay a file below its source, the first part of `path`; text whose name ends with .gz is packed."""
    source, _, name = path.partition("/")
    where = landing / source / ("history" if history else "") / name
    where.parent.mkdir(parents=True, exist_ok=True)
    content = content.encode() if isinstance(content, str) else content
    where.write_bytes(gzip.compress(content) if name.endswith(".csv.gz") else content)
    os.utime(where, (arrived.timestamp(), arrived.timestamp()))
    return where


def copy(landing: Path, source: str, real: Path, *, only: str = "*", history: bool = True) -> None:
    """Copy a folder of real vendor files, without the README, below `landing/<source>/[history/]`."""
    for path in sorted(real.rglob(only)):
        if path.is_file() and path.name != "README.md":
            where = landing / source / ("history" if history else "") / path.relative_to(real)
            where.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, where)


def read(source: QuoteSource, landing: Path) -> Parsed:
    """Everything that a source gives of its files."""
    blocks = [block for file in source.files(landing) for block in source.read(file, landing)]
    return Parsed(
        pl.concat([RAW_QUOTES.empty(), *(block.rows for block in blocks)]),
        pl.concat([QUARANTINE.empty(), *(block.rejected for block in blocks)]),
        pl.concat([LISTINGS.empty(), *(block.listings for block in blocks)]),
    )


def read_tables(source: AlternativeSource, landing: Path) -> ParsedTables:
    """Everything that a source of alternative data gives of its files."""
    blocks = [block for file in source.files(landing) for block in source.read(file, landing)]
    names = sorted({name for block in blocks for name in block.rows})
    return ParsedTables(
        {name: pl.concat(block.rows[name] for block in blocks if name in block.rows) for name in names},
        pl.concat([QUARANTINE.empty(), *(block.rejected for block in blocks)]),
    )


def rules(parsed: Parsed | ParsedTables) -> dict[str, int]:
    """Rows held back by rule."""
    return dict(parsed.rejected.group_by("rule").len().sort("rule").iter_rows())
