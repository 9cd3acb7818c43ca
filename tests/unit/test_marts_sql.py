"""The marts' SQL and its tests on small tables: what dbt runs, its references filled in by hand."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import polars as pl

from lim_pipelines.instruments import listings

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


def coverage(held: list[tuple[str, str, str]], known: pl.DataFrame) -> dict[str, int]:
    """Rows held back by instrument; `held` are exchange, source and symbol."""
    day = date(2018, 11, 20)
    bars = known.select("exchange", "instrument_id").unique()
    bars = bars.with_columns(freq=pl.lit("1d"), price_type=pl.lit("trade"), date=day, ts=day, known_at=day)
    quarantine = pl.DataFrame(held, schema=["exchange", "source", "symbol"], orient="row")
    mart = run(
        "models/data_coverage.sql",
        validated_bars=bars,
        quarantine=quarantine.with_columns(date=day),
        listings=known,
    )
    assert mart.height == bars.height
    assert run("tests/data_coverage_one_row_an_instrument.sql", data_coverage=mart).is_empty()
    return dict(
        mart.filter(pl.col("rows_quarantined") > 0).select("instrument_id", "rows_quarantined").rows()
    )


def test_rows_held_back_are_counted_by_instrument_whatever_they_are_called() -> None:
    held = [
        ("XNAS", "csv_drop", "AAPL"),
        ("XNAS", "csv_drop", "XNAS:AAPL"),
        ("XNAS", "hv_apple", "XNAS:AAPL"),
        ("XNYM", "arch_series", "wti"),
        ("XNYS", "arch_series", "sp500"),
        ("XNAS", "bokeh_stocks", "GOOG"),
        ("XNYS", "csv_drop", "ENRON"),
    ]
    assert coverage(held, listings()) == {"XNAS:AAPL": 3, "XNYM:WTI": 1, "XNYS:SPX": 1, "XNAS:GOOGL": 1}


def test_a_symbol_counts_for_the_instrument_that_it_meant_on_the_day() -> None:
    day = date(2018, 11, 20)
    known = listings().filter(source="csv_drop", symbol="IBM")
    before = known.with_columns(last=day.replace(day=19))
    since = known.with_columns(first=day, instrument_id=pl.lit("XNYS:OTHER"))
    assert coverage([("XNYS", "csv_drop", "IBM")], pl.concat([before, since])) == {"XNYS:OTHER": 1}


def test_bids_and_asks_are_covered_apart() -> None:
    day = date(2018, 11, 20)
    sides = pl.DataFrame({"price_type": ["bid", "ask", "ask"], "ts": [1, 1, 2]})
    bars = sides.with_columns(
        exchange=pl.lit("XNYS"), instrument_id=pl.lit("XNYS:IBM"), freq=pl.lit("1d"), date=day, known_at=day
    )
    held = pl.DataFrame({"exchange": "XNYS", "source": "csv_drop", "symbol": "IBM", "date": day})
    mart = run("models/data_coverage.sql", validated_bars=bars, quarantine=held, listings=listings())
    assert mart.select("price_type", "bars", "rows_quarantined").rows() == [("ask", 2, 1), ("bid", 1, 1)]
    assert run("tests/data_coverage_one_row_an_instrument.sql", data_coverage=mart).is_empty()


def test_an_instrument_shown_twice_is_found() -> None:
    mart = pl.DataFrame({"exchange": ["XNYS"] * 2, "instrument_id": ["XNYS:IBM"] * 2, "freq": ["1d"] * 2})
    mart = mart.with_columns(price_type=pl.lit("trade"))
    assert run("tests/data_coverage_one_row_an_instrument.sql", data_coverage=mart)["times"].to_list() == [2]
