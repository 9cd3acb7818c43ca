"""As-of alignment of bars with events, against bare Polars `join_asof` and pandas `merge_asof`, in one run.

    python benchmarks/asof_alignment.py [--bars 100_000_000] [--events 1_000_000] [--pandas-bars 10_000_000]

Bars (instrument, end, close) lie in Parquet, a file a stretch of time of a million rows, sorted by time;
events (instrument, what moment they describe, when known, value; some revise an old moment) lie in memory.
Each contender reads the bars file by file, aligns each with all events, and adds up what it found. Bare
Polars is given the events sorted, without the revisions of what is no longer newest, and checks nothing; so
is pandas, which runs on fewer bars (with as many events), once with ids as text, as they come and as everyone
else has them, once as categories. Ours is given all events in no order. Then ours alone, in processes of
their own, on a quarter and on all of the bars, to see its memory. The goal: within 1.2 of bare Polars, five
times as fast as pandas, memory that does not grow with the bars.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl

from lim_pipelines.align.asof import align_stream
from lim_pipelines.schemas import UTC_TIME

PART_ROWS = 1_000_000
INSTRUMENTS = 1_000
STEP = 60_000_000
"""Microseconds from bar to bar of an instrument."""

Sums = tuple[int, float]
"""How many bars found an event, and the sum of the events' values."""


def instruments() -> pl.Series:
    return pl.Series("instrument_id", [f"XNAS:I{number:05}" for number in range(INSTRUMENTS)])


