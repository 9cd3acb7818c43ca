"""Ten thousand files through the sensors: flat memory, bounded ticks, no file missed, none loaded twice.

    python -m benchmarks.soak --files 10000
    python -m benchmarks.soak --files 10000 --storage postgres

Files of three exchanges arrive in bursts of random size (`soak_files.py`). After each burst the sensors tick,
by Dagster's own evaluation on an instance on disk or in Postgres, until none asks for anything; what they ask
for is run. What a daemon does between two ticks is done here: the cursor is kept, a run key is run once, new
partitions are added. Why no daemon: a run in a process of its own takes seconds to start, hundreds of runs
half an hour more; `make month` has the real one.

Sensors are in this process, runs one after the other in another. The memory of the one is that of a code
server; the other is what no installation has, a process that makes all runs and never ends. What is printed
and judged: `soak_report.py`.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.backfill import storage
from benchmarks.soak_files import PARTS, SYMBOLS, Vendors
from benchmarks.soak_report import SENSORS, Sample, differences, report

MEAN = 500
LISTED = ("XNAS",)
"""Exchanges whose files do not say what their symbols mean."""


@dataclass
class Platform:
    """Sensors, and a way to have runs made.

    Parameters
    ----------
    home
        LIM_HOME.
    instance
        Dagster's instance.
    execute
        Makes a run: job, assets, partition, tags; gives whether it succeeded, files read, resident bytes.
    """

    home: Path
    instance: Any
    execute: Callable[..., tuple[bool, int, int]]
    cursors: dict[str, str | None] = field(default_factory=dict)
    runs: list[tuple[str, str]] = field(default_factory=list)  # job and exchange of each
    read: int = 0
    running: int = 0
    _keys: set[str] = field(default_factory=set)

    def rest(self) -> dict[str, list[float]]:
        """Let the sensors look until none asks for anything; processor seconds of their ticks."""
        seconds: dict[str, list[float]] = {name: [] for name in SENSORS}
        asked = True
        while asked:
            asked = False
            for name in SENSORS:
                # Of the processor: what else the machine does is not the sensor's.
                begin = time.process_time()
                requests = self._tick(name)
                seconds[name].append(time.process_time() - begin)
                for request in requests:
                    asked = True
                    self._run(request)
        return seconds

    def _tick(self, name: str) -> Sequence[Any]:
        """One tick as the daemon has it evaluated."""
        import dagster as dg

        from lim_pipelines.definitions import defs
        from resources.home import Home

        repository = defs.get_repository_def()
        with dg.build_sensor_context(
            self.instance,
            cursor=self.cursors.get(name),
            repository_def=repository,
            resources={"home": Home(root=str(self.home))},
        ) as context:
            found = repository.get_sensor_def(name).evaluate_tick(context)
        self.cursors[name] = found.cursor
        for added in found.dynamic_partitions_requests or ():
            self.instance.add_dynamic_partitions(added.partitions_def_name, list(added.partition_keys))
        return [request for request in found.run_requests or () if request.run_key not in self._keys]

    def _run(self, request: Any) -> None:
        self._keys.add(request.run_key)
        assets = [key.to_user_string() for key in request.asset_selection or ()]
        self.runs.append((request.job_name, request.tags.get("lim/exchange", "")))
        tags = {**request.tags, "dagster/run_key": request.run_key}
        done, read, self.running = self.execute(request.job_name, assets, request.partition_key, tags)
        self.read += read
        if not done:
            raise SystemExit(f"{request.run_key} failed; see the event log in {os.environ['DAGSTER_HOME']}")


def execute(
    job: str,
    assets: Sequence[str],
    partition: str | None,
    tags: dict[str, str],
    checks: frozenset[Any] | None = None,
) -> tuple[bool, int, int]:
    """Make one run in this process on the instance that DAGSTER_HOME names; see `Platform.execute`.

    `checks` are keys of asset checks; None is all of the assets', as the daemon has it.
    """
    import dagster as dg

    from lim_pipelines.definitions import defs

    whole = defs.resolve_job_def(job)
    keys = {dg.AssetKey(name) for name in assets}
    chosen = whole.get_subset(asset_selection=keys, asset_check_selection=checks) if keys else whole
    with dg.DagsterInstance.get() as instance:
        done = chosen.execute_in_process(
            instance=instance,
            tags=tags,
            partition_key=partition,
            run_config={"loggers": {"console": {"config": {"log_level": "ERROR"}}}},
            raise_on_error=False,
        )
        read = sum(
            int(str(event.materialization.metadata["files_read"].value))
            for event in done.get_asset_materialization_events()
            if event.asset_key == dg.AssetKey("landing_files")
        )
    return bool(done.success), read, resident()


def resident() -> int:
    """Bytes of this process in memory, after what is garbage is gone."""
    import psutil

    gc.collect()
    return int(psutil.Process().memory_info().rss)


def soak(platform: Platform, vendors: Vendors, files: int, mean: int) -> Iterator[Sample]:
    """Send files in bursts of `mean` on average, and let the platform work each off.

    Raises
    ------
    SystemExit
        A burst's loads were not of the exchanges that had news.
    """
    platform.rest()
    while vendors.sent.total() < files:
        begin, before = time.perf_counter(), len(platform.runs)
        size = int(min(vendors.rng.geometric(1 / mean), 5 * mean, files - vendors.sent.total()))
        news = vendors.burst(size)
        if vendors.sent.total() >= files:
            news |= vendors.last()
        ticks = platform.rest()
        loaded = {exchange for job, exchange in platform.runs[before:] if job == "load_quotes"}
        if loaded != news:
            raise SystemExit(f"there was news of {sorted(news)}, and loads of {sorted(loaded)}")
        yield Sample(
            vendors.sent.total(),
            len(platform.runs),
            ticks,
            len(platform.cursors["landing_sensor"] or ""),
            resident(),
            platform.running,
            time.perf_counter() - begin,
        )


def listed(home: Path) -> None:
    """Say what the symbols of `LISTED` mean."""
    from benchmarks.backfill import register_symbols
    from lim_pipelines.lake import Lake

    register_symbols(Lake(home / "lake"), [f"S{i:03}" for i in range(PARTS * SYMBOLS)], LISTED)


def main() -> None:
    """Soak, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--storage", choices=("sqlite", "postgres"), default="sqlite")
    chosen = parser.parse_args()

    import dagster as dg

    with tempfile.TemporaryDirectory() as place, storage(chosen.storage, Path(place)) as fresh:
        home = Path(place) / "home"
        dagster_home = home / "dagster"
        dagster_home.mkdir(parents=True)
        fresh(dagster_home)
        os.environ |= {"LIM_HOME": str(home), "DAGSTER_HOME": str(dagster_home)}
        listed(home)
        vendors = Vendors(home / "landing", np.random.default_rng(9))
        with dg.DagsterInstance.get() as instance, ProcessPoolExecutor(1, get_context("spawn")) as pool:
            platform = Platform(home, instance, lambda *run: pool.submit(execute, *run).result())
            samples = []
            for sample in soak(platform, vendors, chosen.files, MEAN):
                samples.append(sample)
                print(
                    f"{sample.files:6} files {sample.runs:5} runs, looking {sample.looking / 2**20:.0f} MiB,"
                    f" running {sample.running / 2**20:.0f} MiB, landing_sensor"
                    f" {max(sample.ticks['landing_sensor']):.2f} s, burst {sample.took:.0f} s",
                    flush=True,
                )
        print(f"\n{dict(vendors.sent)}, {len(samples)} bursts, {len(platform.runs)} runs")
        report(samples, home)
        wrong = differences(home, vendors, platform.read)
    if wrong:
        raise SystemExit("\n".join(wrong))


if __name__ == "__main__":
    main()
    sys.stdout.flush()
