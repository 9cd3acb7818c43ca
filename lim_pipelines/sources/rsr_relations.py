"""Industries of NASDAQ.com: `landing/rsr_relations/.../<NASDAQ or NYSE>_industry_ticker.json` of RSR.

A file maps the name of an industry to its tickers. Claims: `in_industry` NASDAQ/<name>, on that exchange.
'n/a' is no industry.

What does not belong here: prices of the same collection (`google_finance.py`), edges between companies of one
industry, which follow from this (`modalities/graph.py`), Wikidata's relations (the lists themselves are not
part of the collection).

Collected about December 2017, without dates: known from 2018-01-01 on, even below `history/`. To use them
before is to look ahead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import polars as pl

from lim_pipelines.sources.base import ParsedTables, RejectedFileError, SourceFile
from lim_pipelines.sources.claims import claims, known
from lim_pipelines.sources.folder import vendor_files
from lim_pipelines.sources.landed import read_file

MICS = {"NASDAQ": "XNAS", "NYSE": "XNYS"}
NAME = re.compile(r"^(NASDAQ|NYSE)_industry_ticker\.json$")
COLLECTED = datetime(2018, 1, 1, tzinfo=UTC)
NO_INDUSTRY = "n/a"
REASONS = {"missing_value": "industry or ticker is empty; correct the file"}
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')


class RsrRelations:
    """Claims about industries."""

    name = "rsr_relations"
    tables = frozenset({"raw_claims"})

    def files(self, landing: Path) -> list[SourceFile]:
        """List the industry files."""
        return [f for f in vendor_files(landing, self.name) if NAME.match(PurePosixPath(f.path).name)]

    def read(self, file: SourceFile, landing: Path) -> Iterator[ParsedTables]:
        """Parse the industries of one exchange.

        Raises
        ------
        RejectedFileError
            file_name, wrong_shape, or a rule of `landed.py`.
        """
        found = NAME.match(PurePosixPath(file.path).name)
        if found is None:
            raise RejectedFileError(
                file.path,
                "file_name",
                "it names no exchange",
                "name it <NASDAQ or NYSE>_industry_ticker.json",
            )
        rows = _rows(read_file(landing, file.path), file.path).with_columns(
            exchange=pl.lit(MICS[found.group(1)]),
            rule=pl.when((pl.col("industry") == "") | (pl.col("symbol") == "")).then(pl.lit("missing_value")),
        )
        industry = pl.when(pl.col("industry") != NO_INDUSTRY).then("NASDAQ/" + pl.col("industry"))
        yield claims(file, known(file, COLLECTED), rows, {"in_industry": industry}, REASONS)


def _rows(content: bytes, path: str) -> pl.DataFrame:
    """Columns industry, symbol, line."""
    remedy = "drop the file as it ships: {industry: [ticker, ...], ...}"
    try:
        text = content.decode("utf-8-sig")
        table = json.loads(text)
    except ValueError as error:
        raise RejectedFileError(path, "wrong_shape", f"it is no JSON ({error})", remedy) from error
    lists = list(table.values()) if isinstance(table, dict) else [None]
    if not all(isinstance(some, list) and all(isinstance(one, str) for one in some) for some in lists):
        raise RejectedFileError(path, "wrong_shape", "it is no map of industries to lists of tickers", remedy)
    # Texts stand in the file in the order in which they are read, names of industries included.
    lines = (number for number, line in enumerate(text.splitlines(), 1) for _ in _TEXT.finditer(line))
    rows = []
    for industry, tickers in table.items():
        next(lines, 0)
        rows += [(industry, ticker, next(lines, 0)) for ticker in tickers]
    return pl.DataFrame(
        rows, schema={"industry": pl.String, "symbol": pl.String, "line": pl.Int64}, orient="row"
    )
