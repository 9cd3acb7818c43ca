"""Make a small home in which the gate holds a partition, to look at: `python scripts/held_home.py`.

Writes to $LIM_HOME and the Dagster instance in $DAGSTER_HOME, which should be new folders; `make ui` with the
same ones shows the red check. What does not belong here: assertions (`tests/e2e/test_red_check.py`).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg

from lim_pipelines.definitions import defs
from resources.home import Home

HEADER = "symbol,timestamp,open,high,low,close,volume\n"
MONDAY, TUESDAY, WEDNESDAY = (date(2018, 11, day) for day in (19, 20, 21))
SWAPPED = {MONDAY: 0, TUESDAY: 10, WEDNESDAY: 1}
"""Bars of a session whose high and low have changed places: of Tuesday's too many to trust the rest."""
MINUTES = 30
STEPS = ("raw_quotes", "aligned_bars", "validated_bars", "resampled_bars")


def minutes(day: date, swapped: int = 0, price: float = 117) -> str:
    """Half an hour of one share; in the last `swapped` bars high and low have changed places."""
    opened = datetime(day.year, day.month, day.day, 14, 30, tzinfo=UTC)  # 9:30 in New York
    lines = [HEADER]
    for i in range(1, MINUTES + 1):
        close = price + i / 10
        high, low = close + 0.5, close - 0.5
        if i > MINUTES - swapped:
            high, low = low, high
        lines.append(f"IBM,{opened + timedelta(minutes=i)},{close},{high},{low},{close},900\n")
    return "".join(lines)


def build(landing: Path, instance: dg.DagsterInstance) -> None:
    """Drop the files and take them through all steps, with the checks of the gate."""
    instance.add_dynamic_partitions("exchange", ["XNYS"])
    folder = landing / "csv_drop" / "XNYS"
    folder.mkdir(parents=True, exist_ok=True)
    for day, swapped in SWAPPED.items():
        (folder / f"{day}.csv").write_text(minutes(day, swapped))
    bars = dg.AssetKey("validated_bars")
    job = defs.resolve_implicit_global_asset_job_def().get_subset(
        asset_selection={dg.AssetKey(name) for name in STEPS},
        asset_check_selection={dg.AssetCheckKey(bars, name) for name in ("published", "gate", "quarantine")},
    )
    tags = {
        "dagster/asset_partition_range_start": f"{MONDAY}|XNYS",
        "dagster/asset_partition_range_end": f"{WEDNESDAY}|XNYS",
    }
    job.execute_in_process(instance=instance, tags=tags)


if __name__ == "__main__":
    with dg.DagsterInstance.get() as here:
        build(Home().landing, here)
