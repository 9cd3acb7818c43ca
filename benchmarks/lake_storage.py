"""Plain Parquet files with a small manifest of our own against Delta's log, on what the lake promises.

    python -m benchmarks.lake_storage [--rows 20000]

Three stores hold partitions (exchange, date): the lake (own sorted Parquet files, Delta's log),
`write_deltalake` as it comes (its files too), and the smallest honest manifest there can be: one JSON file a
version that lists all files, made under a name that only one writer can take. The decision: docs/lake.md.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import polars as pl
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError

from benchmarks.point_in_time import bars
from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.schemas import VALIDATED_BARS

FIRST = date(2020, 1, 1)


class Manifest:
    """Partitions as Parquet files; `<version>.json` maps each partition to its file. Local folders only."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def newest(self) -> tuple[int, dict[str, str]]:
        """Newest version, and the file of each partition."""
        versions = [int(path.stem) for path in self.root.glob("*.json")]
        if not versions:
            return -1, {}
        return max(versions), json.loads((self.root / f"{max(versions)}.json").read_text())

    def write(self, rows: pl.DataFrame) -> None:
        """Replace whole partitions."""
        added = {}
        for part in rows.partition_by("exchange", "date", maintain_order=True):
            name = f"{uuid.uuid4().hex}.parquet"
            part.write_parquet(self.root / name, compression="zstd", compression_level=1)
            added[f"{part['exchange'][0]}|{part['date'][0]}"] = name
        while True:
            version, files = self.newest()
            draft = self.root / f"{uuid.uuid4().hex}.draft"
            draft.write_text(json.dumps(files | added))
            try:
                # A link, unlike a renaming, fails if another writer has taken the name.
                os.link(draft, self.root / f"{version + 1}.json")
                return
            except FileExistsError:
                continue
            finally:
                draft.unlink()

    def read(self, first: date, last: date) -> pl.DataFrame:
        """All rows of some days, both included."""
        _, files = self.newest()
        wanted = [
            self.root / name
            for partition, name in files.items()
            if first.isoformat() <= partition.split("|")[1] <= last.isoformat()
        ]
        return pl.read_parquet(wanted)


class Plain:
    """`write_deltalake` as it comes."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, rows: pl.DataFrame) -> None:
        """Replace whole partitions."""
        first, last = rows["date"].min(), rows["date"].max()
        predicate = f"exchange = '{rows['exchange'][0]}' AND date >= '{first}' AND date <= '{last}'"
        exists = DeltaTable.is_deltatable(str(self.root))
        while True:
            try:
                write_deltalake(
                    str(self.root),
                    rows.to_arrow(),
                    mode="overwrite",
                    predicate=predicate if exists else None,
                    partition_by=["exchange"],
                )
                return
            except CommitFailedError:
                continue

    def read(self, first: date, last: date) -> pl.DataFrame:
        """All rows of some days, both included."""
        return pl.scan_delta(str(self.root)).filter(pl.col("date").is_between(first, last)).collect()


class Ours:
    """The lake."""

    def __init__(self, root: Path) -> None:
        self.lake = Lake(root)

    def write(self, rows: pl.DataFrame) -> None:
        """Replace whole partitions."""
        self.lake.write(VALIDATED_BARS, rows, rows.select(VALIDATED_BARS.partition_key).unique())

    def read(self, first: date, last: date) -> pl.DataFrame:
        """All rows of some days, both included."""
        where = pl.col("date").is_between(first, last)
        return self.lake.read(VALIDATED_BARS, as_of=LATEST, where=where).collect()


STORES: dict[str, Callable[[Path], Manifest | Plain | Ours]] = {
    "own manifest": Manifest,
    "write_deltalake": Plain,
    "lake": Ours,
}


def partitions(first: int, n: int, rows: int, exchange: str = "XAAA") -> pl.DataFrame:
    import numpy as np

    days = [FIRST + timedelta(first + i) for i in range(n)]
    return VALIDATED_BARS.conform(bars(exchange, days, rows, np.random.default_rng(first)))


def commits_of_one(store: str, root: str, writer: int) -> None:
    target = STORES[store](Path(root))
    for i in range(20):
        target.write(partitions(1000 + 20 * writer + i, 1, 100))


def timed(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000, help="of a partition")
    rows = parser.parse_args().rows
    one = [partitions(200 + i, 1, rows) for i in range(7)]
    hundred = partitions(0, 100, rows)
    context = multiprocessing.get_context("spawn")
    for name, make in STORES.items():
        with tempfile.TemporaryDirectory() as folder:
            store, root = make(Path(folder) / "store"), str(Path(folder) / "store")
            # B023: the functions are called within the turn of the loop whose variables they name.
            bulk = timed(lambda: store.write(hundred))  # noqa: B023
            single = statistics.median([timed(lambda: store.write(part)) for part in one])  # noqa: B023
            month = (FIRST + timedelta(30), FIRST + timedelta(59))
            store.read(*month)
            read = statistics.median([timed(lambda: store.read(*month)) for _ in range(9)])  # noqa: B023
            corrected = hundred.filter(pl.col("date") == FIRST).with_columns(pl.col("close") + 1)
            correction = timed(lambda: store.write(corrected))  # noqa: B023
            writers = [context.Process(target=commits_of_one, args=(name, root, i)) for i in range(4)]
            started = time.perf_counter()
            for writer in writers:
                writer.start()
            for writer in writers:
                writer.join()
            race = time.perf_counter() - started
            kept = make(Path(root)).read(FIRST + timedelta(1000), FIRST + timedelta(2000))["date"].n_unique()
            print(
                f"{name:16} 1 partition {1000 * single:6.0f} ms   100 partitions {1000 * bulk:6.0f} ms"
                f"   correction of 1 in 100 {1000 * correction:6.0f} ms   a month {1000 * read:6.0f} ms"
                f"   4 x 20 commits {race:5.1f} s, {kept} of 80 kept"
            )


if __name__ == "__main__":
    main()
