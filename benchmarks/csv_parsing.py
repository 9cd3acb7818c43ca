"""How fast csv becomes canonical bars, against a bare polars read of the same files in the same run.

    python benchmarks/csv_parsing.py [rows]

The bare read knows the types of all columns and yields nothing but those columns, moments as moments (read
as text and then parsed by their format: that is twice as fast as naming the type Datetime). Ours also checks
every row, gives it session, end, moment of knowledge and line, and is ready to be published.
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from lim_pipelines.exchanges import segments, sessions
from lim_pipelines.sources.tabular import Origin, TableFormat, TimeFormat, parse

RUNS = 7
ARRIVED = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = ("open", "high", "low", "close", "volume")
FLOATS = dict.fromkeys(NAMES, pl.Float64())


def bars(count: int, seed: int = 7) -> dict[str, pl.Series]:
    generator = np.random.default_rng(seed)
    close = np.round(100 * np.exp(np.cumsum(generator.normal(0, 1e-4, count))), 2)
    prices = {"open": close - 0.01, "high": close + 0.02, "low": close - 0.03, "close": close}
    volume = generator.integers(100, 1_000_000, count)
    return {**{n: pl.Series(np.round(v, 2)) for n, v in prices.items()}, "volume": pl.Series(volume)}


def daily(rows: int) -> tuple[str, pl.DataFrame]:
    days = sessions("XNYS", date(2005, 1, 1), date(2024, 12, 31))["date"]
    symbols = [f"S{i:04d}" for i in range(-(-rows // len(days)))]
    grid = pl.DataFrame({"symbol": symbols}).join(days.to_frame(), how="cross").head(rows)
    return "daily", grid.with_columns(**bars(grid.height))


def minute(rows: int) -> tuple[str, pl.DataFrame]:
    stretches = segments("XNYS", date(2010, 1, 1), date(2024, 12, 31))
    starts = stretches["open"].dt.convert_time_zone("America/New_York").dt.replace_time_zone(None)
    within = pl.Series("minutes", [timedelta(minutes=m + 1) for m in range(210)])
    grid = starts.alias("start").to_frame().join(within.to_frame(), how="cross").head(rows)
    frame = grid.select(
        symbol=pl.lit("SPY"), timestamp=(pl.col("start") + pl.col("minutes")).dt.strftime("%Y-%m-%d %H:%M:%S")
    )
    return "minute", frame.with_columns(**bars(frame.height))


def seconds_of(task: Callable[[], object]) -> float:
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


def report(name: str, rows: int, bare: Callable[[], object], ours: Callable[[], object]) -> None:
    bare(), ours()
    pairs = [(seconds_of(bare), seconds_of(ours)) for _ in range(RUNS)]
    b, o = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(x / y for x, y in pairs)
    print(
        f"{name:<28} {rows:>9,} rows   polars {b * 1e3:7.1f} ms   ours {o * 1e3:7.1f} ms"
        f"   {rows / o / 1e6:5.2f} M rows/s   ratio {ratio:.2f}"
    )


def drain(blocks: Iterator[object]) -> None:
    for _ in blocks:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", type=int, nargs="?", default=1_000_000)
    rows = parser.parse_args().rows
    columns = {name: name for name in ("symbol", *NAMES)}
    with tempfile.TemporaryDirectory() as folder:
        for name, frame in (daily(rows), minute(rows)):
            path = Path(folder) / f"{name}.csv"
            frame.write_csv(path)
            when = frame.columns[1]
            schema = {"symbol": pl.String(), when: pl.Date() if name == "daily" else pl.String(), **FLOATS}

            def bare(path: Path = path, schema: dict[str, pl.DataType] = schema) -> pl.DataFrame:
                frame = pl.read_csv(path, schema=schema)
                if "date" in schema:
                    return frame
                return frame.with_columns(
                    pl.col("timestamp").str.to_datetime("%Y-%m-%d %H:%M:%S", cache=False)
                )

            form = TableFormat(
                time=TimeFormat(columns=(when,)), columns=columns, freq="1d" if name == "daily" else "1m"
            )

            def ours(path: Path = path, form: TableFormat = form) -> None:
                with path.open("rb") as stream:
                    drain(parse(stream, form, Origin("x/a.csv", "XNYS", ARRIVED, history=True)))

            report(name, frame.height, bare, ours)
        lean(rows // 10)


def lean(rows: int) -> None:
    """Time an hour file as LEAN packs it: one zip, headerless, prices in ten-thousandths."""
    hours = [timedelta(hours=h) for h in range(9, 16)]
    days = sessions("XNYS", date(1986, 1, 1), date(2024, 12, 31))["date"]
    starts = (
        days.cast(pl.Datetime("us"))
        .alias("day")
        .to_frame()
        .join(pl.Series("hour", hours).to_frame(), how="cross")
        .head(rows)
    )
    frame = starts.select((pl.col("day") + pl.col("hour")).dt.strftime("%Y%m%d %H:%M").alias("time"))
    frame = frame.with_columns(**bars(frame.height)).with_columns(
        (pl.col(NAMES[:4]) * 10_000).round().cast(pl.Int64)
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("spy.csv", frame.write_csv(include_header=False))
    form = TableFormat(
        time=TimeFormat(columns=("time",), format="%Y%m%d %H:%M", stamp="start"),
        header=("time", *NAMES),
        columns={name: name for name in NAMES},
        divide_by=dict.fromkeys(NAMES[:4], 10_000),
        symbol="SPY",
        freq="1h",
        final_line_break=False,
    )

    def content() -> bytes:
        with zipfile.ZipFile(packed) as archive:
            return archive.read("spy.csv")

    schema = {"time": pl.String(), **FLOATS}

    def bare() -> pl.DataFrame:
        frame = pl.read_csv(content(), has_header=False, schema=schema)
        return frame.with_columns(pl.col("time").str.to_datetime("%Y%m%d %H:%M", cache=False))

    report(
        "hours, LEAN's zip",
        frame.height,
        bare,
        lambda: drain(parse(content(), form, Origin("lean/spy.zip", "XNYS", ARRIVED, history=True))),
    )


if __name__ == "__main__":
    main()
