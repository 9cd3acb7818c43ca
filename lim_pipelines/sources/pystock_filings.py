"""Figures of 10-Q and 10-K filings in pystock: `reports.csv` of a drop, `reports.parquet` of the collection.

What does not belong here: prices (`pystock.py`, `pystock_collection.py`), names (`symbols.txt`), what a
delivery says and which one repeats another (`filing_rows.py`).

`landing/pystock/.../<yyyymmdd>.tar.gz` holds the filings that the vendor found on day D, after its close;
`landing/pystock_collection/reports.parquet` the same of many drops, with `collected`, the day D of each. They
are known from the next session's open on, and where they are a feed not before they arrived: never from the
end of the period that they are about. Some drops have no header line. What a drop repeats of earlier ones is
found by looking at those that lie in the landing folder, whichever day they came.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path, PurePosixPath

import polars as pl

from lim_pipelines.schemas import UTC_TIME
from lim_pipelines.sources.base import ParsedTables, RejectedFileError, SourceFile
from lim_pipelines.sources.filing_rows import COLUMNS, FIGURES, NO_LINES, judged, tables
from lim_pipelines.sources.folder import vendor_files
from lim_pipelines.sources.landed import member
from lim_pipelines.sources.pystock import drop_day, next_open
from lim_pipelines.sources.pystock_collection import REPORTS
from lim_pipelines.sources.table_files import whole_table

MEMBER = "reports.csv"
_TABLES = frozenset({"raw_facts", "raw_events"})
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT = timedelta(microseconds=1)
_PARQUET = {
    **dict.fromkeys(("symbol", "amend", "period_focus", "doc_type"), (pl.String,)),
    **{"end_date": (pl.Date,), "collected": (pl.Date,), "fiscal_year": (pl.Int32, pl.Int64)},
    **dict.fromkeys(FIGURES, (pl.Float64,)),
}


class PystockFilings:
    """Filings of the drops, a drop a day."""

    name = "pystock"
    tables = _TABLES

    def files(self, landing: Path) -> list[SourceFile]:
        """List the drops."""
        return [file for file in vendor_files(landing, self.name) if drop_day(file.path)]

    def read(self, file: SourceFile, landing: Path) -> Iterator[ParsedTables]:
        """Parse the filings of one drop, beside those of the drops before.

        Raises
        ------
        RejectedFileError
            file_name, archive_members, encoding, or a rule of `landed.member`.
        """
        drops = sorted((d for d in self.files(landing) if _place(d) < _place(file)), key=_place)
        mine = _lines(landing, file)
        before = pl.concat([NO_LINES, *(_lines_or_none(landing, drop) for drop in drops)])
        lines = judged(pl.concat([before.join(mine, on="symbol", how="semi"), mine]))
        lines = lines.filter(pl.col("file") == _table_in(file))
        known_at = _known([*(drop for drop in drops if drop.history == file.history), file])
        opens = next_open(pl.DataFrame({"collected": [_day(file)]}))["_open"][0]
        yield tables(
            lines.with_columns(ts=pl.lit(opens, UTC_TIME), known_at=pl.lit(known_at, UTC_TIME)), self.name
        )


class PystockCollectionFilings:
    """Filings of many drops in one table."""

    name = "pystock_collection"
    tables = _TABLES

    def files(self, landing: Path) -> list[SourceFile]:
        """List the tables of reports."""
        return [f for f in vendor_files(landing, self.name) if PurePosixPath(f.path).name == REPORTS]

    def read(self, file: SourceFile, landing: Path) -> Iterator[ParsedTables]:
        """Parse all filings.

        Raises
        ------
        RejectedFileError
            What `whole_table` raises.
        """
        frame = whole_table(file, landing, _PARQUET)
        lines = frame.with_columns(
            pl.col(COLUMNS).cast(pl.String),
            file=pl.lit(file.path),
            fields=pl.lit(len(COLUMNS), pl.Int64),
        )
        lines = judged(lines.select(NO_LINES.columns))
        opens = next_open(lines.select("collected").unique().sort("collected"))
        arrived = pl.col("_open") if file.history else pl.max_horizontal("_open", _at(file.arrived_at))
        lines = lines.join(opens.with_columns(known_at=arrived), on="collected", how="left")
        yield tables(lines.rename({"_open": "ts"}), self.name)


def _table_in(file: SourceFile) -> str:
    """Name the drop, and the table in it, as rows do."""
    return f"{file.path}#{MEMBER}"


def _at(moment: datetime) -> pl.Expr:
    return pl.lit(moment, UTC_TIME)


def _day(file: SourceFile) -> date:
    day = drop_day(file.path)
    if day is None:
        raise RejectedFileError(
            file.path, "file_name", "it is no drop of a day", "name it <yyyymmdd>.tar.gz as the vendor does"
        )
    return day


def _place(file: SourceFile) -> tuple[date, str]:
    """Place of a drop among the others."""
    return _day(file), file.path


def _known(drops: list[SourceFile]) -> datetime:
    """Moment from which the last of some drops is known: after the others, though all arrive at once."""
    days = pl.DataFrame({"collected": [_day(drop) for drop in drops]})
    known = _NEVER
    for drop, opens in zip(drops, next_open(days)["_open"], strict=True):
        known = max(opens if drop.history else max(opens, drop.arrived_at), known + _INSTANT)
    return known


def _lines_or_none(landing: Path, file: SourceFile) -> pl.DataFrame:
    """Lines of an earlier drop; none if it is refused."""
    try:
        return _lines(landing, file)
    except RejectedFileError:
        return NO_LINES


# The drops before a drop are looked at for every one of them; a drop has some dozen lines.
@lru_cache(maxsize=2048)
def _lines(landing: Path, file: SourceFile) -> pl.DataFrame:
    """Lines of a drop as text, `NO_LINES` with rows."""
    try:
        text = member(landing, file.path, MEMBER).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RejectedFileError(
            file.path, "encoding", f"{MEMBER} is not UTF-8", "drop it as the vendor ships it"
        ) from error
    rows = []
    for line, content in enumerate(text.split("\n"), 1):
        content = content.removesuffix("\r")
        if content and not (line == 1 and content.startswith("symbol,")):
            # A line of another length keeps what it has: it is held back, and shown.
            fields = content.split(",")
            padded = (fields + [None] * len(COLUMNS))[: len(COLUMNS)]
            rows.append((_table_in(file), line, _day(file), len(fields), *padded))
    return pl.DataFrame(rows, schema=NO_LINES.schema, orient="row")
