"""A home as a house has it after five years, to look at in the UI (`ui_pages.py` measures its pages).

Four exchanges, every day from 2018-10-01 on. The session assets are the real ones: simulated daily csv files,
one an exchange and month, are loaded by a range run each, with the checks of the gate, as `backfill` would. A
few months fail, a few are never asked for; a few files hold a bar with high and low exchanged. Everything
else that the UI shows is written as records (`ui_records.py`). What does not belong here: measuring.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
from tqdm import tqdm

from benchmarks.backfill import register_symbols
from benchmarks.ui_records import record_backfill, record_cutoffs, record_runs, record_ticks

MICS = ("XNAS", "XNYM", "XNYS", "XSIM")
FIRST, YEARS = date(2018, 10, 1), 5
STEPS = ("raw_quotes", "aligned_bars", "validated_bars", "resampled_bars")
INSTRUMENTS = 5
NEVER = {("XNYM", "2020-02"), ("XNYS", "2021-07")}
"""Exchange and month of a load that nobody asked for."""
FAILED = {("XNAS", "2020-03"), ("XSIM", "2022-11"), ("XNYM", "2023-09")}
WRONG = {("XNAS", "2019-05"), ("XNYS", "2022-06"), ("XSIM", "2023-08")}
"""Exchange and month of a file with a bar that is impossible."""


def months(years: int) -> list[tuple[str, date, date]]:
    """Name, first and last day of each month of the daily partitions."""
    begins = pl.date_range(FIRST, FIRST.replace(year=FIRST.year + years), "1mo", closed="left", eager=True)
    return [
        (f"{first:%Y-%m}", first, last) for first, last in zip(begins, begins.dt.month_end(), strict=True)
    ]


def write_files(landing: Path, years: int) -> None:
    """Simulate what vendors shipped: a file an exchange and month, daily bars that walk at random."""
    from lim_pipelines.exchanges import sessions

    rng = np.random.default_rng(9)
    last = months(years)[-1][2]
    for mic in MICS:
        folder = landing / "csv_drop" / mic
        folder.mkdir(parents=True)
        grid = sessions(mic, FIRST, last).select("date")
        steps = rng.normal(0, 0.008, (grid.height, INSTRUMENTS)).cumsum(axis=0)
        rows = pl.concat(
            grid.with_columns(symbol=pl.lit(name), close=pl.Series(100 * np.exp(steps[:, i])).round(2))
            for i, name in enumerate(symbols())
        )
        rows = rows.select(
            "symbol",
            "date",
            open="close",
            high=pl.col("close") + 0.5,
            low=pl.col("close") - 0.5,
            close="close",
            volume=pl.Series(rng.integers(10_000, 20_000, rows.height)),
        )
        for (month,), part in rows.group_by(pl.col("date").dt.strftime("%Y-%m")):
            if (mic, month) in WRONG:
                part = part.with_columns(
                    high=pl.when(pl.int_range(pl.len()) == 7).then("low").otherwise("high")
                )
            part.sort("date", "symbol").write_csv(folder / f"{month}.csv")
            os.utime(folder / f"{month}.csv", (1.7e9, 1.7e9))


def symbols() -> list[str]:
    """Names of the simulated instruments."""
    return [f"U{i}" for i in range(INSTRUMENTS)]


def load(instance: dg.DagsterInstance, years: int) -> None:
    """Load every month of every exchange, each by a range run of the real assets, or by one that fails."""
    from lim_pipelines.definitions import defs

    bars = dg.AssetKey("validated_bars")
    real = defs.resolve_implicit_global_asset_job_def().get_subset(
        asset_selection={dg.AssetKey(name) for name in STEPS},
        asset_check_selection={dg.AssetCheckKey(bars, name) for name in ("published", "gate", "quarantine")},
    )
    broken = _broken_job()
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    wanted = [(mic, *month) for month in months(years) for mic in MICS if (mic, month[0]) not in NEVER]
    for mic, name, first, last in tqdm(wanted, unit="run", disable=None, mininterval=10):
        tags = {
            "dagster/asset_partition_range_start": f"{first}|{mic}",
            "dagster/asset_partition_range_end": f"{last}|{mic}",
            "lim/exchange": mic,
            "lim/ask": f"load_quotes:{mic}:{first}..{last}",
            "lim/cause": f"{mic} {name}: 1 new file",
        }
        job = broken if (mic, name) in FAILED else real
        job.execute_in_process(instance=instance, tags=tags, run_config=quiet, raise_on_error=False)


def _broken_job() -> Any:
    """Return the same assets where the disk is full."""
    from assets.partitions import exchange_dates

    assets = []
    for i, name in enumerate(STEPS):

        @dg.asset(name=name, partitions_def=exchange_dates, deps=list(STEPS[i - 1 : i]))
        def full() -> None:
            """Fail."""
            raise OSError(28, "No space left on device", "lake/raw_quotes")

        assets.append(full)
    return dg.Definitions(assets=assets).resolve_implicit_global_asset_job_def()


def build(instance: dg.DagsterInstance, home: Path, years: int) -> Iterator[str]:
    """Make everything in a home whose instance is new; tells after each part what it was.

    Parameters
    ----------
    instance
        Dagster instance, empty.
    home
        LIM_HOME, empty.
    years
        Of the daily partitions, from their first day on.
    """
    from lim_pipelines.lake import Lake

    write_files(home / "landing", years)
    register_symbols(Lake(home / "lake"), symbols(), MICS)
    instance.add_dynamic_partitions("exchange", list(MICS))
    yield "files"
    load(instance, years)
    yield f"range runs of {len(MICS)} exchanges"
    record_cutoffs(instance, months(years))
    record_runs(instance, months(years), MICS)
    record_ticks(instance)
    record_backfill(instance, months(years), MICS, STEPS)
    yield "records"
