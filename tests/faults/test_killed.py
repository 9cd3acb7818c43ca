"""A process that dies in the middle of a run: what it leaves is whole, and the next run finishes the work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from inprocess import Lineage, open_lineage
from lake_rows import content_hash

from lim_pipelines.lake import Lake
from lim_pipelines.schemas import ALIGNED_BARS, QUARANTINE, RAW_QUOTES, VALIDATED_BARS, Table

ROOT = Path(__file__).resolve().parents[2]
SPAN = ("2018-11-19|XNAS", "2018-11-27|XNYS")

CHILD = f"""
import os, sys
from pathlib import Path
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests")!r}]
import dagster as dg
import lim_pipelines.definitions
from inprocess import EXCHANGES, Lineage
print("running", flush=True)
with dg.DagsterInstance.get() as instance:
    instance.add_dynamic_partitions("exchange", EXCHANGES)
    Lineage(Path(os.environ["LIM_HOME"]), instance).quotes(*{SPAN!r})
print("done", flush=True)
"""


def start(folder: Path) -> subprocess.Popen[str]:
    """A process of its own that runs the range and has just begun it."""
    (folder / "dagster").mkdir(parents=True)
    (folder / "dagster" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    environment = {"LIM_HOME": str(folder / "home"), "DAGSTER_HOME": str(folder / "dagster")}
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "running\n"
    return child


def contents(lake: Lake) -> dict[str, str]:
    """Content hash of what each step commits, its quarantine too; empty where it has not."""

    def version(table: Table, where: pl.Expr) -> str:
        scope = lake.revisions(table, where).select(table.partition_key).unique().collect()
        return content_hash(lake, table, scope) if scope.height else ""

    tables = {
        table.name: version(table, pl.lit(True)) for table in (RAW_QUOTES, ALIGNED_BARS, VALIDATED_BARS)
    }
    stages = {stage: version(QUARANTINE, pl.col("stage") == stage) for stage in ("parse", "align")}
    return tables | stages


@pytest.mark.slow
def test_a_killed_run_leaves_whole_tables_and_the_next_one_finishes(tmp_path: Path) -> None:
    child = start(tmp_path / "undisturbed")
    began = time.monotonic()
    assert child.wait() == 0
    took = time.monotonic() - began
    expected = contents(Lake(tmp_path / "undisturbed" / "home" / "lake"))
    assert all(expected[table.name] for table in (RAW_QUOTES, ALIGNED_BARS, VALIDATED_BARS))

    seen = set()
    for attempt, moment in enumerate((0.35, 0.6, 0.8)):
        folder = tmp_path / f"killed_{attempt}"
        child = start(folder)
        try:
            child.wait(timeout=took * moment)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            child.wait()

        left = contents(Lake(folder / "home" / "lake"))
        assert all(left[name] in ("", expected[name]) for name in left), (
            "a table is there wholly or not at all"
        )
        seen.add(sum(bool(version) for version in left.values()))

        with open_lineage(folder) as lineage:
            assert lineage.quotes(*SPAN).success
            assert contents(lineage.lake) == expected
    assert seen - {len(expected)}, f"no run was killed in the middle: {seen}"


def test_leftovers_of_a_killed_writer_are_not_read(lineage: Lineage) -> None:
    lineage.quotes("2018-11-19|XNYS", "2018-11-21|XNYS")
    before = contents(lineage.lake)
    # What a writer leaves that died between its Parquet file and its commit.
    table = Path(lineage.lake.uri(VALIDATED_BARS))
    stray = next(table.rglob("*.parquet"))
    (stray.parent / "part-00000-dead.parquet").write_bytes(stray.read_bytes())
    (stray.parent / "part-00001-dead.parquet").write_bytes(stray.read_bytes()[:100])
    (table / "_delta_log" / ".tmp-commit").write_bytes(b"{")

    assert contents(lineage.lake) == before
    lineage.quotes("2018-11-19|XNYS", "2018-11-23|XNYS")
    rows = lineage.lake.revisions(VALIDATED_BARS, pl.col("exchange") == "XNYS").collect()
    assert rows["date"].dt.day().sort().to_list() == [19, 20, 21, 23]
