"""A vendor of alternative data that is not real: its files, and lakes that they went through."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
from landing_files import ARRIVED, drop

from lim_pipelines.lake import Lake
from lim_pipelines.schemas import LISTINGS
from lim_pipelines.sources.alternative import RAW_TABLES
from lim_pipelines.sources.base import ParsedTables, RejectedFileError, SourceFile
from lim_pipelines.sources.folder import vendor_files
from lim_pipelines.sources.landed import inside
from lim_pipelines.sources.quarantine import quarantine

Row = dict[str, Any]


@dataclass(frozen=True)
class Wire:
    """Reads `landing/<name>/*.jsonl`: a row of a raw table a line, under the key `table`.

    A line that is no JSON is rejected, a file that begins with `refuse` is refused, one that begins with
    `break` breaks the reader. History keeps the rows' own `known_at`, a feed has none before it arrived.
    """

    name: str = "wire"
    suffix: str = ".jsonl"

    @property
    def tables(self) -> frozenset[str]:
        return frozenset(RAW_TABLES)

    def files(self, landing: Path) -> list[SourceFile]:
        return [file for file in vendor_files(landing, self.name) if file.path.endswith(self.suffix)]

    def read(self, file: SourceFile, landing: Path) -> Iterator[ParsedTables]:
        lines = inside(landing, file.path).read_text().splitlines()
        if lines[:1] == ["refuse"]:
            raise RejectedFileError(file.path, "no_lines", "it is no file of lines", "drop it as shipped")
        if lines[:1] == ["break"]:
            raise KeyError("column")
        yield self.parse(lines, file)

    def parse(self, lines: Sequence[str], file: SourceFile) -> ParsedTables:
        """Make tables of lines."""
        rows: dict[str, list[Row]] = {}
        rejected = []
        for number, line in enumerate(lines, 1):
            where = {"source": self.name, "file": file.path, "line": number}
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                rejected.append({**where, "text": line})
                continue
            known_at = datetime.fromisoformat(row["known_at"])
            row["known_at"] = known_at if file.history else max(known_at, file.arrived_at)
            if "ts" in row:
                row["ts"] = datetime.fromisoformat(row["ts"])
                row["year"], row["date"] = row["ts"].year, row["ts"].date()
            rows.setdefault(row.pop("table"), []).append({**row, **where})
        held = pl.DataFrame(
            rejected, schema={"source": pl.String, "file": pl.String, "line": pl.Int64, "text": pl.String}
        )
        held = held.with_columns(
            exchange=pl.lit("?"),
            date=pl.lit(file.arrived_at.date()),
            symbol=pl.lit(""),
            rule=pl.lit("no_json"),
            reason=pl.lit("the line is no JSON; send it again"),
            known_at=pl.lit(file.arrived_at),
        )
        frames = {
            name: pl.DataFrame(
                given, schema_overrides=dict(RAW_TABLES[name].schema), infer_schema_length=None
            )
            for name, given in rows.items()
        }
        return ParsedTables(
            {name: RAW_TABLES[name].conform(frame) for name, frame in frames.items()},
            quarantine("parse", held, ["text"]),
        )


WIRE = Wire()


def moment(text: str) -> str:
    """A day, or a day and time, in full."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).isoformat()


def fact(
    symbol: str = "AAA", ts: str = "2015-03-31", known: str = "2015-05-01", value: float = 1.0, **other: Any
) -> Row:
    """A figure of a quarter."""
    row = {"table": "raw_facts", "symbol": symbol, "field": "revenues", "period": "Q", "ts": moment(ts)}
    return {**row, "value": value, "unit": "USD", "form": "10-Q", "known_at": moment(known), **other}


def event(symbol: str = "AAA", ts: str = "2015-05-01", known: str = "2015-05-02", **other: Any) -> Row:
    row = {"table": "raw_events", "symbol": symbol, "kind": "earnings_release", "ts": moment(ts)}
    return {**row, "value": None, "unit": "", "detail": "", "known_at": moment(known), **other}


def text(
    symbol: str = "AAA", ts: str = "2015-05-01T12:00", words: str = "up we go", known: str = "", **other: Any
) -> Row:
    row = {"table": "raw_texts", "symbol": symbol, "ts": moment(ts), "text": words}
    row["text_id"] = hashlib.sha256(words.encode()).hexdigest()[:16]
    return {**row, "known_at": moment(known or ts), **other}


def relation(
    subject: str = "Ann", object_: str = "Bob", ts: str = "2015-05-03", known: str = "", **other: Any
) -> Row:
    row = {
        "table": "raw_relations",
        "subject": subject,
        "object": object_,
        "relation": "Owns",
        "ts": moment(ts),
    }
    return {**row, "weight": 1.0, "known_at": moment(known or ts), **other}


def claim(symbol: str = "AAA", object_: str = "Aaa Inc.", known: str = "2015-01-01", **other: Any) -> Row:
    row = {"table": "raw_claims", "symbol": symbol, "exchange": None, "relation": "named", "object": object_}
    return {**row, "first": None, "last": None, "known_at": moment(known), **other}


def send(
    landing: Path,
    name: str,
    *lines: Row | str,
    history: bool = True,
    arrived: datetime = ARRIVED,
    source: str = "wire",
) -> Path:
    """Drop a file of the wire."""
    content = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    return drop(landing, f"{source}/{name}.jsonl", content, history=history, arrived=arrived)


def listing(symbol: str, instrument: str = "", **other: Any) -> Row:
    """A share on the New York Stock Exchange under a symbol."""
    row: Row = {
        "source": "wire",
        "symbol": symbol,
        "exchange": "XNYS",
        "instrument_id": instrument or f"XNYS:{symbol}",
    }
    row |= {"name": symbol, "asset_class": "equity", "currency": "USD", "file": "test", "known_at": ARRIVED}
    return {**row, **other}


def list_shares(lake: Lake, *rows: Row) -> None:
    """Register listings."""
    frame = LISTINGS.conform(pl.DataFrame(rows, schema_overrides={"first": pl.Date, "last": pl.Date}))
    lake.update(LISTINGS, frame, lambda there: pl.concat([there, frame]))


def rows_of(lake: Lake, table: Any, columns: Sequence[str] = ()) -> list[Any]:
    """All revisions of a table, in order of their keys."""
    frame = lake.revisions(table).collect().sort(table.row_key)
    return frame.select(columns or frame.columns).rows()


__all__ = [
    "WIRE",
    "Wire",
    "claim",
    "event",
    "fact",
    "list_shares",
    "listing",
    "relation",
    "replace",
    "rows_of",
    "send",
    "text",
]
