"""Bulk history: files to validated bars in the lake, against bare Polars scan -> sort -> write Parquet.

    python -m benchmarks.bulk_import daily --instruments 5000 --years 5 10 20
    python -m benchmarks.bulk_import minutes --instruments 100 --sessions 1282

Simulated vendor csv files (a file a year, or a month of minutes) are declared history of the landing folder.
Ours reads them, writes raw, aligned and validated bars, and quarantine, in committed periods. The baseline
reads the same files with the schema given, sorts by symbol and time and writes one Parquet file: a third of
the tables, no checks, no publication times. Each runs in a process of its own; peak memory is that of the
whole process.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

FIRST = date(1995, 1, 3)
MIC = "XNYS"
CHILD = "benchmarks.bulk_import"


def symbols(count: int) -> list[str]:
    """Names of the simulated instruments."""
    return [f"B{i:05}" for i in range(count)]


def write_files(kind: str, instruments: int, sessions: int, folder: Path) -> list[Path]:
    """Simulate the vendor's files: sorted by time, then symbol."""
    from lim_pipelines.exchanges import sessions as calendar

    grid = calendar(MIC, FIRST, FIRST + timedelta(days=int(sessions * 1.5) + 10)).head(sessions)
    rng, names = np.random.default_rng(7), pl.DataFrame({"symbol": symbols(instruments)})
    every = 252 if kind == "daily" else 21
    files = []
    for i in range(0, sessions, every):
        days = grid[i : i + every]
        if kind == "daily":
            times = days.select(pl.col("date").cast(pl.String))
        else:
            # 390 minutes, or 210 on a half day.
            times = days.select(
                timestamp=pl.datetime_ranges(pl.col("open") + pl.duration(minutes=1), "close", "1m")
            ).explode("timestamp")
            times = times.select(pl.col("timestamp").dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
        rows = times.join(names, how="cross")
        close = np.round(rng.uniform(10, 200, rows.height), 2)
        rows = rows.with_columns(
            open=pl.Series(close), high=pl.Series(close + 0.5), low=pl.Series(close - 0.5)
        ).with_columns(close=pl.Series(close), volume=pl.Series(rng.integers(1, 10**6, rows.height)))
        files.append(folder / f"{kind}-{i:05}.csv")
        rows.write_csv(files[-1])
    return files


def bare(files: list[Path], kind: str, out: Path) -> int:
    """Scan, sort, write."""
    when = {"date": pl.Date} if kind == "daily" else {"timestamp": pl.Datetime("us", "UTC")}
    prices = dict.fromkeys(("open", "high", "low", "close", "volume"), pl.Float64)
    schema = {**when, "symbol": pl.String, **prices}
    frame = pl.scan_csv(files, schema=schema).sort("symbol", *when).collect()
    frame.write_parquet(out)
    return frame.height


def ours(landing: Path, lake_folder: Path, instruments: int) -> int:
    """Import through the platform."""
    from lim_pipelines.bulk import import_history
    from lim_pipelines.lake import Lake
    from lim_pipelines.reference import register
    from lim_pipelines.schemas import LISTINGS, UTC_TIME

    lake = Lake(lake_folder)
    known = pl.DataFrame({"symbol": symbols(instruments)}).with_columns(
        source=pl.lit("csv_drop"),
        exchange=pl.lit(MIC),
        instrument_id=pl.lit(f"{MIC}:") + pl.col("symbol"),
        name="symbol",
        asset_class=pl.lit("equity"),
        currency=pl.lit("USD"),
        file=pl.lit("benchmark"),
        known_at=pl.lit(FIRST).cast(UTC_TIME),
    )
    register(lake, LISTINGS.conform(known))
    done = import_history(lake, landing, MIC, date(1990, 1, 1), date(2030, 12, 31))
    if done.refused or done.published != done.rows_in:
        raise SystemExit(
            f"{done.refused[:1]}, {done.rows_in} rows in, {done.published} published: {done.held}"
        )
    return done.published


def child(job: dict[str, str | int]) -> None:
    """Run one side and print rows, seconds, peak memory."""
    work = Path(str(job["work"]))
    files = sorted((work / "landing" / "csv_drop" / MIC / "history").glob("*.csv"))
    begin = time.perf_counter()
    if job["side"] == "bare":
        rows = bare(files, str(job["kind"]), work / "bare.parquet")
    else:
        rows = ours(work / "landing", work / "lake", int(job["instruments"]))
    seconds = time.perf_counter() - begin
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "rows": rows,
                "seconds": seconds,
                "cpu": used.ru_utime + used.ru_stime,
                "peak_gib": used.ru_maxrss / 2**20,
            }
        )
    )


def measure(kind: str, instruments: int, sessions: int) -> None:
    """Measure both sides on one size and print a line of the table."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        landing = work / "landing" / "csv_drop" / MIC / "history"
        landing.mkdir(parents=True)
        files = write_files(kind, instruments, sessions, landing)
        size = sum(file.stat().st_size for file in files) / 2**20
        result = {}
        for side in ("bare", "ours"):
            job = json.dumps({"side": side, "kind": kind, "instruments": instruments, "work": folder})
            done = subprocess.run(
                [sys.executable, "-m", CHILD, "child", job], capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise SystemExit(done.stderr)
            result[side] = json.loads(done.stdout.splitlines()[-1])
        for side in ("ours", "bare"):
            one = result[side]
            print(
                f"{kind:8} {one['rows']:12,} rows {size:7,.0f} MiB csv  {side:4}  {one['seconds']:7.1f} s"
                f"  cpu {one['cpu']:7.1f} s  {one['rows'] / one['seconds'] / 1e6:6.2f} M rows/s"
                f"  peak {one['peak_gib']:5.2f} GiB"
            )
        ratios = {name: result["bare"][name] / result["ours"][name] for name in ("seconds", "cpu")}
        print(
            f"  speed ratio {ratios['seconds']:.2f} by the clock, {ratios['cpu']:.2f} by cpu time", flush=True
        )


def main() -> None:
    """Parse arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("kind", choices=["daily", "minutes", "child"])
    parser.add_argument("job", nargs="?")
    parser.add_argument("--instruments", type=int, default=500)
    parser.add_argument("--years", type=int, nargs="+", default=[5])
    parser.add_argument("--sessions", type=int, nargs="+", default=[126])
    args = parser.parse_args()
    if args.kind == "child":
        child(json.loads(args.job))
    elif args.kind == "daily":
        for years in args.years:
            measure("daily", args.instruments, years * 252)
    else:
        for sessions in args.sessions:
            measure("minutes", args.instruments, sessions)


if __name__ == "__main__":
    main()
