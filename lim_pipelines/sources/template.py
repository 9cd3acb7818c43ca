"""A source to copy: daily closes dropped as `landing/template/<MIC>.csv` with columns Date, Symbol, Last.

What does not belong here, nor in any source: instrument ids, session membership, rules about values.

1. Copy this file, rename the class, say above what the vendor ships, its adjustments and its defects.
2. Turn the vendor's columns into the canonical ones; leave out what the vendor does not have.
3. Name the source in `QUOTE_SOURCES` (`__init__.py`) and its symbols in `instruments.py`.
4. Copy its test in `tests/unit/test_sources.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import polars as pl

from lim_pipelines.sources.base import Parsed, SourceFile
from lim_pipelines.sources.daily import daily_rows, number, text_table
from lim_pipelines.sources.folder import vendor_files
from lim_pipelines.sources.landed import read_file


class Template:
    """Daily closes, a file an exchange."""

    name = "template"
    exchanges = frozenset({"XNAS", "XNYS"})

    def files(self, landing: Path) -> list[SourceFile]:
        """List the vendor's files; their names are exchanges."""
        return [
            replace(file, exchanges=frozenset({PurePosixPath(file.path).stem}))
            for file in vendor_files(landing, self.name)
        ]

    def read(self, file: SourceFile, landing: Path) -> Iterator[Parsed]:
        """Parse one file."""
        table = text_table(read_file(landing, file.path)).rename({"Symbol": "symbol"})
        table = table.with_columns(exchange=pl.lit(PurePosixPath(file.path).stem))
        yield daily_rows(file, table, {"close": number("Last")}, date_format="%Y-%m-%d")
