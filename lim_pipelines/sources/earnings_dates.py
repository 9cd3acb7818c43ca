"""Earnings releases and surprises: `landing/earnings_dates/.../{earnings_dates,eps_surprises}.parquet`.

What does not belong here: figures of filings (`pystock_filings.py`).

`earnings_dates.parquet` (ticker, earnings_date) holds the days of 8-K filings of item 2.02 on EDGAR, without
a time of day: the event counts as at that day's close in New York, or the next session's where it is none,
and as known from the open after that close.

`eps_surprises.parquet` (symbol, earnings_date, eps_estimate, reported_eps, surprise_percent,
implied_volatility) was scraped at one time, and is as the site had it then: reported earnings a share are
adjusted for splits up to the scrape (Apple's of January 2000 read 0.01), estimates are the last ones. So all
of it is known when the file arrives, below `history/` too; `pystock` has earnings a share as filed.
Days after the last one with reported earnings were still to come: events of kind earnings_scheduled, known
at arrival. The period that earnings are of is not given: `ts` of every figure is the release's close.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path, PurePosixPath
from types import MappingProxyType

import polars as pl

from lim_pipelines.exchanges import sessions
from lim_pipelines.schemas import RAW_EVENTS, RAW_FACTS, UTC_TIME
from lim_pipelines.sources.base import ParsedTables, SourceFile
from lim_pipelines.sources.folder import vendor_files
from lim_pipelines.sources.quarantine import refused
from lim_pipelines.sources.table_files import whole_table

DATES, SURPRISES = "earnings_dates.parquet", "eps_surprises.parquet"
FIELDS = MappingProxyType(
    {
        "reported_eps": ("eps_reported", "USD/share"),
        "eps_estimate": ("eps_estimate", "USD/share"),
        "surprise_percent": ("eps_surprise_percent", "percent"),
        "implied_volatility": ("implied_volatility", "ratio"),
    }
)
"""Vendor's column to field and unit."""

_FIRST_DAY = date(1970, 1, 1)
_AHEAD = timedelta(days=3 * 366)
_LONGEST_BREAK = timedelta(days=15)
_REASONS = MappingProxyType(
    {
        "missing_value": "symbol or day is empty; remove the row",
        "outside_calendar": "the day is before 1970 or years after the file arrived; check it",
        "after_arrival": "what happened after the file arrived cannot be in it; check the day",
        "no_values": "a day in the past without any figure says nothing; nothing to do",
        "not_a_number": "a figure is infinite; correct it in the file",
        "same_session": "another row of the symbol falls on the same session; check the day",
    }
)


class EarningsDates:
    """Days of earnings releases, and earnings per share."""

    name = "earnings_dates"
    tables = frozenset({"raw_events", "raw_facts"})

    def files(self, landing: Path) -> list[SourceFile]:
        """List the two tables."""
        names = (DATES, SURPRISES)
        return [file for file in vendor_files(landing, self.name) if PurePosixPath(file.path).name in names]

    def read(self, file: SourceFile, landing: Path) -> Iterator[ParsedTables]:
        """Parse one of the two tables.

        Raises
        ------
        RejectedFileError
            What `whole_table` raises.
        """
        if PurePosixPath(file.path).name == DATES:
            table = whole_table(file, landing, {"ticker": (pl.String,), "earnings_date": (pl.Date,)})
            yield _releases(table.rename({"ticker": "symbol"}), file)
        else:
            columns = {"symbol": (pl.String,), "earnings_date": (pl.Date,)}
            figures = dict.fromkeys(FIELDS, (pl.Float64,))
            yield _surprises(whole_table(file, landing, {**columns, **figures}), file)


def _releases(table: pl.DataFrame, file: SourceFile) -> ParsedTables:
    rows = _judged(table, file, {"after_arrival": pl.col("earnings_date") > file.arrived_at.date()})
    events = rows.filter(pl.col("rule").is_null()).with_columns(
        kind=pl.lit("earnings_release"), known_at="_released", detail=pl.lit("8-K item 2.02")
    )
    return ParsedTables(
        {"raw_events": RAW_EVENTS.conform(events)}, refused(rows, _REASONS, ["symbol", "earnings_date"])
    )


def _surprises(table: pl.DataFrame, file: SourceFile) -> ParsedTables:
    table = table.with_columns(pl.col(list(FIELDS)).fill_nan(None))
    reported = pl.col("reported_eps").is_not_null()
    too_late = reported & (pl.col("earnings_date") > file.arrived_at.date())
    last = table.filter(reported & ~too_late)["earnings_date"].max() or file.arrived_at.date()
    coming = pl.col("earnings_date") > last
    rows = _judged(
        table,
        file,
        {
            "after_arrival": too_late,
            "not_a_number": pl.any_horizontal(pl.col(list(FIELDS)).is_infinite()),
            "no_values": pl.all_horizontal(pl.col(list(FIELDS)).is_null()) & ~coming,
        },
    )
    good = rows.filter(pl.col("rule").is_null())
    index = ["source", "file", "line", "symbol", "year", "ts", "known_at"]
    facts = (
        good.unpivot(list(FIELDS), index=index, variable_name="column")
        .drop_nulls("value")
        .with_columns(
            field=pl.col("column").replace_strict({c: field for c, (field, _) in FIELDS.items()}),
            unit=pl.col("column").replace_strict({c: unit for c, (_, unit) in FIELDS.items()}),
            period=pl.lit("Q"),
        )
    )
    events = good.filter(coming).with_columns(kind=pl.lit("earnings_scheduled"))
    return ParsedTables(
        {"raw_facts": RAW_FACTS.conform(facts), "raw_events": RAW_EVENTS.conform(events)},
        refused(rows, _REASONS, ["symbol", "earnings_date", *FIELDS]),
    )


def _judged(table: pl.DataFrame, file: SourceFile, tests: dict[str, pl.Expr]) -> pl.DataFrame:
    """Add `rule`, the session's close `ts`, `_released`, from when a release is known, and the provenance.

    `known_at` is the arrival.
    """
    day, arrived = pl.col("earnings_date"), file.arrived_at
    outside = ~day.is_between(_FIRST_DAY, arrived.date() + _AHEAD)
    tests = {
        "missing_value": day.is_null() | (pl.col("symbol").fill_null("").str.strip_chars() == ""),
        "outside_calendar": outside,
        **tests,
    }
    rows = table.with_columns(
        rule=pl.coalesce(pl.when(failed).then(pl.lit(rule)) for rule, failed in tests.items())
    )
    days = rows.filter(day.is_not_null() & ~outside)["earnings_date"]
    first, last = days.min() or arrived.date(), days.max() or arrived.date()
    grid = sessions("XNYS", first, last + _LONGEST_BREAK).select(  # type: ignore[arg-type,operator]
        "date", ts=pl.col("close"), _opens=pl.col("open").shift(-1)
    )
    timed = rows.sort("earnings_date").join_asof(
        grid.rename({"date": "_session"}), left_on="earnings_date", right_on="_session", strategy="forward"
    )
    good = pl.col("rule").is_null()
    again = good & (pl.int_range(pl.len()).over(["symbol", "ts", "rule"], order_by="line") > 0)
    at_arrival = pl.lit(arrived, UTC_TIME)
    return timed.with_columns(
        rule=pl.when(again).then(pl.lit("same_session")).otherwise("rule"),
        source=pl.lit(file.source),
        file=pl.lit(file.path),
        date=day.fill_null(arrived.date()),
        year=pl.col("ts").dt.year(),
        known_at=at_arrival,
        _released=pl.col("_opens") if file.history else pl.max_horizontal("_opens", at_arrival),
    )
