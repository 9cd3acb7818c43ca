"""Partitions that the gate holds, and releases, are no look-ahead; what is published of them is compared."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from lake_rows import bar, days

from lim_pipelines.audit.tables import STEPS, audit_step
from lim_pipelines.audit.verdict import Verdict
from lim_pipelines.ingest import validate_bars
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import ALIGNED_BARS, GATE_RESULTS, RELEASES, VALIDATED_BARS
from lim_pipelines.validate.releases import releasable

GOOD, WRONG = days(2)
SCOPE = pl.DataFrame({"exchange": ["XNAS"] * 2, "date": [GOOD, WRONG]})
LATER = timedelta(minutes=5)
"""After its first file of an evening the vendor sends a second one."""


def aligned(second: bool) -> pl.DataFrame:
    """Bars of 40 names on two days; of the second file of the second day all lows and highs are swapped."""
    rows = []
    for day in (GOOD, WRONG):
        ts = datetime(day.year, day.month, day.day, 20, tzinfo=UTC)
        for n in range(40 if second else 20):
            row = bar(day, instrument_id=f"XNAS:X{n:02}", ts=ts, known_at=ts + timedelta(minutes=15))
            if n >= 20:
                row["known_at"] += LATER
                if day == WRONG and n >= 28:
                    row["low"], row["high"] = row["high"] + 1, row["low"] - 1
            rows.append(row)
    return ALIGNED_BARS.conform(pl.DataFrame(rows, infer_schema_length=None))


def arrive(lake: Lake, second: bool) -> None:
    rows = aligned(second)
    lake.write(ALIGNED_BARS, rows, SCOPE)
    validate_bars(lake, SCOPE)


def audit(lake: Lake, moment: datetime) -> dict[str, Verdict]:
    step = STEPS["validated_bars"]
    found = audit_step(lake, step, SCOPE, [moment], label=lambda row: str(row["date"]))
    return {one.partition: one for one in found}


def at_first(day: date) -> datetime:
    """When only the first file of an evening is there."""
    return datetime(day.year, day.month, day.day, 20, 16, tzinfo=UTC)


@pytest.mark.parametrize("published_before", [True, False])
def test_a_partition_held_today_that_looked_fine_once_is_no_alarm(
    tmp_path: Path, published_before: bool
) -> None:
    lake = Lake(tmp_path)
    if published_before:
        arrive(lake, second=False)
    arrive(lake, second=True)
    assert lake.revisions(GATE_RESULTS, pl.col("held")).collect()["date"].unique().to_list() == [WRONG]
    found = audit(lake, at_first(WRONG))
    assert [one.finding for one in found.values()] == ["", ""]
    assert found[str(WRONG)].compared == 20 * published_before


def test_what_stays_published_of_a_held_partition_is_compared(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    arrive(lake, second=False)
    arrive(lake, second=True)
    changed = lake.revisions(VALIDATED_BARS).with_columns(volume=pl.lit(9.0)).collect()
    lake.write(VALIDATED_BARS, changed, SCOPE)
    assert audit(lake, at_first(WRONG))[str(WRONG)].different == 20


def test_rows_published_before_a_release_are_no_alarm_after_it(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    arrive(lake, second=False)
    arrive(lake, second=True)
    held = releasable(lake, "XNAS", WRONG, WRONG, "mostly_right")
    assert held.height == 1
    now = datetime(2018, 11, 1, tzinfo=UTC)
    told = held.with_columns(since=pl.lit("release"), released_by=pl.lit("me"), why=pl.lit("x"), known_at=now)
    lake.write(RELEASES, RELEASES.conform(told), told.select("exchange", "date"))
    validate_bars(lake, SCOPE)
    found = audit(lake, now + timedelta(days=1))[str(WRONG)]
    assert found.finding == ""
    assert found.compared == 28
    changed = lake.revisions(VALIDATED_BARS).with_columns(volume=pl.lit(9.0)).collect()
    lake.write(VALIDATED_BARS, changed, SCOPE)
    # The 20 that were published before count from the release on, once they are not what is published any
    # more: they differ under both moments.
    assert audit(lake, now + timedelta(days=1))[str(WRONG)].different == 28 + 20
