"""The window store against bare numpy and bare Parquet: `python -m benchmarks.window_store`.

(a) Random windows a CPU second against a fancy index on a `sliding_window_view` of a bare numpy memmap, from
files larger than the memory that the process may use; (b) building against a bare scan of the same Parquet
files; (c) time and memory for 1x, 4x and 16x the bars; (d) what gathering takes of a training step.

Prints Markdown tables. `--gb` is the size of the files of (a), which are made and removed again, `--memory`
what the process of (a) may hold of them: where control groups can be made a group with that limit, else the
share that is resident is reported. `--rows` are the bars of (b) and of 1x in (c).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from numpy.lib.stride_tricks import sliding_window_view

from lim_pipelines.exchanges import sessions
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.series import Ints
from lim_pipelines.foundation.store import MappedWindows, cells_of, update
from lim_pipelines.foundation.store.digest import COLUMNS
from lim_pipelines.foundation.store.index import SCHEMA
from lim_pipelines.foundation.store.shelf import BYTES, MARGIN, Shelf
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import VALIDATED_BARS

CONTEXT, HORIZON, BATCH = 64, 8, 256
CUTOFF = date(2019, 1, 1)
CONFIG = FoundationConfig(name="bench", exchanges=("XNYS",), asset_classes=("equity",), freqs=("1d",))
SERIES = 1000


def fill(folder: Path, gb: float) -> pl.DataFrame:
    """Write a shelf of random rows; returns its index."""
    length = int(gb * 1e9 / BYTES / SERIES)
    shelf = Shelf(folder, write=True)
    shelf.grow(MARGIN + SERIES * length)
    block = np.random.default_rng(0).standard_normal((length, COLUMNS)).astype(np.float32)
    rows = []
    for at in range(SERIES):
        offset = MARGIN + at * length
        shelf.rows[offset : offset + length] = block
        shelf.ts[offset : offset + length] = np.arange(length)
        name = {"exchange": "XNYS", "freq": "1d", "asset_class": "equity", "instrument_id": f"XNYS:{at}"}
        rows.append({**name, "offset": offset, "capacity": length, "length": length})
    shelf.flush()
    return pl.DataFrame([dict.fromkeys(SCHEMA) | row for row in rows], schema=SCHEMA)


def rate(gather: Callable[[Ints], object], picks: Sequence[Ints], seconds: float) -> tuple[float, float]:
    """Windows a CPU second and a second of wall time."""
    done, cpu, wall = 0, time.process_time(), time.perf_counter()
    while time.perf_counter() - wall < seconds:
        gather(picks[done % len(picks)])
        done += 1
    windows = done * BATCH
    return windows / (time.process_time() - cpu), windows / (time.perf_counter() - wall)


def gathering(folder: Path, index: pl.DataFrame, seconds: float) -> None:
    """Print random windows of the store beside bare numpy, alternating, from the same file."""
    shelf = Shelf(folder)
    windows = MappedWindows(shelf, index, CONTEXT, HORIZON)
    length = CONTEXT + HORIZON
    bare = sliding_window_view(
        np.memmap(folder / "rows.f32", np.float32, "r").reshape(-1, COLUMNS), length, 0
    )
    rng, offset, span = np.random.default_rng(1), index["offset"].to_numpy(), int(index["length"][0])
    picks = [
        np.stack([rng.integers(SERIES, size=BATCH), rng.integers(CONTEXT, span - HORIZON, size=BATCH)], 1)
        for _ in range(4000)
    ]
    starts = [offset[one[:, 0]] + one[:, 1] - CONTEXT + 1 for one in picks]
    found = {"bare numpy": (0.0, 0.0), "store": (0.0, 0.0)}
    for _ in range(3):
        for name, gather, over in (("bare numpy", bare.__getitem__, starts), ("store", windows.batch, picks)):
            found[name] = max(found[name], rate(gather, over, seconds))
    print("| | windows / CPU s | windows / s | ratio (CPU) |\n|---|---|---|---|")
    for name, (cpu, wall) in found.items():
        print(f"| {name} | {cpu:,.0f} | {wall:,.0f} | {cpu / found['bare numpy'][0]:.2f} |")
    print(f"\nown memory {_memory('RssAnon'):.2f} GB, mapped and resident {_memory('RssFile'):.2f} GB")


def _memory(name: str) -> float:
    """GB of this process, as the kernel counts them."""
    told = Path("/proc/self/status").read_text().splitlines()
    return next((int(line.split()[1]) / 1e6 for line in told if line.startswith(name)), float("nan"))


def limited(gb: float, memory: float, seconds: float) -> None:
    """Gather in a process that may use less memory than the files have."""
    with TemporaryDirectory(prefix="lim-windows-") as temporary:
        folder = Path(temporary)
        fill(folder, gb).write_parquet(folder / "index.parquet")
        group = _group(folder.name, memory)
        said = f"control group of {memory} GB" if group else "no control group: all memory may be used"
        print(f"## Random windows of {CONTEXT} + {HORIZON} bars, files of {gb} GB, {said}\n", flush=True)
        # Written pages are dropped, so that the files are read from the disk at first.
        subprocess.run(["sync"], check=True)
        inside = [sys.executable, "-m", "benchmarks.window_store", "--inside", temporary]
        join = f"echo $$ > {group}/cgroup.procs && " if group else ""
        subprocess.run(["sh", "-c", f"{join} exec {' '.join(inside)} --seconds {seconds}"], check=True)
        if group:
            group.rmdir()


def _group(name: str, memory: float) -> Path | None:
    """Make a control group of some GB, of either version; None where that is not allowed."""
    for top, limit in (("/sys/fs/cgroup", "memory.max"), ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")):
        group = Path(top) / name
        try:
            group.mkdir()
            # The kernel makes the file with the group; a plain folder has none.
            with (group / limit).open("r+") as file:
                file.write(str(int(memory * 1e9)))
        except OSError:
            if group.exists():
                group.rmdir()
            continue
        return group
    return None


def bars(count: int) -> pl.DataFrame:
    """Random daily bars of as many instruments as make `count` rows in ten years."""
    days = sessions("XNYS", date(2008, 1, 2), date(2018, 12, 28)).select("date", ts="close")
    names = pl.DataFrame({"instrument_id": [f"XNYS:{i:05}" for i in range(max(1, count // days.height))]})
    frame = days.join(names, how="cross")
    rng = np.random.default_rng(0)
    close = np.exp(rng.normal(4, 0.3, frame.height))
    return VALIDATED_BARS.conform(
        frame.with_columns(
            exchange=pl.lit("XNYS"),
            freq=pl.lit("1d"),
            open=close,
            high=close * 1.01,
            low=close * 0.99,
            close=close,
            volume=rng.random(frame.height) * 1e6,
            ex_factor=pl.lit(1.0),
            asset_class=pl.lit("equity"),
            source=pl.lit("bench"),
            known_at=pl.col("ts") + pl.duration(minutes=15),
        )
    )


def building(root: Path) -> None:
    """Print one line: a scan of the lake's files, the store from scratch, one more month; peak memory."""
    lake = Lake(root / "lake")
    files = lake.file_uris(VALIDATED_BARS)
    start = time.process_time()
    # File by file, as whoever has little memory would.
    count = sum(pl.read_parquet(file).height for file in files)
    scan = time.process_time() - start
    before = _memory("VmHWM")
    start, wall = time.process_time(), time.perf_counter()
    update(lake, root / "windows", cells_of(CONFIG), date(2018, 12, 1))
    built, took = time.process_time() - start, time.perf_counter() - wall
    start = time.process_time()
    _, (done,) = update(lake, root / "windows", cells_of(CONFIG), CUTOFF)
    more = time.process_time() - start
    print(
        f"| {count:,} | {scan:.2f} | {built:.2f} | {scan / built:.2f} | {took:.1f} | {more:.2f}"
        f" | {done.written / 1e6:.1f} | {before:.2f} | {_memory('VmHWM'):.2f} | {_memory('RssAnon'):.2f} |",
        flush=True,
    )


