"""The gate against reading what it judges: time by rows, and memory over growing numbers of partitions.

    python -m benchmarks.validation_gate [--minutes 2000000] [--instruments 5000] [--sessions 252]

Simulated bars lie in a lake as aligned ones: one partition of one-minute bars, and a year of daily bars of
many instruments, with what came before. In one process, best of three: the baseline reads the same rows from
the lake and sorts them as the gate gets them; then `validate` judges them by all rules of bars. The memory
table judges blocks of partitions, more and more of them, each size in a process of its own; what a block
needs must not grow with their number.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from typing import TypeVar

import numpy as np
import polars as pl

from lim_pipelines.exchanges import sessions
from lim_pipelines.lake import Lake
from lim_pipelines.reference import register
from lim_pipelines.schemas import ALIGNED_BARS, LISTINGS, UTC_TIME, VALIDATED_BARS
from lim_pipelines.validate.beside import read_beside
from lim_pipelines.validate.gate import validate
from lim_pipelines.validate.rules import rules_of

MIC, SOURCE = "XNYS", "csv_drop"
FIRST = date(2017, 1, 3)
TRIES = 3
Result = TypeVar("Result")


def walk(names: pl.DataFrame, grid: pl.DataFrame, freq: str, step: float) -> pl.DataFrame:
    """Random walks on a grid of date and ts: bars without defects."""
    rng = np.random.default_rng(3)
    rows = names.join(grid, how="cross")
    moves = step * rng.standard_normal((names.height, grid.height))
    close = (50 * np.exp(moves.cumsum(axis=1))).ravel()
    price = pl.Series(close).round(2)
    return rows.select(
        "date",
        "instrument_id",
        "ts",
        exchange=pl.lit(MIC),
        freq=pl.lit(freq),
        open=price,
        close=price,
        high=price + 0.05,
        low=price - 0.05,
        volume=pl.Series(rng.integers(1, 10**4, rows.height)) * 100.0,
        ex_factor=1.0,
        asset_class=pl.lit("equity"),
        source=pl.lit(SOURCE),
        known_at=pl.col("ts") + timedelta(minutes=15),
    )


def names(count: int) -> pl.DataFrame:
    """Instruments, as many as asked for."""
    return pl.DataFrame({"instrument_id": [f"{MIC}:B{i:05}" for i in range(count)]})


def listed(lake: Lake, count: int) -> None:
    """Register the instruments."""
    known = names(count).with_columns(
        symbol=pl.col("instrument_id").str.slice(5),
        name="instrument_id",
        source=pl.lit(SOURCE),
        exchange=pl.lit(MIC),
        asset_class=pl.lit("equity"),
        currency=pl.lit("USD"),
        tick_size=0.01,
        lot_size=1.0,
        file=pl.lit("benchmark"),
        known_at=pl.lit(FIRST).cast(UTC_TIME),
    )
    register(lake, LISTINGS.conform(known))


def write(lake: Lake, rows: pl.DataFrame) -> pl.DataFrame:
    """Lay bars into the lake and return their partitions."""
    scope = rows.select(ALIGNED_BARS.partition_key).unique()
    lake.write(ALIGNED_BARS, rows, scope)
    return scope


def minutes(rows: int) -> tuple[pl.DataFrame, int]:
    """One partition of one-minute bars, and its instruments."""
    day = sessions(MIC, FIRST, FIRST + timedelta(days=10)).head(1)
    grid = day.select("date", ts=pl.datetime_ranges(pl.col("open") + pl.duration(minutes=1), "close", "1m"))
    grid = grid.explode("ts", empty_as_null=False)
    count = -(-rows // grid.height)
    return walk(names(count), grid, "1m", 0.0005), count


def days(instruments: int, number: int) -> pl.DataFrame:
    """Daily bars of consecutive sessions."""
    grid = sessions(MIC, FIRST, FIRST + timedelta(days=2 * number + 10)).head(number)
    return walk(names(instruments), grid.select("date", ts="close"), "1d", 0.01)


def best(work: Callable[[], Result]) -> tuple[float, float, Result]:
    """Shortest seconds by the clock and of cpu time of some tries, and the last result."""
    times, cpu = [], []
    for _ in range(TRIES):
        begin, used = time.perf_counter(), time.process_time()
        result = work()
        times.append(time.perf_counter() - begin)
        cpu.append(time.process_time() - used)
    return min(times), min(cpu), result


def measure(label: str, rows: pl.DataFrame, instruments: int, skip: int) -> None:
    """Time reading and judging, and print both; the first `skip` sessions are only what came before."""
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(folder)
        listed(lake, instruments)
        scope = write(lake, rows).sort("date").slice(skip)
        near = pl.col("date").is_between(scope["date"].min(), scope["date"].max())

        def read() -> pl.DataFrame:
            return lake.revisions(ALIGNED_BARS, near).sort(ALIGNED_BARS.row_key).collect()

        reading, reading_cpu, frame = best(read)
        asking, _, beside = best(lambda: read_beside(lake, scope))
        judging, judging_cpu, outcome = best(lambda: validate(frame, VALIDATED_BARS, beside))
    if outcome.rows.height != frame.height:
        raise SystemExit(f"{label}: clean rows are held back: {outcome.quarantined}, {outcome.held}")
    print(
        f"{label:34} {frame.height:10,} rows {scope.height:4} partitions\n"
        f"    read (baseline) {reading:6.2f} s, cpu {reading_cpu:6.2f} s; what came before {asking:5.2f} s\n"
        f"    gate            {judging:6.2f} s, cpu {judging_cpu:6.2f} s;"
        f" {frame.height / judging * 60 / 1e6:.1f} M rows/min\n"
        f"    ratio {judging / reading:.2f} by the clock, {judging_cpu / reading_cpu:.2f} by cpu time",
        flush=True,
    )


def memory(partitions: int) -> None:
    """Judge sessions of daily bars, a block of 20 at a time, and print the peak."""
    with tempfile.TemporaryDirectory() as folder:
        lake, count, block = Lake(folder), 2_000, 20
        listed(lake, count)
        grid = sessions(MIC, FIRST, FIRST + timedelta(days=2 * partitions + 10)).head(partitions)
        for i in range(0, partitions, block):
            part = grid[i : i + block].select("date", ts="close")
            write(lake, walk(names(count), part, "1d", 0.01))
        for i in range(0, partitions, block):
            part = grid[i : i + block]["date"]
            scope = pl.DataFrame({"exchange": MIC, "date": part})
            near = pl.col("date").is_between(part.min(), part.max())
            frame = lake.revisions(ALIGNED_BARS, near).sort(ALIGNED_BARS.row_key).collect()
            validate(frame, VALIDATED_BARS, read_beside(lake, scope))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{partitions:6} partitions, {partitions * count:10,} rows: peak {peak:5.2f} GiB", flush=True)


def main() -> None:
    """Parse arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=int, default=2_000_000)
    parser.add_argument("--instruments", type=int, default=5_000)
    parser.add_argument("--sessions", type=int, default=252)
    parser.add_argument("--partitions", type=int, nargs="+", default=[20, 100, 400])
    parser.add_argument("--memory", type=int)
    args = parser.parse_args()
    if args.memory:
        memory(args.memory)
        return
    rules = [rule for level in ("row", "partition") for rule in rules_of(VALIDATED_BARS, level)]
    print(f"{len(rules)} rules of bars, polars {pl.__version__}, {pl.thread_pool_size()} threads", flush=True)
    # First: a child's peak begins with what its parent holds.
    for number in args.partitions:
        command = [sys.executable, "-m", "benchmarks.validation_gate", "--memory", str(number)]
        subprocess.run(command, check=True)
    rows, count = minutes(args.minutes)
    measure("one partition of one-minute bars", rows, count, 0)
    measure("a year of daily bars", days(args.instruments, args.sessions + 60), args.instruments, 60)


if __name__ == "__main__":
    main()
