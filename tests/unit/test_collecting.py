"""Reading what the sources hold: in parallel with one result, each file once, only files that may matter."""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lim_pipelines import sources
from lim_pipelines.lake import Lake
from lim_pipelines.landing.register import register
from lim_pipelines.schemas import LANDING_FILES
from lim_pipelines.sources.base import RejectedFileError
from lim_pipelines.sources.collecting import Collected
from lim_pipelines.sources.csv_drop import CsvDrop
from lim_pipelines.sources.feed import Feed
from lim_pipelines.sources.reading import in_order, read_blocks

HEADER = "symbol,date,open,high,low,close,volume\n"
DAYS = (date(2018, 11, 1), date(2018, 11, 30))


def drop(landing: Path, rows: str, path: str, day: int = 1) -> Path:
    file = landing / "csv_drop" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(HEADER + rows)
    os.utime(file, (datetime(2020, 1, day, tzinfo=UTC).timestamp(),) * 2)
    return file


def collect(landing: Path, ledger: pl.DataFrame | None = None, exchange: str = "XNYS") -> Collected:
    return sources.collect([exchange], *DAYS, landing, ledger)


def dropped(found: Collected) -> pl.DataFrame:
    return found.rows.filter(pl.col("source") == "csv_drop")


def read_paths(found: Collected) -> list[str]:
    return [file.path for file in found.files if file.source == "csv_drop"]


def row(day: int, close: float = 1.0) -> str:
    return f"IBM,2018-11-{day},1,2,1,{close},9\n"


def test_results_come_in_order_whoever_is_first_and_few_are_begun_ahead() -> None:
    begun, lock = [], threading.Lock()

    def work(n: int) -> int:
        with lock:
            begun.append(n)
        time.sleep(0.02 if n % 3 == 0 else 0)
        return n

    for result in in_order(work, range(30), threads=3):
        assert len(begun) <= result + 1 + 3
    assert sorted(begun) == list(range(30))
    assert list(in_order(work, range(30), threads=3)) == list(range(30))


def test_an_error_ends_the_work() -> None:
    def work(n: int) -> int:
        if n == 5:
            raise MemoryError
        return n

    with pytest.raises(MemoryError):
        list(in_order(work, range(10_000_000), threads=2))


def test_the_result_does_not_depend_on_which_thread_is_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(12):
        drop(tmp_path, row(1 + i) + row(2 + i, 1 + i % 2), f"XNYS/{i:02}.csv", 1 + i % 3)
    calm = collect(tmp_path)
    read, late = CsvDrop.read, iter([0.05, 0.0, 0.03] * 10)

    def unpunctual(self: CsvDrop, file: Any, landing: Path) -> Any:
        time.sleep(next(late))
        return read(self, file, landing)

    monkeypatch.setattr(CsvDrop, "read", unpunctual)
    again = collect(tmp_path)
    assert again.rows.equals(calm.rows)
    assert again.rejected.equals(calm.rejected)
    assert again.files == calm.files


def test_several_files_for_one_partition_and_several_partitions_from_one_file(tmp_path: Path) -> None:
    drop(tmp_path, row(19) + row(20), "XNYS/a.csv")
    drop(tmp_path, "GE,2018-11-20,1,2,1,1,9\n", "XNYS/b.csv")
    found = dropped(collect(tmp_path)).group_by("date").len().sort("date")
    assert found["len"].to_list() == [1, 2]


@pytest.mark.parametrize("later", [1, 2], ids=["at once", "a day later"])
def test_the_same_file_twice_is_one_bar_and_the_other_is_held_back(tmp_path: Path, later: int) -> None:
    drop(tmp_path, row(20), "XNYS/a.csv", 1)
    drop(tmp_path, row(20), "XNYS/b.csv", later)
    found = collect(tmp_path)
    (kept,) = dropped(found).iter_rows(named=True)
    assert (kept["file"], kept["known_at"]) == ("csv_drop/XNYS/a.csv", datetime(2020, 1, 1, tzinfo=UTC))
    assert found.rejected.select("file", "rule").rows() == [("csv_drop/XNYS/b.csv", "duplicate_bar")]


def test_a_later_file_with_another_value_is_a_revision(tmp_path: Path) -> None:
    drop(tmp_path, row(20, 1.5), "XNYS/b.csv", 1)
    drop(tmp_path, row(20, 1.6), "XNYS/a.csv", 2)
    drop(tmp_path, row(20, 1.5), "XNYS/c.csv", 3)
    found = collect(tmp_path)
    assert dropped(found).sort("known_at")["close"].to_list() == [1.5, 1.6, 1.5], "going back is one, too"
    assert found.rejected.is_empty()


def ledger_of(tmp_path: Path, landing: Path) -> pl.DataFrame:
    lake = Lake(tmp_path / "lake")
    register(lake, landing)
    return lake.revisions(LANDING_FILES).collect()


def test_files_that_the_ledger_rules_out_are_not_read_but_accounted_for(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    drop(landing, row(20), "XNYS/here.csv")
    drop(landing, "IBM,2018-10-20,1,2,1,1,9\n", "XNYS/october.csv")
    drop(landing, row(20), "XNAS/elsewhere.csv")
    drop(landing, "", "XNYS/bad.csv").write_text("when,what\n")
    os.utime(landing / "csv_drop/XNYS/bad.csv", (1.6e9, 1.6e9))
    blind = collect(landing)
    assert read_paths(blind) == [f"csv_drop/XNYS/{name}.csv" for name in ("bad", "here", "october")]
    ledger = ledger_of(tmp_path, landing)
    found = collect(landing, ledger)
    assert read_paths(found) == ["csv_drop/XNYS/here.csv"]
    assert found.rows.equals(blind.rows)
    assert {path for path in found.accounted if path.startswith("csv_drop")} == {
        "csv_drop/XNYS/here.csv",
        "csv_drop/XNYS/october.csv",
    }, "a refused file takes nothing back"


def test_a_file_that_is_not_as_the_ledger_knows_it_is_read(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    drop(landing, "IBM,2018-10-20,1,2,1,1,9\n", "XNYS/a.csv")
    ledger = ledger_of(tmp_path, landing)
    assert read_paths(collect(landing, ledger)) == []
    drop(landing, row(20), "XNYS/a.csv", 3)
    drop(landing, row(21), "XNYS/b.csv", 3)
    found = collect(landing, ledger)
    assert read_paths(found) == ["csv_drop/XNYS/a.csv", "csv_drop/XNYS/b.csv"]
    assert dropped(found)["date"].dt.day().to_list() == [20, 21]


def test_a_table_replaced_since_it_was_listed_is_not_dated_as_it_was_then(tmp_path: Path) -> None:
    folder = tmp_path / "feed" / "x"
    folder.mkdir(parents=True)
    (folder / "mapping.yaml").write_text(
        "exchange: XNYS\nfreq: 1d\ntime: {columns: [date]}\ncolumns: {symbol: s, close: c}\n"
    )
    table = pl.DataFrame({"date": ["2018-10-01"], "s": ["A"], "c": [1.0]})
    table.write_parquet(folder / "a.parquet")
    os.utime(folder / "a.parquet", (datetime(2020, 1, 1, tzinfo=UTC).timestamp(),) * 2)
    listed = next(file for file in Feed().files(tmp_path) if file.path.endswith(".parquet"))
    assert [block.rows.height for block in read_blocks(Feed(), listed, tmp_path)] == [1]
    table.with_columns(c=pl.lit(2.0)).write_parquet(folder / "a.parquet")
    with pytest.raises(RejectedFileError, match="changed_while_reading"):
        list(read_blocks(Feed(), listed, tmp_path))
