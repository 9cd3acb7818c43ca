"""The marts' SQL as dbt compiles it, run on small tables in memory."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from lim_pipelines.lake.point_in_time import stored_schema, with_superseded_at
from lim_pipelines.marts import SESSIONS
from lim_pipelines.schemas import LISTINGS, TABLES

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
DAY = date(2018, 10, 1)


@lru_cache(maxsize=1)
def compiled() -> dict[str, str]:
    """Compiled SQL of every model and test of the dbt project, by name: a full build."""
    from scripts.dbt_manifest import compiled

    return {node["name"]: node["compiled_code"] for node in compiled()["nodes"].values()}


def days(n: int) -> list[date]:
    """Session dates: every day, so that moments are easy to read."""
    return [DAY + timedelta(i) for i in range(n)]


def at(day: date, hour: float = 21) -> datetime:
    """A moment of a day, UTC. Sessions close at 21 and open at 14."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=hour)


def sessions(n: int, *mics: str) -> pl.DataFrame:
    """`lake.sessions` of n days."""
    rows = [
        (mic, day, day - timedelta(1), at(day), at(day + timedelta(1), 14))
        for mic in mics or ("XNYS",)
        for day in days(n)
    ]
    return pl.DataFrame(rows, schema=SESSIONS, orient="row")


def table(name: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows of a lake table as the warehouse shows them; what a test leaves out is null, 1, "x" or false."""
    of = TABLES[name]
    fill = {pl.String: "x", pl.Float64: 1.0, pl.Int64: 1, pl.Boolean: False, pl.Date: DAY}
    given = []
    for row in rows:
        filled = {
            column: None if spec.nullable else fill.get(type(spec.dtype), fill.get(spec.dtype))
            for column, spec in of.columns.items()
        }
        given.append({**filled, **row})
    frame = pl.DataFrame(given, schema=of.schema).unique(of.row_key, keep="first", maintain_order=True)
    return frame if of is LISTINGS else with_superseded_at(frame.sort(of.row_key), of)


def run(name: str, **tables: pl.DataFrame) -> pl.DataFrame:
    """Result of a model or a test; tables of the lake by name, those that a test leaves out are empty."""
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'; CREATE SCHEMA lake; CREATE SCHEMA marts")
        sql = compiled()[name]
        for of in TABLES.values():
            if f'"lake"."{of.name}"' in sql and of.name not in tables:
                tables[of.name] = pl.DataFrame(schema=stored_schema(of))
        for known, frame in tables.items():
            schema = "lake" if f'"lake"."{known}"' in sql else "marts"
            connection.register("given", frame.to_arrow())
            connection.execute(f"CREATE TABLE {schema}.{known} AS FROM given")
            connection.unregister("given")
        found = pl.DataFrame(connection.sql(sql).to_arrow_table())
    return found.with_columns(pl.col(pl.Datetime).dt.convert_time_zone("UTC"))
