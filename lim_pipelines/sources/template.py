"""A source to copy: daily closes dropped as `landing/template/<MIC>.csv` with columns Date, Symbol, Last.

What does not belong here, nor in any source: instrument ids, session membership, rules about values.

1. Copy this file, rename the class, say above what the vendor ships, its adjustments and its defects.
2. Turn the vendor's columns into the canonical ones; leave out what the vendor does not have.
3. Name the source in `QUOTE_SOURCES` (`__init__.py`) and its symbols in `instruments.py`.
4. Copy its test in `tests/unit/test_sources.py`.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from lim_pipelines.sources.base import Parsed, SourceFile
from lim_pipelines.sources.daily import daily_rows, number, text_table


class Template:
    """Daily closes, a file an exchange."""

    name = "template"
    exchanges = frozenset({"XNAS", "XNYS"})

    def files(self, landing: Path) -> list[SourceFile]:
        """List the vendor's files."""
        found = []
        for mic in sorted(self.exchanges):
            file = landing / self.name / f"{mic}.csv"
            if file.is_file():
                stat = file.stat()
                found.append(
                    SourceFile(
                        source=self.name,
                        path=file.relative_to(landing).as_posix(),
                        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
                        bytes=stat.st_size,
                        arrived_at=datetime.fromtimestamp(stat.st_mtime, UTC),
                        exchange=mic,
                    )
                )
        return found

    def read(self, file: SourceFile, landing: Path) -> Parsed:
        """Parse one file."""
        table = text_table((landing / file.path).read_bytes()).rename({"Symbol": "symbol"})
        table = table.with_columns(exchange=pl.lit(file.exchange))
        return daily_rows(file, table, {"close": number("Last")}, date_format="%Y-%m-%d")
