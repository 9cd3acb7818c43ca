"""Macro series: how one is described and read, and those that arch brings.

What does not belong here: the series that vendors drop (`macro_series.py`, `frbny_vintages.py`), joining
them to bars (`inputs/macro.py`).

These are latest vintages: the package does not say what was first published. Core CPI is seasonally
adjusted and its recent years are revised every February, so its values are not quite what a trader saw;
the publication lag keeps the timing honest, not the revisions. Real vintages: `frbny_vintages.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import polars as pl

from lim_pipelines.schemas import QUARANTINE, RAW_MACRO, UTC_TIME
from lim_pipelines.sources.base import Parsed, RejectedFileError, SourceFile
from lim_pipelines.sources.clock import stamp_daily
from lim_pipelines.sources.daily import number
from lim_pipelines.sources.packages import read_text_table
from lim_pipelines.sources.quarantine import quarantine

NAME = "arch_macro"
QUARANTINE_EXCHANGE = "MACRO"
"""Macro rows belong to no exchange; the quarantine files them here."""


@dataclass(frozen=True)
class MacroSeries:
    """One macro series.

    Parameters
    ----------
    series_id
        Its name in the lake.
    path, column
        File (packaged, or the name of one dropped) and the column in it.
    unit
        Unit of the values.
    description
        What it is.
    lag
        Time from the period's end to publication. None: daily, known as a bar of XNYS is.
    date_column, date_format
        Column that names the period, by its first day, and its chrono format.
    period
        Length of a period in the notation of polars: 1d, 1mo, 3mo or 1y.
    only
        (column, value) pairs that pick the series' rows out of a file of many.
    zero_is_missing
        Whether the vendor writes 0 where it has no value.
    """

    series_id: str
    path: str
    column: str
    unit: str
    description: str
    lag: timedelta | None
    date_column: str = "Date"
    date_format: str = "%m/%d/%Y"
    period: Literal["1d", "1mo", "3mo", "1y"] = "1mo"
    only: tuple[tuple[str, str], ...] = ()
    zero_is_missing: bool = False


MACRO_SERIES: tuple[MacroSeries, ...] = (
    # Mid next month as a rule, but January's index came as late as 23 February (2005) and September
    # 2013's, after the government shutdown, on 30 October. 31 days cover every release of these years.
    MacroSeries(
        "core_cpi",
        "package://arch/data/core_cpi/core-cpi.csv.gz",
        "CPILFESL",
        "index 1982-84 = 100",
        "US consumer prices without food and energy, seasonally adjusted, latest vintage",
        timedelta(days=31),
    ),
    MacroSeries(
        "aaa_yield",
        "package://arch/data/default/default.csv.gz",
        "AAA",
        "percent a year",
        "Moody's AAA corporate bond yield, mean of the month's days",
        timedelta(days=3),
    ),
    MacroSeries(
        "baa_yield",
        "package://arch/data/default/default.csv.gz",
        "BAA",
        "percent a year",
        "Moody's BAA corporate bond yield, mean of the month's days",
        timedelta(days=3),
    ),
    MacroSeries(
        "vix",
        "package://arch/data/vix/vix.csv.gz",
        "vix",
        "percent a year",
        "CBOE volatility index, daily close",
        None,
        period="1d",
    ),
)


def collect_macro() -> Parsed:
    """Read the embedded macro series.

    Returns
    -------
    Parsed
        As `read_series` gives them; known at the period's end plus the lag.
    """
    return together([read_series(s, read_text_table(s.path), NAME, s.path) for s in MACRO_SERIES])


def together(parsed: Sequence[Parsed]) -> Parsed:
    """Lay what several series or files gave into one frame each, frames of `RAW_MACRO` and `QUARANTINE`."""
    rows = pl.concat([RAW_MACRO.empty(), *(p.rows for p in parsed)])
    rejected = pl.concat([QUARANTINE.empty(), *(p.rejected for p in parsed)])
    return Parsed(RAW_MACRO.conform(rows), QUARANTINE.conform(rejected))


def refused(file: SourceFile, error: RejectedFileError) -> Parsed:
    """Write down a file that is refused as a whole: one row of the quarantine."""
    row = pl.DataFrame(
        {
            "exchange": [QUARANTINE_EXCHANGE],
            "date": [file.arrived_at.date()],
            "source": [file.source],
            "file": [file.path],
            "line": [0],
            "symbol": [""],
            "rule": [error.rule],
            "reason": [f"{error.reason}; {error.remedy}"],
            "known_at": [file.arrived_at],
        }
    )
    return Parsed(RAW_MACRO.empty(), quarantine("parse", row, ["file"]))


def read_series(series: MacroSeries, table: pl.DataFrame, source: str, file: str) -> Parsed:
    """Read one series from the vendor's table of text.

    Parameters
    ----------
    series
        What to read.
    table
        All columns as text, with `line`, as `daily.text_table` gives it.
    source, file
        Names written into the rows.

    Returns
    -------
    Parsed
        Rows are a frame of `RAW_MACRO`. A daily value's `ts` is the close of XNYS (the day's last second on
        days without session); that of a longer period is its last second. Values that are no number, and
        zeros where `zero_is_missing`, are rejected as `missing_value`, rows whose date cannot be read as
        `unparsable_date`.
    """
    for column, wanted in series.only:
        table = table.filter(pl.col(column) == wanted)
    value = number(series.column)
    if series.zero_is_missing:
        value = pl.when(value != 0).then(value)
    frame = table.with_columns(
        _first_day(series).alias("date"),
        pl.when(value.is_finite()).then(value).alias("value"),
        pl.lit(series.series_id).alias("series_id"),
        pl.lit(series.unit).alias("unit"),
        pl.lit(source).alias("source"),
        pl.lit(file).alias("file"),
    )
    undated = frame.filter(pl.col("date").is_null()).with_columns(
        date=pl.date(1970, 1, 1),
        known_at=pl.lit(0).cast(UTC_TIME),
        rule=pl.lit("unparsable_date"),
        reason=pl.lit(f"the date is not written as {series.date_format}; correct the file"),
    )
    frame = _stamp(frame.filter(pl.col("date").is_not_null()), series)
    missing = frame.filter(pl.col("value").is_null()).with_columns(
        rule=pl.lit("missing_value"),
        reason=pl.lit("the vendor gives no number for this period; nothing to do unless one was published"),
    )
    held = pl.concat([undated, missing], how="diagonal").with_columns(
        exchange=pl.lit(QUARANTINE_EXCHANGE), symbol=pl.lit(series.series_id)
    )
    rows = RAW_MACRO.conform(frame.filter(pl.col("value").is_not_null()))
    return Parsed(rows, quarantine("parse", held, table.columns))


def _first_day(series: MacroSeries) -> pl.Expr:
    text = pl.col(series.date_column)
    if series.period == "3mo":
        # 2020-Q2: its first month, as chrono knows no quarters.
        month = (text.str.slice(6, 1).cast(pl.Int8, strict=False) * 3 - 2).cast(pl.String)
        return (text.str.slice(0, 4) + "-" + month + "-1").str.to_date("%Y-%m-%d", strict=False)
    if series.period == "1y":
        return (text + "-01-01").str.to_date("%Y-%m-%d", strict=False)
    if "%d" not in series.date_format:
        return (text + "-01").str.to_date(f"{series.date_format}-%d", strict=False)
    return text.str.to_date(series.date_format, strict=False)


def _stamp(frame: pl.DataFrame, series: MacroSeries) -> pl.DataFrame:
    if series.period == "1d":
        frame = stamp_daily(frame.with_columns(exchange=pl.lit("XNYS")))
    else:
        last_second = pl.col("date").cast(pl.Datetime("us")).dt.offset_by(series.period).dt.offset_by("-1s")
        frame = frame.with_columns(ts=last_second.dt.replace_time_zone("UTC").cast(UTC_TIME))
    if series.lag is None:
        return frame
    return frame.with_columns(known_at=pl.col("ts") + series.lag)