def write_bars(folder: Path, count: int) -> None:
    rng = np.random.default_rng(1)
    for first in range(0, count, PART_ROWS):
        number = np.arange(first, min(first + PART_ROWS, count))
        frame = pl.DataFrame(
            {
                "instrument_id": instruments().gather(pl.Series(number % INSTRUMENTS)),
                "at": pl.Series(number // INSTRUMENTS * STEP).cast(UTC_TIME),
                "close": rng.lognormal(3, 1, len(number)),
            }
        )
        frame.write_parquet(folder / f"{first:012}.parquet")


def make_events(bars: int, count: int) -> pl.DataFrame:
    """Events spread over the time of the bars, in no order; a tenth revises what was long past."""
    rng = np.random.default_rng(2)
    known = rng.integers(0, bars // INSTRUMENTS * STEP, count)
    age = np.where(rng.random(count) < 0.1, rng.integers(0, 10**12, count), 3_600_000_000)
    return pl.DataFrame(
        {
            "instrument_id": instruments().gather(pl.Series(rng.integers(0, INSTRUMENTS, count))),
            "ts": pl.Series(known - age).cast(UTC_TIME),
            "known_at": pl.Series(known).cast(UTC_TIME),
            "value": rng.normal(size=count),
        }
    )


def parts(folder: Path, bars: int) -> Iterator[pl.DataFrame]:
    for path in files(folder, bars):
        yield pl.read_parquet(path)


def files(folder: Path, bars: int) -> list[Path]:
    return sorted(folder.glob("*.parquet"))[: -(-bars // PART_ROWS)]


def ours(folder: Path, bars: int, events: pl.DataFrame) -> Sums:
    found, total = 0, 0.0
    for part in align_stream(parts(folder, bars), events, by=["instrument_id"], columns=["value"]):
        found, total = found + part["value"].count(), total + part["value"].sum()
    return found, total


def ladder(events: pl.DataFrame) -> pl.DataFrame:
    """Events that were the newest when they became known: without this a bare join gives wrong answers."""
    ordered = events.sort("known_at", "ts")
    newest = pl.col("ts") == pl.col("ts").cum_max().over("instrument_id")
    once = ordered.filter(newest).unique(["instrument_id", "known_at"], keep="last", maintain_order=True)
    return once.drop("ts")


def bare_polars(folder: Path, bars: int, events: pl.DataFrame) -> Sums:
    found, total = 0, 0.0
    for part in parts(folder, bars):
        joined = part.join_asof(
            events, left_on="at", right_on="known_at", by="instrument_id", check_sortedness=False
        )
        found, total = found + joined["value"].count(), total + joined["value"].sum()
    return found, total


def whole_polars(folder: Path, bars: int, events: pl.DataFrame) -> Sums:
    """One join of everything at once, in memory."""
    joined = pl.read_parquet(files(folder, bars)).join_asof(
        events, left_on="at", right_on="known_at", by="instrument_id", check_sortedness=False
    )
    return joined["value"].count(), joined["value"].sum()


def pandas(folder: Path, bars: int, events: pl.DataFrame, ids: object) -> Sums:
    import pandas as pd

    right = events.to_pandas().astype({"instrument_id": ids})
    found, total = 0, 0.0
    for path in files(folder, bars):
        left = pd.read_parquet(path).astype({"instrument_id": ids})
        joined = pd.merge_asof(left, right, left_on="at", right_on="known_at", by="instrument_id")
        found, total = found + int(joined["value"].count()), total + float(joined["value"].sum())
    return found, total


def timed(name: str, bars: int, contender: Callable[[], Sums]) -> tuple[float, Sums]:
    started, worked = time.perf_counter(), time.process_time()
    sums = contender()
    seconds, worked = time.perf_counter() - started, time.process_time() - worked
    speed = bars / seconds / 1e6
    print(f"  {name:38} {seconds:7.2f} s   {worked:7.2f} s of CPU   {speed:6.1f} M bars/s", flush=True)
    return seconds, sums


def agree(sums: Sums, expected: Sums) -> None:
    """Make sure that two contenders found the same, up to the order in which sums are taken."""
    assert sums[0] == expected[0]
    assert np.isclose(sums[1], expected[1])


def against_polars(folder: Path, bars: int, events: pl.DataFrame) -> None:
    ready = ladder(events)
    print(f"{bars:,} bars, {len(events):,} events, load {os.getloadavg()[0]:.1f}")
    ours(folder, PART_ROWS, events), bare_polars(folder, PART_ROWS, ready)
    # Twice each, in turns, and the better one: a busy moment of the machine must not decide.
    rounds = [
        (
            timed("ours", bars, lambda: ours(folder, bars, events)),
            timed("bare Polars, file by file", bars, lambda: bare_polars(folder, bars, ready)),
        )
        for _ in range(2)
    ]
    (mine, sums), (bare, expected) = (min(side) for side in zip(*rounds, strict=True))
    agree(sums, expected)
    print(f"  ours / bare Polars = {mine / bare:.2f} (goal at most 1.2)")


def against_pandas(folder: Path, bars: int, events: pl.DataFrame) -> None:
    import pandas as pd

    ready = ladder(events)
    ids = pd.CategoricalDtype(instruments().to_list())
    print(f"{bars:,} bars, {len(events):,} events, load {os.getloadavg()[0]:.1f}")
    mine, sums = timed("ours", bars, lambda: ours(folder, bars, events))
    whole, _ = timed("bare Polars, all at once in memory", bars, lambda: whole_polars(folder, bars, ready))
    text, expected = timed("pandas, file by file", bars, lambda: pandas(folder, bars, ready, "object"))
    agree(sums, expected)
    fast, expected = timed("pandas, ids as categories", bars, lambda: pandas(folder, bars, ready, ids))
    agree(sums, expected)
    print(f"  ours / bare Polars at once = {mine / whole:.2f}")
    print(f"  pandas / ours = {text / mine:.1f} (goal 5), with categories {fast / mine:.1f}")


def memory(folder: Path, bars: int, events: int, used: int) -> int:
    """Peak memory, MiB, of a process of its own that aligns only the first bars."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; import asof_alignment as b;"
        f" b.ours(Path(sys.argv[2]), {used}, b.make_events({bars}, {events})); print(b.peak())"
    )
    here = str(Path(__file__).parent)
    done = subprocess.run(
        [sys.executable, "-c", code, here, str(folder)], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def peak() -> int:
    """Peak memory of this process, MiB; that of `resource` begins with what the parent had."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--bars", type=int, default=100_000_000)
    arguments.add_argument("--events", type=int, default=1_000_000)
    arguments.add_argument("--pandas-bars", type=int, default=10_000_000)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_bars(folder, given.pandas_bars)
        against_pandas(folder, given.pandas_bars, make_events(given.pandas_bars, given.events))
        write_bars(folder, given.bars)
        against_polars(folder, given.bars, make_events(given.bars, given.events))
        for used in (given.bars // 4, given.bars):
            size = memory(folder, given.bars, given.events, used)
            print(f"  peak memory of ours with {used:,} bars: {size:,} MiB")


if __name__ == "__main__":
    main()
