"""A month of a big lake as of now and as of the past, against a bare DuckDB scan of the same files.

    python benchmarks/point_in_time.py [--years 20] [--instruments 5000] [--folder FOLDER]

Simulated daily bars of four exchanges, written year by year as an import does, then a correction of one
day in twenty of one year, then `maintain`. What is read: one month, all instruments, six columns. DuckDB
reads the very files of the table, once all of them, once only those that the lake's own bounds leave; it
knows nothing of revisions, so in the corrected month it returns more rows.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import polars as pl

from lim_pipelines.lake import LATEST, AsOf, Lake, maintain
from lim_pipelines.schemas import VALIDATED_BARS

EXCHANGES = ("XAAA", "XBBB", "XCCC", "XDDD")
COLUMNS = ["instrument_id", "date", "open", "high", "low", "close"]
FIRST_YEAR = 2005
CORRECTED = datetime(2035, 1, 1, tzinfo=UTC)
"""When corrections arrive: after all bars."""


def weekdays(year: int) -> list[date]:
    days = [date(year, 1, 1) + timedelta(i) for i in range(366)]
    return [day for day in days if day.year == year and day.weekday() < 5]


def bars(exchange: str, days: Sequence[date], instruments: int, rng: np.random.Generator) -> pl.DataFrame:
    names = pl.DataFrame({"instrument_id": [f"{exchange}:I{i:05}" for i in range(instruments)]})
    rows = pl.DataFrame({"date": days}).join(names, how="cross")
    close = rng.lognormal(3, 1, rows.height).round(2)
    ts = pl.col("date").cast(pl.Datetime("us")).dt.replace_time_zone("UTC") + pl.duration(hours=21)
    return rows.select(
        "date",
        "instrument_id",
        exchange=pl.lit(exchange),
        freq=pl.lit("1d"),
        price_type=pl.lit("trade"),
        ts=ts,
        open=close + 0.01,
        high=close + 0.02,
        low=close - 0.02,
        close=close,
        volume=rng.lognormal(10, 1, rows.height).round(),
        ex_factor=pl.lit(1.0),
        asset_class=pl.lit("equity"),
        source=pl.lit("simulated"),
        known_at=ts + pl.duration(minutes=15),
    )


def fill(lake: Lake, years: int, instruments: int) -> None:
    rng = np.random.default_rng(0)
    each = instruments // len(EXCHANGES)
    for exchange in EXCHANGES:
        for year in range(FIRST_YEAR, FIRST_YEAR + years):
            rows = bars(exchange, weekdays(year), each, rng)
            lake.write(VALIDATED_BARS, rows, rows.select(VALIDATED_BARS.partition_key).unique())
        days = weekdays(FIRST_YEAR + years // 2)[::20]
        scope = pl.DataFrame({"exchange": [exchange] * len(days), "date": days})
        lake.update(VALIDATED_BARS, scope, lambda there: pl.concat([there, _corrected(there)]))
    print(maintain(lake, timedelta(days=1), [VALIDATED_BARS]))


def _corrected(there: pl.DataFrame) -> pl.DataFrame:
    return there.with_columns(close=pl.col("close") + 1, known_at=pl.lit(CORRECTED))


def medians(contenders: dict[str, Callable[[], pl.DataFrame]], rounds: int = 21) -> dict[str, float]:
    """Seconds of each; they take turns, so that a busy moment of the machine meets all of them."""
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, action in contenders.items():
            started = time.perf_counter()
            action()
            taken[name].append(time.perf_counter() - started)
    return {name: statistics.median(values[1:]) for name, values in taken.items()}


def measure(lake: Lake, month: tuple[date, date]) -> None:
    connection = duckdb.connect()
    connection.execute(f"SET threads = {os.cpu_count()}")
    where = pl.col("date").is_between(*month)
    log = lake.open(VALIDATED_BARS)
    assert log is not None
    files = log.files()
    left = files.filter(pl.col("min.date") <= month[1], pl.col("max.date") >= month[0])["path"]
    everything = [f"{log.uri}/{path}" for path in files["path"]]
    skipped = [f"{log.uri}/{path}" for path in left]

    def bare(uris: list[str]) -> pl.DataFrame:
        table = connection.sql(
            f"SELECT {', '.join(COLUMNS)} FROM read_parquet({uris!r})"
            f" WHERE date BETWEEN '{month[0]}' AND '{month[1]}'"
        ).to_arrow_table()
        return pl.DataFrame(table)

    def ours(reader: Lake, moment: AsOf, sort: bool = False) -> pl.LazyFrame:
        rows = reader.read(VALIDATED_BARS, as_of=moment, where=where)
        return (rows.sort(VALIDATED_BARS.key) if sort else rows).select(COLUMNS)

    past = datetime(month[1].year, month[1].month, month[1].day, tzinfo=UTC) + timedelta(days=30)
    contenders = {
        f"DuckDB, all {len(everything)} files": lambda: bare(everything),
        f"DuckDB, the {len(skipped)} files left": lambda: bare(skipped),
        "lake, as of now": lambda: ours(lake, LATEST).collect(),
        "lake, as of the past": lambda: ours(lake, past).collect(),
        "lake opened anew, as of now": lambda: ours(Lake(lake.root), LATEST).collect(),
        "lake, as of now, sorted": lambda: ours(lake, LATEST, sort=True).collect(),
    }
    taken = medians(contenders)
    all_files, files_left, *_ = taken.values()
    print(f"{month[0]} .. {month[1]}")
    for name, median in taken.items():
        print(
            f"  {name:30} {1000 * median:7.1f} ms {contenders[name]().height:8} rows"
            f"   {median / all_files:5.2f} of all files   {median / files_left:5.2f} of the files left"
        )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--years", type=int, default=20)
    arguments.add_argument("--instruments", type=int, default=5000)
    arguments.add_argument("--folder", type=Path, help="where the lake is kept for the next time")
    given = arguments.parse_args()
    with nullcontext(given.folder) if given.folder else tempfile.TemporaryDirectory() as folder:
        lake = Lake(Path(folder) / "lake")
        if lake.version(VALIDATED_BARS) < 0:
            started = time.perf_counter()
            fill(lake, given.years, given.instruments)
            print(f"filled in {time.perf_counter() - started:.0f} s")
        middle = FIRST_YEAR + given.years // 2
        measure(lake, (date(middle - 1, 3, 1), date(middle - 1, 3, 31)))
        measure(lake, (date(middle, 3, 1), date(middle, 3, 31)))


if __name__ == "__main__":
    main()