def growth(rows: int, times: tuple[int, ...]) -> None:
    """Build from 1x, 4x and 16x the bars, each in a process of its own."""
    print("\n## Building from the lake, against a bare scan of its Parquet files\n")
    print(
        "| bars | scan CPU s | build CPU s | scan / build | build wall s | month more CPU s | written MB"
        " | peak GB of scan | peak GB with mapped pages | own GB after |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|", flush=True)
    for factor in times:
        with TemporaryDirectory(prefix="lim-windows-") as temporary:
            frame = bars(rows * factor)
            Lake(Path(temporary) / "lake").write(
                VALIDATED_BARS, frame, frame.select("exchange", "date").unique()
            )
            del frame
            command = [sys.executable, "-m", "benchmarks.window_store", "--build", temporary]
            subprocess.run(command, check=True)


def of_a_step(seconds: float) -> None:
    """Print what gathering a batch takes of a training step of the smallest model."""
    import torch

    from lim_pipelines.foundation.model import FoundationModel, Inputs
    from lim_pipelines.foundation.objective import pretraining_loss

    torch.set_num_threads(1)
    with TemporaryDirectory(prefix="lim-windows-") as temporary:
        index = fill(Path(temporary), 0.2)
        windows = MappedWindows(Shelf(Path(temporary)), index, CONFIG.context, CONFIG.horizon)
        rng, model = np.random.default_rng(0), FoundationModel(CONFIG)
        took, steps, end = {"gather": 0.0, "step": 0.0}, 0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            picks = np.stack([rng.integers(SERIES, size=32), rng.integers(70, 3000, size=32)], 1)
            start = time.process_time()
            batch = windows.batch(picks)
            took["gather"] += time.process_time() - start
            loss = pretraining_loss(
                model, Inputs.of(batch), torch.from_numpy(batch.future), torch.Generator().manual_seed(steps)
            )
            loss.backward()
            model.zero_grad()
            took["step"] += time.process_time() - start
            steps += 1
    print("\n## Gathering in a training step, tiny model, 32 windows\n")
    print("| gather ms | step ms | share |\n|---|---|---|")
    ms = {name: 1000 * value / steps for name, value in took.items()}
    print(f"| {ms['gather']:.3f} | {ms['step']:.1f} | {ms['gather'] / ms['step']:.2%} |")


def main() -> None:
    """Run all parts, or the one that a process of its own is for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--gb", type=float, default=2.0)
    parser.add_argument("--memory", type=float, default=0.5)
    parser.add_argument("--rows", type=int, default=250_000)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--inside", type=Path)
    parser.add_argument("--build", type=Path)
    given = parser.parse_args()
    if given.inside:
        gathering(given.inside, pl.read_parquet(given.inside / "index.parquet"), given.seconds)
    elif given.build:
        building(given.build)
    else:
        print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC\n")
        limited(given.gb, given.memory, given.seconds)
        growth(given.rows, (1, 4, 16))
        of_a_step(given.seconds)


if __name__ == "__main__":
    main()
