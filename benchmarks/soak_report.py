"""What a soak is judged by: memory, ticks, cursor, lake; what is missing or there twice.

What does not belong here: files (`soak_files.py`), sensors and runs (`soak.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.soak_files import Vendors

SENSORS = ("landing_sensor", "inputs_sensor", "results_sensor", "sentinel")


@dataclass
class Sample:
    """What was measured when a burst was worked off.

    Parameters
    ----------
    files, runs
        Sent and made so far.
    ticks
        Processor seconds of each sensor's ticks since the burst.
    cursor
        Bytes of the landing sensor's cursor.
    looking, running
        Resident bytes of the process of the sensors, and of that of the runs.
    took
        Seconds.
    """

    files: int
    runs: int
    ticks: dict[str, list[float]]
    cursor: int
    looking: int
    running: int
    took: float


def differences(home: Path, vendors: Vendors, read: int) -> list[str]:
    """Say what is missing, or twice, in ledger and lake; nothing if all is well."""
    from lim_pipelines.lake import LATEST, Lake
    from lim_pipelines.schemas import LANDING_FILES, RAW_QUOTES, VALIDATED_BARS

    lake, ours = Lake(home / "lake"), pl.col("source").str.contains("^(feed|csv_drop)")
    ledger = lake.revisions(LANDING_FILES).select("path", "sha256").unique().collect().height
    revisions = lake.revisions(RAW_QUOTES, ours).select(pl.len()).collect().item()
    held = lake.read(VALIDATED_BARS, as_of=LATEST, where=ours).collect()
    wanted = vendors.expected()
    held = held.select(pl.col(name).cast(dtype) for name, dtype in wanted.schema.items())
    counts = (
        ("contents in the ledger", ledger, vendors.contents),
        ("contents read", read, vendors.contents),
        ("bars and withdrawals ever loaded", revisions, vendors.bars),
        ("bars that hold", held.height, wanted.height),
        ("of them as sent last", held.join(wanted, on=wanted.columns, how="semi").height, wanted.height),
    )
    for name, found, due in counts:
        print(f"{name:35}{found:8,} of {due:,}")
    return [f"{name}: {found} instead of {due}" for name, found, due in counts if found != due]


def report(samples: Sequence[Sample], home: Path) -> None:
    """Print how memory, ticks, cursor and lake grew."""
    files = np.array([sample.files for sample in samples])
    for name in ("looking", "running"):
        held = np.array([getattr(sample, name) for sample in samples]) / 2**20
        slope = _slope(files, held)
        print(f"memory, {name}: {held[0]:.0f} MiB first, {held[-1]:.0f} last, {slope:+.1f} a 1,000 files")
    for sensor in SENSORS:
        for name, chosen in (("first", files <= files[0] + 1000), ("last", files > files[-1] - 1000)):
            ticks = [t for i in np.flatnonzero(chosen) for t in samples[i].ticks[sensor]]
            low, high = np.percentile(ticks, [50, 95])
            print(f"{sensor:15}{name:5} thousand: median {low:.3f} s, 95 % {high:.3f}, most {max(ticks):.3f}")
    cursors = [sample.cursor for sample in samples]
    print(f"cursor of landing_sensor: {max(cursors):,} bytes at most, {cursors[-1]:,} at the end")
    for table in sorted((home / "lake").iterdir()):
        commits, parts = (len(list(table.rglob(pattern))) for pattern in ("_delta_log/*.json", "*.parquet"))
        print(f"{table.name:18}{commits:6} commits {parts:6} Parquet files, replaced ones included")


def _slope(files: np.ndarray, held: np.ndarray) -> float:
    """Fit a line over the last two thirds: MiB a thousand files."""
    late = files >= files[-1] / 3
    return float(np.polyfit(files[late] / 1000, held[late], 1)[0]) if late.sum() > 2 else float("nan")
