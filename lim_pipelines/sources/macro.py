"""Macro series from arch, each with its unit and the lag after which it counts as published.

What does not belong here: joining them to bars (`finetune/features.py`).

These are latest vintages: the package does not say what was first published. Core CPI is seasonally
adjusted and its recent years are revised every February, so its values are not quite what a trader saw;
the publication lag keeps the timing honest, not the revisions. Real vintages need a vintage source (ALFRED).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from lim_pipelines.schemas import QUARANTINE, RAW_MACRO, UTC_TIME
from lim_pipelines.sources.base import Parsed
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
        Packaged file and the column in it.
    unit
        Unit of the values.
    description
        What it is.
    lag
        Monthly series: time from the month's end to publication. None: daily, known as a bar of XNYS is.
    """

    series_id: str
    path: str
    column: str
    unit: str
    description: str
    lag: timedelta | None


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
    ),
)


def collect_macro() -> Parsed:
    """Read all macro series.

    Returns
    -------
    Parsed
        Rows are a frame of `RAW_MACRO`. A monthly value's `ts` is the last second of its month (the vendor
        labels it with the first day). Values that are no number are rejected as `missing_value`.
    """
    parsed = [_read(series) for series in MACRO_SERIES]
    return Parsed(
        RAW_MACRO.conform(pl.concat(p.rows for p in parsed)),
        QUARANTINE.conform(pl.concat(p.rejected for p in parsed)),
    )


def _read(series: MacroSeries) -> Parsed:
    table = read_text_table(series.path).select("line", "Date", series.column)
    frame = table.with_columns(
        pl.col("Date").str.to_date("%m/%d/%Y").alias("date"),
        number(series.column).alias("value"),
        pl.lit(series.series_id).alias("series_id"),
        pl.lit(series.unit).alias("unit"),
        pl.lit(NAME).alias("source"),
        pl.lit(series.path).alias("file"),
    )
    if series.lag is None:
        frame = stamp_daily(frame.with_columns(exchange=pl.lit("XNYS")))
    else:
        last_second = pl.col("date").cast(pl.Datetime("us")).dt.offset_by("1mo").dt.offset_by("-1s")
        frame = frame.with_columns(ts=last_second.dt.replace_time_zone("UTC").cast(UTC_TIME))
        frame = frame.with_columns(known_at=pl.col("ts") + series.lag)
    missing = frame.filter(pl.col("value").is_null()).with_columns(
        exchange=pl.lit(QUARANTINE_EXCHANGE),
        symbol=pl.lit(series.series_id),
        rule=pl.lit("missing_value"),
        reason=pl.lit("the vendor gives no number for this period; nothing to do unless one was published"),
    )
    rows = RAW_MACRO.conform(frame.filter(pl.col("value").is_not_null()))
    return Parsed(rows, quarantine("parse", missing, table.columns))
