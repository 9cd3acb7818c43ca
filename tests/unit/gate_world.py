"""A small exchange whose bars go to the gate: many instruments, many sessions, nothing wrong with any."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl

from lim_pipelines import ingest
from lim_pipelines.exchanges import sessions
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import ALIGNED_BARS, GATE_RESULTS, QUARANTINE, VALIDATED_BARS

MIC = "XNYS"
LAG = timedelta(minutes=15)
LATER = datetime(2018, 12, 24, 18, tzinfo=UTC)
DAYS: list[date] = sessions(MIC, date(2018, 11, 1), date(2018, 12, 21))["date"].to_list()
LAST = DAYS[-1]


def bars(instruments: int = 24, days: list[date] | None = None) -> pl.DataFrame:
    """Daily bars, aligned: a random walk of each instrument, the same whatever the days asked for."""
    rng = np.random.default_rng(5)
    grid = sessions(MIC, DAYS[0], LAST).select("date", ts="close")
    names = pl.DataFrame({"instrument_id": [f"{MIC}:I{i:02}" for i in range(instruments)]})
    rows = names.join(grid, how="cross")
    close = 50 * np.exp(0.01 * rng.standard_normal((instruments, grid.height)).cumsum(axis=1)).ravel()
    rows = rows.with_columns(
        exchange=pl.lit(MIC),
        freq=pl.lit("1d"),
        open=pl.Series(close).round(2),
        close=pl.Series(close).round(2),
        high=pl.Series(close * 1.01).round(2),
        low=pl.Series(close * 0.99).round(2),
        volume=pl.Series(rng.integers(1_000, 9_000, rows.height)).cast(pl.Float64) * 100,
        ex_factor=1.0,
        asset_class=pl.lit("equity"),
        source=pl.lit("csv_drop"),
        known_at=pl.col("ts") + LAG,
    )
    wanted = DAYS if days is None else days
    return ALIGNED_BARS.conform(rows.filter(pl.col("date").is_in(wanted)))


def scope(*days: date) -> pl.DataFrame:
    return pl.DataFrame({"exchange": [MIC] * len(days), "date": list(days)})


def align(lake: Lake, rows: pl.DataFrame, days: list[date] | None = None) -> None:
    """Make rows the aligned bars of days."""
    lake.write(ALIGNED_BARS, rows, scope(*(days or rows["date"].unique().to_list())))


def gate(lake: Lake, *days: date) -> ingest.Step:
    return ingest.validate_bars(lake, scope(*(days or DAYS)))


def published(lake: Lake, day: date | None = None) -> pl.DataFrame:
    where = None if day is None else pl.col("date") == day
    return lake.revisions(VALIDATED_BARS, where).sort(VALIDATED_BARS.row_key).collect()


def verdicts(lake: Lake, day: date = LAST) -> dict[str, dict[str, object]]:
    """Verdicts about a partition by rule."""
    rows = lake.revisions(GATE_RESULTS, pl.col("date") == day).sort(GATE_RESULTS.row_key).collect()
    return {row["rule"]: row for row in rows.iter_rows(named=True)}


def quarantined(lake: Lake, stage: str) -> pl.DataFrame:
    return lake.revisions(QUARANTINE, pl.col("stage") == stage).sort(QUARANTINE.row_key).collect()
