"""Earnings: released at a close, known at the next open; estimates known when the file is here."""

import io
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
from landing_files import ARRIVED, copy, drop, read_tables, rules
from shared_data import folder

from lim_pipelines.sources.earnings_dates import DATES, SURPRISES, EarningsDates

MONDAY_OPEN = datetime(2024, 11, 4, 14, 30, tzinfo=UTC)


def dates(*rows: tuple[str | None, date | None]) -> bytes:
    packed = io.BytesIO()
    pl.DataFrame(rows, schema={"ticker": pl.String, "earnings_date": pl.Date}, orient="row").write_parquet(
        packed
    )
    return packed.getvalue()


def surprises(*rows: tuple[str, date, float | None, float | None, float | None, float | None]) -> bytes:
    figures = ("eps_estimate", "reported_eps", "surprise_percent", "implied_volatility")
    schema = {"symbol": pl.String, "earnings_date": pl.Date, **dict.fromkeys(figures, pl.Float64)}
    packed = io.BytesIO()
    pl.DataFrame(rows, schema=schema, orient="row").write_parquet(packed)
    return packed.getvalue()


def test_a_release_is_at_the_close_and_known_at_the_next_open(tmp_path: Path) -> None:
    friday, saturday, half = date(2024, 11, 1), date(2024, 11, 9), date(2024, 11, 29)
    drop(tmp_path, f"earnings_dates/{DATES}", dates(("A", friday), ("A", saturday), ("A", half)))
    rows = read_tables(EarningsDates(), tmp_path).rows["raw_events"].sort("ts")
    assert set(rows["kind"]) == {"earnings_release"}
    assert rows.select("ts", "known_at").rows() == [
        # Still on summer time; the next open no longer.
        (datetime(2024, 11, 1, 20, tzinfo=UTC), MONDAY_OPEN),
        # A Saturday counts as Monday, and is known on Tuesday: never before it is said to happen.
        (datetime(2024, 11, 11, 21, tzinfo=UTC), datetime(2024, 11, 12, 14, 30, tzinfo=UTC)),
        # The day after Thanksgiving closes at 13:00.
        (datetime(2024, 11, 29, 18, tzinfo=UTC), datetime(2024, 12, 2, 14, 30, tzinfo=UTC)),
    ]


def test_a_feed_is_known_when_it_arrives(tmp_path: Path) -> None:
    drop(tmp_path, f"earnings_dates/{DATES}", dates(("A", date(2024, 11, 1))), history=False)
    rows = read_tables(EarningsDates(), tmp_path).rows["raw_events"]
    assert rows.select("ts", "known_at").rows() == [(datetime(2024, 11, 1, 20, tzinfo=UTC), ARRIVED)]


def test_days_that_cannot_be_are_held_back(tmp_path: Path) -> None:
    rows = [
        ("A", date(2024, 11, 8)),
        ("A", date(2024, 11, 9)),
        ("A", date(2024, 11, 11)),
        ("B", date(2026, 9, 2)),
        ("B", date(1969, 1, 2)),
        ("B", date(9999, 1, 1)),
        (None, date(2024, 11, 8)),
        ("B", None),
    ]
    drop(tmp_path, f"earnings_dates/{DATES}", dates(*rows))
    parsed = read_tables(EarningsDates(), tmp_path)
    assert parsed.rows["raw_events"]["line"].sort().to_list() == [1, 2]
    held = dict(parsed.rejected.select("line", "rule").rows())
    assert held == {
        **{3: "same_session", 4: "after_arrival", 5: "outside_calendar", 6: "outside_calendar"},
        **{7: "missing_value", 8: "missing_value"},
    }


def test_what_was_scraped_is_known_at_arrival_also_in_history(tmp_path: Path) -> None:
    friday, coming = date(2024, 11, 1), date(2025, 1, 30)
    rows = [
        ("A", friday, 1.55, 1.64, 5.8, 0.24),
        ("A", coming, 2.1, None, None, None),
        ("B", coming, None, None, None, None),
        ("B", date(2024, 10, 31), None, None, None, None),
        ("C", date(2024, 10, 31), None, float("nan"), None, float("inf")),
    ]
    drop(tmp_path, f"earnings_dates/{SURPRISES}", surprises(*rows))
    parsed = read_tables(EarningsDates(), tmp_path)
    facts = parsed.rows["raw_facts"].sort("line", "field")
    close, later = datetime(2024, 11, 1, 20, tzinfo=UTC), datetime(2025, 1, 30, 21, tzinfo=UTC)
    assert facts.select("symbol", "field", "value", "unit", "ts", "known_at").rows() == [
        ("A", "eps_estimate", 1.55, "USD/share", close, ARRIVED),
        ("A", "eps_reported", 1.64, "USD/share", close, ARRIVED),
        ("A", "eps_surprise_percent", 5.8, "percent", close, ARRIVED),
        ("A", "implied_volatility", 0.24, "ratio", close, ARRIVED),
        ("A", "eps_estimate", 2.1, "USD/share", later, ARRIVED),
    ]
    events = parsed.rows["raw_events"].sort("symbol")
    assert events.select("symbol", "kind", "ts", "known_at").rows() == [
        ("A", "earnings_scheduled", later, ARRIVED),
        ("B", "earnings_scheduled", later, ARRIVED),
    ]
    assert dict(parsed.rejected.select("symbol", "rule").rows()) == {"B": "no_values", "C": "not_a_number"}


def test_a_day_that_cannot_be_hides_no_coming_one(tmp_path: Path) -> None:
    coming, impossible = date(2027, 1, 5), date(2028, 1, 5)
    rows = [("A", date(2024, 11, 1), 1.0, 1.1, 10.0, None), ("A", coming, None, None, None, None)]
    drop(tmp_path, f"earnings_dates/{SURPRISES}", surprises(*rows, ("B", impossible, 1.0, 1.1, None, None)))
    parsed = read_tables(EarningsDates(), tmp_path)
    events = parsed.rows["raw_events"].select("symbol", pl.col("ts").dt.date(), "kind")
    assert events.rows() == [("A", coming, "earnings_scheduled")]
    assert parsed.rejected.select("symbol", "rule").rows() == [("B", "after_arrival")]


def test_the_vendors_files(tmp_path: Path) -> None:
    copy(tmp_path, "earnings_dates", folder("earnings_dates"))
    source = EarningsDates()
    released, scraped = ((next(iter(source.read(file, tmp_path)))) for file in source.files(tmp_path))
    releases = released.rows["raw_events"]
    assert (releases.height, released.rejected.height) == (36_845, 0)
    assert releases["symbol"].n_unique() == 505
    apple = releases.filter((pl.col("symbol") == "AAPL") & (pl.col("ts").dt.date() == date(2024, 10, 31)))
    assert apple.select("ts", "known_at").rows() == [
        (datetime(2024, 10, 31, 20, tzinfo=UTC), datetime(2024, 11, 1, 13, 30, tzinfo=UTC))
    ]
    facts, events = scraped.rows["raw_facts"], scraped.rows["raw_events"]
    assert dict(facts.group_by("field").len().iter_rows()) == {
        **{"eps_estimate": 11_398, "eps_reported": 11_260},
        **{"eps_surprise_percent": 11_240, "implied_volatility": 4_206},
    }
    assert (events.height, rules(scraped)) == (434, {"no_values": 121})
    lines = pl.concat([facts["line"], events["line"], scraped.rejected["line"]])
    assert lines.n_unique() == 12_063
    (arrived,) = set(facts["known_at"])
    assert arrived > facts.filter(pl.col("field") == "eps_reported")["ts"].max()
