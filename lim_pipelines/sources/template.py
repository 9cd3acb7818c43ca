"""A source to copy: daily closes dropped as `landing/template/<MIC>.csv` with columns Date, Symbol, Last.

What does not belong here, nor in any source: instrument ids, session membership, rules about values.

1. Copy this file, rename the class, say above what the vendor ships, its adjustments and its defects.
2. Describe the vendor's table by a `TableFormat`; leave out what the vendor does not have.
3. Name the source in `QUOTE_SOURCES` (`__init__.py`). Symbols that are instruments' names are registered by
   `listed_as`; others go to `instruments.py`.
4. Copy its test, `tests/unit/test_feed.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from lim_pipelines.sources.base import Parsed, SourceFile
from lim_pipelines.sources.folder import vendor_files
from lim_pipelines.sources.table_files import read_table
from lim_pipelines.sources.tabular import ListedAs, TableFormat, TimeFormat

FORMAT = TableFormat(
    time=TimeFormat(columns=("Date",)),
    columns={"symbol": "Symbol", "close": "Last"},
    freq="1d",
    nulls=("n/a",),
    listed_as=ListedAs(asset_class="equity", currency="USD"),
)


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
        yield from read_table(file, landing, FORMAT, exchange=PurePosixPath(file.path).stem)
