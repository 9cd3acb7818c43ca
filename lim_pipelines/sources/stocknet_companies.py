"""Companies that StockNet follows: `landing/stocknet/.../tickers.parquet` (sector, ticker, company).

Claims: the name, and `in_industry` stocknet/<sector>, Yahoo's sectors of 2017.

What does not belong here: tweets (`stocknet.py`), prices, which are as of 2017 (not read).

The collection was published with its paper in July 2018 and bears no dates: known from 2018-08-01 on, even
below `history/`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import polars as pl

from lim_pipelines.sources.base import ParsedTables, SourceFile
from lim_pipelines.sources.claims import claims, known
from lim_pipelines.sources.folder import vendor_files
from lim_pipelines.sources.table_files import whole_table

FILE = "tickers.parquet"
COLLECTED = datetime(2018, 8, 1, tzinfo=UTC)
MISSPELT = {"Basic Matierials": "Basic Materials"}
REASONS = {"missing_value": "ticker or company is missing; complete the row"}
_TEXT = (pl.String,)


class StocknetCompanies:
    """Claims about the companies."""

    name = "stocknet"
    tables = frozenset({"raw_claims"})

    def files(self, landing: Path) -> list[SourceFile]:
        """List the tables of companies."""
        return [f for f in vendor_files(landing, self.name) if PurePosixPath(f.path).name == FILE]

    def read(self, file: SourceFile, landing: Path) -> Iterator[ParsedTables]:
        """Parse one table.

        Raises
        ------
        RejectedFileError
            What `whole_table` raises.
        """
        table = whole_table(file, landing, {"ticker": _TEXT, "company": _TEXT, "sector": _TEXT})
        missing = pl.col("ticker").is_null() | pl.col("company").is_null()
        rows = table.with_columns(
            symbol="ticker",
            exchange=pl.lit(None, pl.String),
            rule=pl.when(missing).then(pl.lit("missing_value")),
        )
        yield claims(
            file,
            known(file, COLLECTED),
            rows,
            {
                "named": pl.col("company").str.replace_all(r"\s+", " "),
                "in_industry": "stocknet/" + pl.col("sector").replace(MISSPELT),
            },
            REASONS,
        )
