"""The marts' SQL and its tests on small tables: what dbt runs, its references filled in by hand."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import polars as pl

PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"


def run(path: str, **tables: pl.DataFrame) -> pl.DataFrame:
    """Result of a model or a test of the dbt project over the given tables."""
    sql = re.sub(r"{{ (?:ref|source)\((?:'lake', )?'(\w+)'\) }}", r"\1", (PROJECT / path).read_text())
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name, frame in tables.items():
            connection.register(name, frame.to_arrow())
        return pl.DataFrame(connection.sql(sql).to_arrow_table())


def test_a_release_later_on_the_same_day_came_from_the_future() -> None:
    close = datetime(2018, 11, 20, 21, tzinfo=UTC)
    released = [close, close.replace(hour=22)]
    mart = pl.DataFrame({"session_close": [close] * 2, "known_at": released, "days_since_release": [0, 0]})
    leaks = run("tests/macro_never_from_the_future.sql", macro_as_known=mart)
    assert leaks["known_at"].dt.convert_time_zone("UTC").to_list() == released[1:]


def test_the_mart_says_when_each_session_closed() -> None:
    close = datetime(2018, 11, 20, 21, tzinfo=UTC)
    bars = pl.DataFrame({"exchange": ["XNYS"], "date": [date(2018, 11, 20)], "ts": [close], "freq": ["1d"]})
    macro = pl.DataFrame(
        {
            "series_id": ["vix"] * 2,
            "unit": ["index"] * 2,
            "known_at": [close, close.replace(hour=22)],
            "ts": [close.replace(day=19), close],
            "value": [1.0, 2.0],
        }
    )
    mart = run("models/macro_as_known.sql", validated_bars=bars, validated_macro=macro)
    assert mart["value"].to_list() == [1.0]
    assert mart["session_close"].dt.convert_time_zone("UTC").to_list() == [close]
    assert run("tests/macro_never_from_the_future.sql", macro_as_known=mart).is_empty()
