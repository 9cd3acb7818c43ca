"""A correction of what the newest checkpoint has read: trained again at once, once, and nothing else is."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
from inprocess import Lineage
from retraining_world import ask, sessions, skipped
from trained import train

from lim_pipelines.lake import scope_of
from lim_pipelines.schemas import VALIDATED_BARS

NOVEMBER = [date(2018, 11, day) for day in (1, 2, 5, 6, 7, 8, 9, 12, 13, 14, 15, 16, 19, 20, 21, 26, 27, 28)]


def corrected(lineage: Lineage, day: date, known: datetime) -> None:
    """Add a revision of a session's bar."""
    scope = scope_of({"exchange": ["XNAS"], "date": [day]})
    there = lineage.lake.revisions(VALIDATED_BARS, pl.col("date") == day).collect()
    rows = there.head(1).with_columns(close=pl.lit(101.0), known_at=pl.lit(known, pl.Datetime("us", "UTC")))
    lineage.lake.write(VALIDATED_BARS, pl.concat([there, rows]), scope)


def test_one_corrected_row_has_the_newest_checkpoint_trained_again_and_unchanged_content_nothing(
    lineage: Lineage,
) -> None:
    models = lineage.path / "models"
    sessions(lineage, NOVEMBER)
    train(lineage.lake, models, date(2018, 12, 1))
    sessions(lineage, NOVEMBER[:3])
    assert "foundation_checkpoint: 0 of 15" in skipped(ask(lineage)), "the same content again"

    corrected(lineage, NOVEMBER[2], datetime(2018, 12, 5, tzinfo=UTC))
    assert "foundation_checkpoint: 0 of 15" in skipped(ask(lineage)), "known after its cutoff"

    corrected(lineage, NOVEMBER[3], datetime(2018, 11, 25, tzinfo=UTC))
    first = ask(lineage)
    (run,) = first.run_requests or []
    assert run.tags["dagster/asset_partition_range_start"] == "2018-12-01"
    why = run.tags["lim/cause"]
    assert (why.startswith("2018-12-01 is stale: "), "XNAS" in why, "2018-11-06" in why) == (True, True, True)
    train(lineage.lake, models, date(2018, 12, 1))
    assert "foundation_checkpoint: 0 of 15" in skipped(ask(lineage, first.cursor)), (
        "the checkpoint has read the correction"
    )
