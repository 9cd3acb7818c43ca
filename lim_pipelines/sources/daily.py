"""Daily canonical rows from a vendor's table of text; what most sources of daily bars need.

What does not belong here: where the table comes from (`packages.py`, a source file each).
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from lim_pipelines.schemas import RAW_QUOTES
from lim_pipelines.sources.base import Parsed, SourceFile
from lim_pipelines.sources.clock import stamp_daily
from lim_pipelines.sources.quarantine import quarantine


def text_table(content: bytes) -> pl.DataFrame:
    """Read a csv, all columns as text, with its line numbers in `line` (the header is line 1)."""
    return pl.read_csv(content, infer_schema=False).with_row_index("line", offset=2).cast({"line": pl.Int64})


def daily_rows(
    file: SourceFile, table: pl.DataFrame, columns: Mapping[str, pl.Expr], *, date_format: str
) -> Parsed:
    """Daily canonical rows from a table of text.

    Parameters
    ----------
    file
        Where the table comes from.
    table
        As `text_table` gives it, with columns exchange, symbol and Date.
    columns
        Canonical column to an expression over the table; open, high, low, volume and ex_factor may be left
        out.
    date_format
        chrono format of Date.

    Returns
    -------
    Parsed
        Rows without a close are rejected as `missing_value`: that is how the vendors mark days without a
        quote. Known at the session's close plus the feed's lag: this is declared history, not a live feed.
    """
    absent = {"open": None, "high": None, "low": None, "volume": None, "ex_factor": 1.0}
    raw = table.columns
    frame = table.with_columns(
        pl.col("Date").str.to_date(date_format).alias("date"),
        pl.lit(file.source).alias("source"),
        pl.lit(file.path).alias("file"),
        pl.lit("1d").alias("freq"),
        *(columns.get(name, pl.lit(value, pl.Float64)).alias(name) for name, value in absent.items()),
        columns["close"].alias("close"),
    )
    frame = stamp_daily(frame)
    missing = frame.filter(pl.col("close").is_null()).with_columns(
        rule=pl.lit("missing_value"),
        reason=pl.lit("the vendor marks the day as without a quote; nothing to do unless it was a session"),
    )
    rows = RAW_QUOTES.conform(frame.filter(pl.col("close").is_not_null()))
    return Parsed(rows, quarantine("parse", missing, raw))


def number(column: str) -> pl.Expr:
    """Text column as a number; what is no number becomes null."""
    return pl.col(column).cast(pl.Float64, strict=False)
