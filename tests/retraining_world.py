"""What tests of retraining share: bars to learn from, and the sensor's look as the daemon takes it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
import polars as pl
from inprocess import Lineage

from lim_pipelines.lake import scope_of
from lim_pipelines.schemas import VALIDATED_BARS


def ask(lineage: Lineage, cursor: str | None = None) -> dg.SensorResult:
    """Let the retraining sensor look once, with the cursor of its last look."""
    from lim_pipelines.definitions import defs
    from resources.home import Home

    context = dg.build_sensor_context(
        lineage.instance, cursor=cursor, resources={"home": Home(root=str(lineage.path))}, definitions=defs
    )
    sensor: Any = defs.resolve_sensor_def("retraining_sensor")
    found: dg.SensorResult = sensor(context)
    return found


def skipped(found: dg.SensorResult) -> str:
    """Why nothing is asked for; empty if something is."""
    return str(found.skip_reason.skip_message) if found.skip_reason else ""


def sessions(lineage: Lineage, days: list[date], instrument_id: str = "XNAS:IXIC") -> None:
    """Write one bar of an index, or of something else, for each day, known soon after its close."""
    mic = instrument_id.split(":")[0]
    rows = [
        {
            "exchange": mic,
            "date": day,
            "instrument_id": instrument_id,
            "freq": "1d",
            "ts": datetime(day.year, day.month, day.day, 21, tzinfo=UTC),
            **dict.fromkeys(("open", "high", "low", "close"), 100.0),
            "volume": 1.0,
            "ex_factor": 1.0,
            "price_type": "trade",
            "asset_class": "index",
            "withdrawn": False,
            "source": "test",
            "known_at": datetime(day.year, day.month, day.day, 21, 15, tzinfo=UTC),
        }
        for day in days
    ]
    lineage.lake.write(
        VALIDATED_BARS,
        pl.DataFrame(rows, schema=VALIDATED_BARS.schema),
        scope_of({"exchange": [mic], "date": days}),
    )
