"""Names of US companies in pystock: `symbols.txt` of a drop, a line a symbol: symbol, tab, name.

What does not belong here: prices (`pystock.py`), filings (`pystock_filings.py`).

The list is NASDAQ.com's of that day, without exchange, with HTML entities and names cut after the first
comma. A symbol now and then stands in it twice. Known as the rest of the drop: from the next session's open.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from lim_pipelines.sources.base import ParsedTables, RejectedFileError, SourceFile
from lim_pipelines.sources.claims import claims, known
from lim_pipelines.sources.folder import vendor_files
from lim_pipelines.sources.landed import member
from lim_pipelines.sources.pystock import drop_day, next_open

MEMBER = "symbols.txt"
REASONS = {"missing_value": "the line is not symbol, tab, name; ask the vendor for the drop again"}


class PystockNames:
    """Claims about names, a drop a day."""

    name = "pystock"
    tables = frozenset({"raw_claims"})

    def files(self, landing: Path) -> list[SourceFile]:
        """List the drops."""
        return [file for file in vendor_files(landing, self.name) if drop_day(file.path)]

    def read(self, file: SourceFile, landing: Path) -> Iterator[ParsedTables]:
        """Parse the names of one drop.

        Raises
        ------
        RejectedFileError
            encoding, archive_members, or a rule of `landed.py`.
        """
        try:
            text = member(landing, file.path, MEMBER).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise RejectedFileError(
                file.path, "encoding", f"{MEMBER} is not UTF-8", "drop it as the vendor ships it"
            ) from error
        opens = next_open(pl.DataFrame({"collected": [drop_day(file.path)]}))["_open"][0]
        lines = [(line, *_split(content)) for line, content in enumerate(text.splitlines(), 1) if content]
        table = pl.DataFrame(
            lines, schema={"line": pl.Int64, "symbol": pl.String, "company": pl.String}, orient="row"
        )
        rows = table.with_columns(
            exchange=pl.lit(None, pl.String),
            rule=pl.when((pl.col("symbol") == "") | (pl.col("company") == "")).then(pl.lit("missing_value")),
        )
        yield claims(file, known(file, opens), rows, {"named": pl.col("company")}, REASONS)


def _split(line: str) -> tuple[str, str]:
    symbol, _, name = line.partition("\t")
    return symbol.strip(), html.unescape(name).strip()
